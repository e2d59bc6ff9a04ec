"""The pass over the data: pieces are scored, the oddest kept, the table put together, the calibration checked."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from synthgen.api import Records
from synthgen.evaluation.blocks import blocks_of
from synthgen.evaluation.calibration import Uniformity, benjamini_hochberg, uniformity
from synthgen.evaluation.channels import ChannelMaps, has_channels
from synthgen.evaluation.score_verdict import Oddity
from synthgen.evaluation.scorer import CalibratedScorer, pieces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.evaluation.label_errors import LabelJudge
    from synthgen.evaluation.mask_errors import MaskJudge
    from synthgen.evaluation.overlap import Overlap
    from synthgen.evaluation.truth import Truth

__all__ = ["assemble", "check_calibration", "score_records", "with_channels", "with_p"]

_MAPS = 16
_HOLDOUT_RECORDS = 300


def score_records(
    scorer: CalibratedScorer,
    source: Source,
    truth: Truth,
    column: str,
    seen: Overlap,
    tell: Callable[[int], None],
    *,
    judge: LabelJudge | MaskJudge | None = None,
) -> tuple[dict[str, NDArray[Any]], list[Oddity]]:
    """Score the data piece by piece; residual maps are kept for the oddest records only.

    With a judge of labels or masks there are also `label_doubt`, its p-value `label_p` and `likeliest_label`.
    """
    parts: dict[str, list[NDArray[Any]]] = {}
    oddest: list[tuple[float, int, NDArray[np.float32]]] = []  # a heap, the least odd first
    for piece in pieces(np.arange(len(source)), scorer.model.schema, scorer.setting.levels):
        records = source.read(piece)
        told = replace(records, label=None if truth.classes is None else truth.classes[piece])
        scored = scorer.score(told)
        columns = {"score": scored.scores[column], "seen": seen.part_of(records)}
        columns |= {f"z_{k + 1}": scored.z[:, k] for k in range(scored.z.shape[1])}
        if judge is not None:
            doubt = judge.doubt(told)
            likeliest = np.array([*scorer.model.schema.labels, ""])[doubt.best]
            columns |= {"label_doubt": doubt.margin, "label_p": doubt.p, "likeliest_label": likeliest}
        for name, values in (columns | scored.scores).items():
            parts.setdefault(name, []).append(values)
        for row, position in enumerate(piece):
            value = float(columns["score"][row])
            if np.isfinite(value) and (len(oddest) < _MAPS or value > oddest[0][0]):
                heapq.heappush(oddest, (value, -int(position), scored.residuals[row].copy()))
                if len(oddest) > _MAPS:
                    heapq.heappop(oddest)
        tell(int(piece[-1]) + 1)
    found = []
    for value, negated, residuals in sorted(oddest, key=lambda item: (-item[0], -item[1])):
        label = "" if truth.names is None else str(truth.names[-negated])
        record = source.read(np.array([-negated]))
        found.append(Oddity(-negated, value, label, record, scorer.maps(residuals[np.newaxis])[0]))
    return {name: np.concatenate(columns) for name, columns in parts.items()}, found


def check_calibration(
    scorer: CalibratedScorer, source: Source, positions: NDArray[np.int64], column: str
) -> Uniformity | None:
    """The check of the calibration on some of these records of the run, at most a few hundred; None without any."""
    some = positions[:: max(1, -(-len(positions) // _HOLDOUT_RECORDS))]
    if not len(some):
        return None
    records = [source.read(piece) for piece in pieces(some, scorer.model.schema, scorer.setting.levels)]
    scores = np.concatenate([scorer.score(part).scores[column] for part in records])
    known = np.isfinite(scores)
    if not known.any():
        return None
    groups = None if source.groups is None else np.asarray(source.groups)[some[known]]
    x = scorer.model.codec.encode(Records.concatenate(records).take(known)).x.cpu().numpy()
    return uniformity(
        scorer.calibration[column], scores[known], blocks=scorer.blocks, normal_blocks=blocks_of(x, groups)
    )


def assemble(
    columns: Mapping[str, NDArray[Any]],
    scorer: CalibratedScorer,
    column: str,
    truth: Truth,
    *,
    q: float,
    alpha: float | None,
    names: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The columns with p-values, q-values and flags, and what the data calls the records where it names them.

    A record that could not be scored is not flagged.
    """
    value = columns["score"]
    scorable = np.isfinite(value)
    p, adjusted = np.ones(len(value)), np.ones(len(value))
    p[scorable] = scorer.p_values(column, value[scorable])
    adjusted[scorable] = benjamini_hochberg(p[scorable])
    flagged = scorable & (adjusted <= q if alpha is None else p <= alpha)
    first = {"id": np.arange(len(value)), "score": value, "p": p, "q": adjusted, "flagged": flagged}
    table = pd.DataFrame(first | {name: column for name, column in columns.items() if name != "score"})
    if names is not None:
        table.insert(1, "record", list(names))
    if truth.names is not None:
        table["label"] = truth.names
    if truth.anomalous is not None:
        table["anomaly"] = truth.anomalous
    return table


def with_p(item: Oddity, table: pd.DataFrame) -> Oddity:
    """The record with its p-value, q-value and flag."""
    row = table.iloc[item.id]
    return replace(item, p=float(row["p"]), q=float(row["q"]), flagged=bool(row["flagged"]))


def with_channels(scorer: CalibratedScorer, oddest: Sequence[Oddity]) -> list[Oddity]:
    """The oddest records with how odd each channel is, and where, if tensors have a channel for each."""
    if not oddest or not has_channels(scorer):
        return list(oddest)
    names = [channel.name for channel in scorer.model.schema.channels]
    odd, cells = ChannelMaps.fit(scorer)(Records.concatenate([item.record for item in oddest]))
    return [
        replace(item, channels={name: float(z) for name, z in zip(names, row, strict=True)}, cells=heat)
        for item, row, heat in zip(oddest, odd, cells, strict=True)
    ]
