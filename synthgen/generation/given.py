"""Generation that starts from given records instead of from noise alone.

    x = encode(given) + sigma_k n,      sigma_k the grid level that leaves the last `strength` share of the grid

and sampling goes on from there: the stronger the noise, the further the result may move from what was given. Record i
of a data set starts from given record i mod m, its noise is that of (seed, i), so the whole stays a function of
(plan, i) alone.

With regions, only what is inside them is drawn; what is outside is known to the denoiser, as in
`synthgen.generation.imputing`, and kept exactly.

Source: Meng et al. 2022, "SDEdit", arXiv:2108.01073.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthgen.api import Batch, Records, Source
from synthgen.config import DataConfig
from synthgen.data.opening import alike, check_same_kind, open_alike, open_source, relabel
from synthgen.diffusion.denoiser import AnyDenoiser
from synthgen.diffusion.imputation import KNOWN
from synthgen.errors import DataError, UsageError
from synthgen.generation.imputing import Method, chosen_method, knowing
from synthgen.generation.parts import check_part, known_channels, open_part
from synthgen.generation.regions import BOX, boxes, region_hash, regions
from synthgen.io.run import Run

__all__ = ["INPAINTING", "PART", "VARIATION", "Given", "GivenPlan", "Start", "given_plan", "tail"]

VARIATION = "variation"
"""Use of given records: noise each one and sample from there."""

INPAINTING = "inpainting"
"""Use of given records: draw a region of each one anew."""
PART = "part"
"""Use of given records: keep one part of each, such as its mask, and draw the others to it."""

_STRENGTH = 0.4
_PIECE = 512
_PICTURE = 3
_OPEN_AT_ONCE = 4


@dataclass(frozen=True)
class Given:
    """A request to start from given records.

    Args:
        path: a file, folder or demo set that the run's modality reads.
        strength: share of the noise grid that is sampled again, in (0, 1]; 1 keeps next to nothing of what is given.
            None: 0.4; with regions 1, and then what they hide is not read.
        regions: draw only this part anew: `box`, a mask image or a folder of them (white is drawn anew, black kept).
        part: draw all but this part of the record, such as `mask`, which stays as it is given; the files need hold no
            more than it.
        ignore_below: for the part `image`: pixels of the mask with a smaller margin become 255, ignored.
    """

    path: Path | str
    strength: float | None = None
    regions: Path | str | None = None
    part: str | None = None
    ignore_below: float = 0.0


@dataclass(frozen=True)
class Start:
    """Where the sampling of a batch starts.

    Args:
        x: at the noise level `sigmas[0]`, `(B, C, *spatial)`.
        sigmas: levels still to come, `(K + 1,)`.
        conditions: name -> tensor, as the given records have them.
        clean: the encoded given records, where part of them is known.
        known: boolean, x's shape: what of them stays.
        method: how the denoiser learns of it.
    """

    x: Tensor
    sigmas: Tensor
    conditions: dict[str, Tensor]
    clean: Tensor | None = None
    known: Tensor | None = None
    method: Method = "auto"

    def informed(self, denoiser: AnyDenoiser) -> AnyDenoiser:
        """The denoiser, told of what is known."""
        if self.clean is None or self.known is None:
            return denoiser
        return knowing(denoiser, self.clean, self.known, self.method)


@dataclass(frozen=True)
class GivenPlan:
    """Given records, as `plan.json` names them.

    Args:
        data: how they are read; the path is absolute but for demo sets.
        sha256: of the records that the data set uses, decoded.
        records: how many there are (m).
        use: what is done with them; `variation`, `inpainting` or `part` here.
        strength: see `Given`.
        regions: `box`, or the absolute path of mask images; empty without.
        regions_sha256: of the mask images.
        method: of inpainting, see `synthgen.generation.imputing`.
        part: of a record, which is kept while the rest is drawn; empty without.
        run: whose records it is a part of.
        ignore_below: see `Given`.
    """

    data: DataConfig
    sha256: str
    records: int
    use: str = VARIATION
    strength: float = _STRENGTH
    regions: str = ""
    regions_sha256: str = ""
    method: Method = "auto"
    part: str = ""
    run: str = ""
    ignore_below: float = 0.0

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

    def recast(self, run: Run, sample_ids: Sequence[int], labels: NDArray[np.int64] | None) -> Records:
        """The same as the run counts its categories, with these labels (index into the run's) in place of their own."""
        source = alike(_opened(self, run.schema.modality), run.schema)
        return Records(source.read(self.positions(sample_ids)).columns, labels)

    def labelled(self, modality: str) -> bool:
        """Whether the given records carry labels."""
        return _opened(self, modality).labels is not None

    def start(
        self,
        batch: Batch,
        sigmas: Tensor,
        noise: Tensor,
        anew: NDArray[np.bool_] | None = None,
        *,
        groups: Mapping[str, int],
    ) -> Start:
        """Where sampling starts for encoded given records.

        Args:
            batch: of the given records, with the labels asked for.
            sigmas: the whole grid, `(steps + 1,)`.
            noise: standard normal, of the shape of `batch.x`.
            anew: from `anew`.
            groups: channels of each part of a record, by name.
        """
        if self.part:
            part = {KNOWN: known_channels(batch.x, self.part, groups)}
            return Start(float(sigmas[0]) * noise, sigmas, batch.conditions | part)
        rest, clean = tail(sigmas, self.strength), batch.x.to(noise.device)
        if anew is None:
            return Start(clean + float(rest[0]) * noise, rest, batch.conditions)
        known = ~torch.from_numpy(anew)[:, None].expand_as(clean).to(noise.device)
        seen = torch.where(known, clean, 0.0) if self.strength == 1 else clean
        return Start(seen + float(rest[0]) * noise, rest, batch.conditions, clean, known, self.method)

    def anew(self, size: Sequence[int], seed: int, sample_ids: Sequence[int]) -> NDArray[np.bool_] | None:
        """True where records are drawn anew, `(N, H, W)`; None where that is everywhere.

        Args:
            size: height and width.
            seed: of the data set.
            sample_ids: which records.
        """
        if not self.regions:
            return None
        height, width = size
        if self.regions == BOX:
            return boxes((height, width), seed, sample_ids)
        return regions(self.regions, self.regions_sha256, (height, width), self.records, self.positions(sample_ids))

    def restored(self, records: Records, given: Records) -> Records:
        """The records with the kept part as it was given, to the bit."""
        return dataclasses.replace(records, columns={**records.columns, self.part: given[self.part]})

    def names(self, modality: str, sample_ids: Sequence[int]) -> NDArray[np.str_] | None:
        """The file of the given record of each of these records, where the data says so."""
        known = getattr(_opened(self, modality), "names", None)
        return None if known is None else np.asarray(known, dtype=np.str_)[self.positions(sample_ids)]

    def describe(self) -> dict[str, Any]:
        """For `provenance.json`."""
        return {
            "path": self.data.path,
            "sha256": self.sha256,
            "records": self.records,
            "use": self.use,
            "strength": self.strength,
            **({"regions": self.regions, "method": self.method} if self.regions else {}),
        }

    def sentence(self) -> str:
        """For the card."""
        if self.part:
            return (
                f"The {self.part} of each record is one of {self.records:,} given ones (`{Path(self.data.path).name}`; "
                "column `source_id`, counted from 0), the rest was drawn to it."
            )
        where = "a box of it" if self.regions == BOX else f"what `{Path(self.regions).name}` marks"
        how = (
            f"{where} was drawn anew, the rest is as it was given"
            if self.regions
            else f"noised to strength {self.strength:g} and sampled from there"
        )
        return (
            f"Each record was made from one of {self.records:,} given records (`{Path(self.data.path).name}`; column "
            f"`source_id`, counted from 0): {how}. They resemble what was given, and are as confidential as it is."
        )


def given_plan(run: Run, given: Given | Path | str, n: int | None, *, sampler: str) -> GivenPlan:
    """Open and hash given records.

    Args:
        run: whose codec takes them.
        given: the request; a path stands for a variation of the usual strength.
        n: records of the data set; None: as many as are given.
        sampler: its name; `repaint` keeps what is known by repeating steps instead of by gradients.

    Raises:
        UsageError: an impossible strength, records of another modality, or regions that do not fit them.
        DataError: nothing that can be read, or records that do not fit the run.
    """
    asked = given if isinstance(given, Given) else Given(given)
    if asked.part is not None:
        return _part_plan(run, asked, asked.part, n)
    usual = _STRENGTH if asked.regions is None else 1.0
    strength = usual if asked.strength is None else asked.strength
    if not 0 < strength <= 1:
        raise UsageError(f"strength is {strength:g}: it lies above 0 and is at most 1")
    path = Path(asked.path).expanduser()
    options = run.config.data.model_copy(update={"path": str(path.absolute()) if path.exists() else str(asked.path)})
    source, options = open_alike(run.schema, options)
    check_same_kind(source.schema, run.schema)
    used = len(source) if n is None else min(n, len(source))
    run.codec().encode(source.read(np.arange(1)))  # what does not fit is said before anything is written
    plan = GivenPlan(options, _content(source, used), len(source), strength=strength)
    if asked.regions is None:
        return plan
    if len(run.schema.shape) != _PICTURE:
        raise UsageError(
            f"regions are parts of pictures, and the run makes records of shape {run.schema.shape}",
            hint="In Python, synthgen.generation.imputing.impute fills in any record.",
        )
    method = chosen_method(run, "replaced" if sampler == "repaint" else "auto")
    plan = dataclasses.replace(plan, use=INPAINTING, regions=str(asked.regions), method=method)
    if plan.regions != BOX:
        where = Path(asked.regions).expanduser()
        digest = region_hash(where, plan.records)
        plan = dataclasses.replace(plan, regions=str(where.absolute()), regions_sha256=digest)
        for begin in range(used):  # every mask is looked at before anything is written
            plan.anew(run.schema.shape[1:], 0, [begin])
    return plan


def _part_plan(run: Run, asked: Given, part: str, n: int | None) -> GivenPlan:
    """The same for records of which one part is kept."""
    check_part(run, part, asked.path)
    path = Path(asked.path).expanduser()
    options = run.config.data.model_copy(update={"path": str(path.absolute()) if path.exists() else str(asked.path)})
    plan = GivenPlan(
        options, "", 0, use=PART, strength=1.0, part=part, run=str(run.path.absolute()), ignore_below=asked.ignore_below
    )
    source = open_part(run.schema.modality, options, plan.run, part)
    run.codec().encode(source.read(np.arange(1)))
    used = len(source) if n is None else min(n, len(source))
    return dataclasses.replace(plan, sha256=_content(source, used), records=len(source))


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
def _open(modality: str, data: str, sha256: str, part: str, run: str) -> Source:
    """Open once a process; the hash is part of the key, so that changed files are opened again."""
    if part:
        return open_part(modality, DataConfig.model_validate_json(data), run, part)
    return open_source(modality, DataConfig.model_validate_json(data))


def _opened(plan: GivenPlan, modality: str) -> Source:
    source = _open(modality, plan.data.model_dump_json(), plan.sha256, plan.part, plan.run)
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
