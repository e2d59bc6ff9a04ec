"""Which records the data itself calls anomalous, if it says so.

Label values the user names as anomalous are; else, among the labels that the run does not know,

- `1, true, yes, anomaly, anomalous, abnormal, outlier` against `0, false, no, normal, good, inlier` mean what they say;
- any other label is anomalous beside records whose label the run knows: the model was never shown such records.

Labels that the run knows all of are classes and say nothing about anomalies.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from synthgen.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Schema, Source

__all__ = ["Truth", "anomalous_labels", "read_truth"]

_ANOMALOUS = frozenset({"1", "1.0", "true", "yes", "anomaly", "anomalous", "abnormal", "outlier"})
_NORMAL = frozenset({"0", "0.0", "false", "no", "normal", "good", "inlier"})


@dataclass(frozen=True)
class Truth:
    """What the data's labels say."""

    names: NDArray[np.str_] | None
    """(N,) the label of each record as text; None for unlabelled data."""
    anomalous: NDArray[np.bool_] | None
    """(N,); None when the labels do not say."""
    classes: NDArray[np.int64] | None
    """(N,) index into the run's labels, -1 where the run does not know the label; None for unlabelled data."""
    note: str = ""
    """How the labels were understood, one sentence."""


def read_truth(source: Source, schema: Schema, anomaly_labels: Sequence[str] | None = None) -> Truth:
    """Read the anomaly labels of `source`, whose label names may differ from those of the run's `schema`.

    Raises:
        UsageError: `anomaly_labels` names a value that the data does not have, or the data has no labels.
    """
    if source.labels is None or not source.schema.labels:
        if anomaly_labels:
            hint = "Name the column with --label-column."
            raise UsageError("the data has no labels, so none can be anomalous", hint=hint)
        return Truth(None, None, None)
    known = {label: index for index, label in enumerate(schema.labels)}
    table = np.array([*source.schema.labels, ""])  # index -1, an unlabelled record, is the empty name
    names = table[source.labels]
    classes = np.array([*(known.get(label, -1) for label in source.schema.labels), -1], dtype=np.int64)[source.labels]
    used = sorted(set(names.tolist()) - {""})
    chosen, note = anomalous_labels(used, frozenset(known), anomaly_labels, source.schema.labels)
    return Truth(names, None if chosen is None else np.isin(names, list(chosen)), classes, note)


def anomalous_labels(
    used: Sequence[str], known: frozenset[str], asked: Sequence[str] | None, declared: Sequence[str]
) -> tuple[set[str] | None, str]:
    """Which labels mean anomalous (None: they do not say), and a sentence about how that was understood.

    Args:
        used: labels of the records.
        known: those that the run was trained with.
        asked: what the user names; None: see above.
        declared: labels that the data may have.

    Raises:
        UsageError: the user names one that the data does not have.
    """
    if asked is not None:
        for name in asked:
            if name not in declared:
                close = difflib.get_close_matches(name, declared, n=1)
                raise UsageError(
                    f"no record is labelled {name!r}",
                    hint=f"Did you mean {close[0]}?" if close else f"The data's labels: {', '.join(declared[:20])}.",
                )
        return set(asked), f"Anomalous by request: {', '.join(asked)}."
    unknown = set(used) - known
    if not unknown:
        return None, ""
    flags = {label: label.strip().lower() for label in used}
    if set(flags.values()) <= _ANOMALOUS | _NORMAL:
        chosen = {label for label, flag in flags.items() if flag in _ANOMALOUS}
        return chosen, f"The labels {', '.join(used)} were read as normal or anomalous."
    if not known:
        return (
            None,
            "The run has no labels, so the data's do not say what is anomalous; name them with --anomaly-label.",
        )
    return unknown, f"Labels that the run was never shown count as anomalous: {', '.join(sorted(unknown)[:10])}."
