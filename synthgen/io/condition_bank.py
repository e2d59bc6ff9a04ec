"""The condition rows of training records, from which generation takes what nobody asked for.

A record to generate takes *one* row, so what is drawn belongs together. The row is one of the record's label and, as
far as there are any, of the attributes that were asked for: categories and members as asked, numbers and texts among
the nearest.
Which of them follows from (seed, id) alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Schema
from synthgen.data.attribute_codec import to_condition
from synthgen.data.attributes import unknown
from synthgen.errors import RunError
from synthgen.seeding import uniform

__all__ = ["Asked", "ConditionBank"]

Asked = Mapping[str, tuple[str | float, ...]]
"""What is asked of attributes: categories or texts (one each time), members (all of them), a number, or its range."""

_NEAREST = 16  # rows, at least, that are near enough to a number
_NEAREST_SHARE = 0.05


class ConditionBank:
    """Condition rows by name, `(rows, ...)` each.

    Args:
        rows: as `Batch.conditions`, with the conditions of up to 20,000 training records.
        schema: of the records.
    """

    def __init__(self, rows: Mapping[str, Tensor], schema: Schema) -> None:
        self._rows = rows
        self._schema = schema
        self._attributes = {attribute.name: attribute for attribute in schema.attributes}
        self._size = len(next(iter(rows.values()))) if rows else 0

    @property
    def rows(self) -> Mapping[str, Tensor]:
        """As given."""
        return self._rows

    def draw(
        self,
        labels: NDArray[np.int64] | None,
        asked: Asked,
        *,
        seed: int,
        sample_ids: Sequence[int],
        nearness: NDArray[np.float64] | None = None,
    ) -> dict[str, Tensor]:
        """Conditions of records to generate.

        Args:
            labels: `(N,)` index into the schema's labels; None for unlabelled data.
            asked: see `Asked`.
            seed, sample_ids: of the data set, and of each record in it.
            nearness: `(rows,)`: take rows where this is 1 or more; of a label that has none, the highest.

        Raises:
            RunError: no training record has the label.
        """
        if not self._size:
            return {}
        told = self.told(asked, seed=seed, sample_ids=sample_ids)
        draws = uniform(seed, "conditions", sample_ids)
        labelled = labels is not None and "label" in self._rows
        keys = [np.asarray(labels, dtype=np.float64)[:, None]] if labelled else []
        keys += [values.reshape(len(values), -1).double().numpy() for values in told.values()]
        if not keys:
            candidates = np.flatnonzero(_near(np.ones(self._size, dtype=bool), nearness))
            rows = candidates[(draws * len(candidates)).astype(np.int64)]
        else:
            rows = np.zeros(len(sample_ids), dtype=np.int64)
            found, group = np.unique(np.concatenate(keys, axis=1), axis=0, return_inverse=True)
            for number in range(len(found)):
                chosen = np.flatnonzero(group.reshape(-1) == number)
                label = int(found[number, 0]) if labelled else None
                asked_here = {name: values[chosen[0]] for name, values in told.items()}
                candidates = self._candidates(label, asked_here, nearness)
                rows[chosen] = candidates[(draws[chosen] * len(candidates)).astype(np.int64)]
        picked = torch.from_numpy(rows)
        drawn = {name: values[picked] for name, values in self._rows.items()}
        for name, attribute in self._attributes.items():
            if attribute.free and name not in told:
                drawn[name] = to_condition(attribute, unknown(attribute, len(picked)))
        return drawn | told

    def told(self, asked: Asked, *, seed: int, sample_ids: Sequence[int]) -> dict[str, Tensor]:
        """The asked conditions of each record; arguments as `draw`."""
        return {name: self._told(name, values, seed, sample_ids) for name, values in asked.items()}

    def label_frequencies(self, asked: Asked, nearness: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Share of each label among the rows that are as asked, `(K,)`; of all rows where none is."""
        allowed = _near(np.ones(self._size, dtype=bool), nearness)
        for name, values in asked.items():
            fitting = allowed & self._fitting(name, values)
            allowed = fitting if fitting.any() else allowed
        labels = self._rows["label"].numpy()[allowed]
        counts = np.bincount(labels[labels >= 0], minlength=len(self._schema.labels)).astype(np.float64)
        return np.asarray(counts / counts.sum())

    def _told(self, name: str, values: tuple[str | float, ...], seed: int, sample_ids: Sequence[int]) -> Tensor:
        """The asked condition of each record."""
        attribute, size = self._attributes[name], len(sample_ids)
        if attribute.kind == "members":
            row = np.isin(attribute.values, values).astype(np.int8)
            return to_condition(attribute, np.repeat(row[None], size, axis=0))
        draws = uniform(seed, f"condition {name}", sample_ids) if len(values) > 1 else np.zeros(size)
        if attribute.kind == "category":
            codes = np.array([attribute.values.index(str(value)) for value in values], dtype=np.int64)
            return to_condition(attribute, codes[(draws * len(codes)).astype(np.int64)])
        if attribute.kind == "text":
            return to_condition(attribute, np.array(values, dtype=np.str_)[(draws * len(values)).astype(np.int64)])
        low, high = float(values[0]), float(values[-1])
        numbers = low * (high / low) ** draws if attribute.logarithmic else low + (high - low) * draws
        return to_condition(attribute, np.rint(numbers) if attribute.integer else numbers)

    def _candidates(
        self, label: int | None, told: Mapping[str, Tensor], nearness: NDArray[np.float64] | None
    ) -> NDArray[np.int64]:
        """Rows of a label that fit what is asked, as far as any do."""
        allowed = np.ones(self._size, dtype=bool)
        if label is not None:
            allowed = (self._rows["label"] == label).numpy()
            if not allowed.any():
                raise RunError(f"the run has no training records of class {self._schema.labels[label]}")
        allowed = _near(allowed, nearness)
        exact = [name for name in told if self._attributes[name].kind not in ("number", "text")]
        for name in exact:
            same = (self._rows[name] == told[name]).reshape(self._size, -1).all(dim=1).numpy()
            allowed = allowed & same if (allowed & same).any() else allowed
        for name in told:
            if name not in exact:
                away = (self._rows[name] - told[name]).norm(dim=1).nan_to_num(torch.inf).numpy()
                allowed = _nearest(allowed, away)
        return np.flatnonzero(allowed)

    def _fitting(self, name: str, values: tuple[str | float, ...]) -> NDArray[np.bool_]:
        attribute, rows = self._attributes[name], self._rows[name]
        if attribute.kind == "category":
            codes = [attribute.values.index(str(value)) for value in values]
            return np.isin(rows.numpy(), codes)
        if attribute.kind == "members":
            wanted = np.isin(attribute.values, values).astype(np.float32)
            return np.asarray((rows.numpy() == wanted).all(axis=1))
        if attribute.kind == "text":
            vectors = to_condition(attribute, np.array(values, dtype=np.str_))
            near = torch.cdist(rows, vectors).min(dim=1).values.nan_to_num(torch.inf)
            return _nearest(np.ones(len(rows), dtype=bool), near.numpy())
        low, high = (float(to_condition(attribute, np.array([float(v)]))) for v in (values[0], values[-1]))
        inside = (rows[:, 0].numpy() >= low - 1e-6) & (rows[:, 0].numpy() <= high + 1e-6)
        away = (rows[:, 0] - (low + high) / 2).abs().nan_to_num(torch.inf).numpy()
        return inside if inside.sum() >= _NEAREST else _nearest(np.ones(len(rows), dtype=bool), away)


def _near(allowed: NDArray[np.bool_], nearness: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Those of the allowed rows that reach what is required, or else come nearest."""
    if nearness is None:
        return allowed
    return np.asarray(allowed & (nearness >= min(1.0, float(nearness[allowed].max()))))


def _nearest(allowed: NDArray[np.bool_], away: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The nearest of the allowed rows: 5 % of them, at least 16, and all that are no farther than the last of those."""
    known = allowed & np.isfinite(away)
    if not known.any():
        return allowed
    among = np.sort(away[known])
    last = among[min(len(among), max(_NEAREST, round(_NEAREST_SHARE * len(among)))) - 1]
    return np.asarray(known & (away <= last))
