"""Generation that starts from given records instead of from noise alone.

    x = encode(given) + sigma_k n,      sigma_k the grid level that leaves the last `strength` share of the grid

and sampling goes on from there: the stronger the noise, the further the result may move from what was given. Record i
of a data set starts from given record i mod m, its noise is that of (seed, i), so the whole stays a function of
(plan, i) alone.

Source: Meng et al. 2022, "SDEdit", arXiv:2108.01073.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Batch, Codec, Records, Source
from synthgen.config import DataConfig
from synthgen.data.attributes import recoded
from synthgen.data.opening import check_same_kind, open_alike, open_source, relabel
from synthgen.errors import DataError, UsageError
from synthgen.io.run import Run

__all__ = ["VARIATION", "Given", "GivenPlan", "Start", "given_plan", "tail"]

VARIATION = "variation"
"""Use of given records: noise each one and sample from there."""

_STRENGTH = 0.4
_PIECE = 512
_OPEN_AT_ONCE = 4


@dataclass(frozen=True)
class Given:
    """A request to start from given records.

    Args:
        path: a file, folder or demo set that the run's modality reads.
        strength: share of the noise grid that is sampled again, in (0, 1]; 1 keeps next to nothing of what is given.
    """

    path: Path | str
    strength: float = _STRENGTH


@dataclass(frozen=True)
class Start:
    """Where the sampling of a batch starts.

    Args:
        x: at the noise level `sigmas[0]`, `(B, C, *spatial)`.
        sigmas: levels still to come, `(K + 1,)`.
        conditions: name -> tensor, as the given records have them.
    """

    x: Tensor
    sigmas: Tensor
    conditions: dict[str, Tensor]


@dataclass(frozen=True)
class GivenPlan:
    """Given records, as `plan.json` names them.

    Args:
        data: how they are read; the path is absolute but for demo sets.
        sha256: of the records that the data set uses, decoded.
        records: how many there are (m).
        use: what is done with them; `variation` here.
        strength: see `Given`.
    """

    data: DataConfig
    sha256: str
    records: int
    use: str = VARIATION
    strength: float = _STRENGTH

    def to_json(self) -> dict[str, Any]:
        """For `plan.json`."""
        raw = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return raw | {"data": self.data.model_dump(mode="json", exclude_defaults=True)}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """The inverse of `to_json`."""
        return cls(**{**raw, "data": DataConfig.model_validate(raw["data"])})

    def positions(self, sample_ids: Sequence[int]) -> NDArray[np.int64]:
        """Which given record each record starts from, `(len(sample_ids),)`."""
        return np.asarray(sample_ids, dtype=np.int64) % self.records

    def label_ids(self, modality: str, names: Sequence[str], sample_ids: Sequence[int]) -> NDArray[np.int64]:
        """The given records' labels as indices into the run's label `names`, `(len(sample_ids),)`.

        Raises:
            UsageError: they carry none.
            DataError: a label that the run does not know.
        """
        return _labels(self, modality, tuple(names))[self.positions(sample_ids)]

    def read(self, modality: str, sample_ids: Sequence[int]) -> Records:
        """The given record of each of these records; labels are the data's own.

        Raises:
            DataError: there are more or fewer of them than when the plan was made.
        """
        return _opened(self, modality).read(self.positions(sample_ids))

    def encoded(self, run: Run, codec: Codec, sample_ids: Sequence[int], labels: NDArray[np.int64] | None) -> Batch:
        """The same as tensors, with these labels (index into the run's) in place of their own."""
        records = self.read(run.schema.modality, sample_ids)
        columns = recoded(records.columns, _opened(self, run.schema.modality).schema, run.schema)
        return codec.encode(Records(columns, labels))

    def start(self, batch: Batch, sigmas: Tensor, noise: Tensor) -> Start:
        """Where sampling starts for encoded given records.

        Args:
            batch: from `encoded`.
            sigmas: the whole grid, `(steps + 1,)`.
            noise: standard normal, of the shape of `batch.x`.
        """
        rest = tail(sigmas, self.strength)
        return Start(batch.x.to(noise.device) + float(rest[0]) * noise, rest, batch.conditions)

    def describe(self) -> dict[str, Any]:
        """For `provenance.json`."""
        return {
            "path": self.data.path,
            "sha256": self.sha256,
            "records": self.records,
            "use": self.use,
            "strength": self.strength,
        }

    def sentence(self) -> str:
        """For the card."""
        return (
            f"Each record was made from one of {self.records:,} given records (`{Path(self.data.path).name}`; column "
            f"`source_id`, counted from 0): noised to strength {self.strength:g} and sampled from there. They resemble "
            "what was given, and are as confidential as it is."
        )


def given_plan(run: Run, given: Given | Path | str, n: int | None) -> GivenPlan:
    """Open and hash given records.

    Args:
        run: whose codec takes them.
        given: the request; a path stands for a variation of the usual strength.
        n: records of the data set; None: as many as are given.

    Raises:
        UsageError: an impossible strength, or records of another modality.
        DataError: nothing that can be read, or records that do not fit the run.
    """
    asked = given if isinstance(given, Given) else Given(given)
    if not 0 < asked.strength <= 1:
        raise UsageError(f"strength is {asked.strength:g}: it lies above 0 and is at most 1")
    path = Path(asked.path).expanduser()
    options = run.config.data.model_copy(update={"path": str(path.absolute()) if path.exists() else str(asked.path)})
    source, options = open_alike(run.schema, options)
    check_same_kind(source.schema, run.schema)
    used = len(source) if n is None else min(n, len(source))
    run.codec().encode(source.read(np.arange(1)))  # what does not fit is said before anything is written
    return GivenPlan(options, _content(source, used), len(source), strength=asked.strength)


def tail(sigmas: Tensor, strength: float) -> Tensor:
    """The last `strength` share of a grid's steps, at least one: `(K + 1,)` of `(steps + 1,)` levels."""
    steps = len(sigmas) - 1
    return sigmas[steps - min(steps, max(1, round(strength * steps))) :]


def _content(source: Source, used: int) -> str:
    """SHA-256 of the first `used` records, whatever file they came from."""
    digest = hashlib.sha256()
    for begin in range(0, used, _PIECE):
        records = source.read(np.arange(begin, min(used, begin + _PIECE)))
        columns = records.columns | ({} if records.label is None else {"label": records.label})
        for name, column in sorted(columns.items()):
            digest.update(f"{name} {column.dtype.str} {column.shape}".encode())
            plain = column.dtype.kind not in "OUS"
            digest.update(np.ascontiguousarray(column).tobytes() if plain else repr(column.tolist()).encode())
    digest.update(repr(source.schema.labels).encode())
    return digest.hexdigest()


@lru_cache(maxsize=_OPEN_AT_ONCE)
def _open(modality: str, data: str, sha256: str) -> Source:
    """Open once a process; the hash is part of the key, so that changed files are opened again."""
    return open_source(modality, DataConfig.model_validate_json(data))


def _opened(plan: GivenPlan, modality: str) -> Source:
    source = _open(modality, plan.data.model_dump_json(), plan.sha256)
    if len(source) != plan.records:
        raise DataError(
            f"{plan.data.path} has {len(source):,} records, the plan was made for {plan.records:,}",
            hint="Put the data back as it was, or generate into another directory.",
        )
    return source


def _labels(plan: GivenPlan, modality: str, names: tuple[str, ...]) -> NDArray[np.int64]:
    source = _opened(plan, modality)
    if source.labels is None:
        raise UsageError(
            f"{plan.data.path} carries no labels, and the run was trained with them",
            hint="Say which class the records are of, with --label.",
        )
    labels = relabel(source, dataclasses.replace(source.schema, labels=names)).labels
    assert labels is not None
    if (labels < 0).any():
        raise DataError(
            f"{plan.data.path}: record {int(np.argmax(labels < 0))} carries no label",
            hint="Say which class the records are of, with --label.",
        )
    return labels
