"""The plan of a data set: everything that decides its bytes, fixed before the first record is made.

Record i is a function of (plan, i) alone: its label, its conditions and its noise come from counters keyed by
(seed, i). Shard k holds the records [k * shard_size, (k + 1) * shard_size), so any worker may make any shard, at once
or after an interruption, with the same result.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from synthgen import registry
from synthgen.config import SamplingConfig, resolve
from synthgen.errors import DatasetError, UsageError
from synthgen.generation.asking import settle
from synthgen.generation.given import Given, GivenPlan, given_plan
from synthgen.generation.requiring import nearness_of, settle_required, warn_of_missing
from synthgen.generation.sampling import check_sampling, helping_runs
from synthgen.generation.vetting import Vetting
from synthgen.io.atomic import read_text
from synthgen.io.condition_bank import Asked
from synthgen.io.run import Run
from synthgen.seeding import uniform

__all__ = ["LabelPlan", "Plan", "make_plan"]

_SHARD_BYTES = 16 << 20
_SMALLEST_SHARD, _LARGEST_SHARD = 250, 5_000


@dataclass(frozen=True)
class LabelPlan:
    """Which label each record gets.

    Args:
        mode: `none`, `equal` (in turn), `counts` (in blocks), `frequencies` (drawn) or `given` (those of the given
            records).
        names: class names.
        values: counts or frequencies, one a name; else empty.
    """

    mode: str
    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What `plan.json` holds.

    `helpers` are the other runs that answer when sampling (`sampling.ensemble`, `sampling.guide`): path -> fingerprint.
    """

    run: str
    model: str
    modality: str
    n: int
    seed: int
    labels: LabelPlan
    format: str
    sampling: SamplingConfig
    precision: str
    shard_size: int
    given: GivenPlan | None = None
    conditions: Asked = field(default_factory=dict)
    vetting: Vetting | None = None
    require: Mapping[str, float] = field(default_factory=dict)
    ignore_below: float = 0.0
    helpers: Mapping[str, str] = field(default_factory=dict)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.n // self.shard_size)

    def ids(self, shard: int) -> range:
        """The sample ids of one shard."""
        return range(shard * self.shard_size, min(self.n, (shard + 1) * self.shard_size))

    def places(self, sample_ids: Sequence[int]) -> Sequence[int]:
        """The place in the data set of each record, whose label and conditions it has; see `vetting`."""
        choosing = self.vetting is not None or self.require
        return [index % self.n for index in sample_ids] if choosing else sample_ids

    def label_ids(self, names: Sequence[str], sample_ids: Sequence[int]) -> NDArray[np.int64] | None:
        """Index into the run's label `names` for each record, `(len(sample_ids),)`; None for unlabelled runs."""
        if self.labels.mode == "none":
            return None
        if self.labels.mode == "given" and self.given is not None:
            return self.given.label_ids(self.modality, names, sample_ids)
        position = np.array([list(names).index(name) for name in self.labels.names], dtype=np.int64)
        ids = np.asarray(sample_ids, dtype=np.int64)
        if self.labels.mode == "equal":
            return position[ids % len(position)]
        edges = np.cumsum(self.labels.values)
        draws = ids if self.labels.mode == "counts" else uniform(self.seed, "label", sample_ids) * edges[-1]
        chosen = np.searchsorted(edges, draws, side="right")
        return position[np.minimum(chosen, len(position) - 1)]

    def label_counts(self, names: Sequence[str]) -> dict[str, int]:
        """How many records of each class the data set will hold."""
        if self.labels.mode == "none":
            return {}
        totals = np.zeros(len(names), dtype=np.int64)
        for shard in range(self.shards):
            labels = self.label_ids(names, self.ids(shard))
            if labels is not None:
                totals += np.bincount(labels, minlength=len(names))
        return {name: int(total) for name, total in zip(names, totals, strict=True) if total}

    def to_json(self) -> str:
        """The plan as indented JSON."""
        raw = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        raw |= {"labels": dataclasses.asdict(self.labels), "sampling": self.sampling.model_dump(mode="json")}
        given = raw.pop("given")  # absent where there are none, so that plans of older versions keep their bytes
        raw |= {} if given is None else {"given": given.to_json()}
        vetting = raw.pop("vetting")
        raw |= {} if vetting is None else {"vetting": dataclasses.asdict(vetting)}
        require = raw.pop("require")
        raw |= {"require": dict(require)} if require else {}
        below = raw.pop("ignore_below")
        raw |= {"ignore_below": below} if below else {}
        helpers = raw.pop("helpers")
        raw |= {"helpers": dict(helpers)} if helpers else {}
        return json.dumps(raw, indent=2, ensure_ascii=False)

    @classmethod
    def read(cls, directory: Path) -> Self:
        """The plan that a data set was begun with.

        Raises:
            DatasetError: there is none, or it cannot be read.
        """
        try:
            text = read_text(directory / "plan.json")
        except (OSError, ValueError) as error:
            raise DatasetError(f"{directory / 'plan.json'} is unreadable: {error}") from error
        return cls.from_json(text)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`.

        Raises:
            DatasetError: the text is not a plan.
        """
        try:
            raw = json.loads(text)
            labels = raw.pop("labels")
            sampling = SamplingConfig.model_validate(raw.pop("sampling"))
            given, vetting = raw.pop("given", None), raw.pop("vetting", None)
            asked = {name: tuple(values) for name, values in raw.pop("conditions", {}).items()}
            return cls(
                **raw,
                labels=LabelPlan(labels["mode"], tuple(labels["names"]), tuple(labels["values"])),
                sampling=sampling,
                given=None if given is None else GivenPlan.from_json(given),
                conditions=asked,
                vetting=None if vetting is None else Vetting(**vetting),
            )
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"not a plan: {error}") from error


def make_plan(
    run: Run,
    *,
    n: int | None,
    labels: Sequence[str] | None = None,
    balance: bool | None = None,
    counts: Mapping[str, int] | None = None,
    conditions: Mapping[str, Any] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    sampling: Mapping[str, Any] | None = None,
    seed: int = 0,
    format: str | None = None,
    shards: int | None = None,
    given: Given | Path | str | None = None,
    vetting: Vetting | None = None,
    require: Mapping[str, Any] | None = None,
    ignore_below: float = 0.0,
) -> Plan:
    """Settle a data set; see `synthgen.generate` for the arguments.

    Raises:
        UsageError: an impossible number, label, condition, sampler or format.
        ConfigError: a key of `sampling` that does not exist, or a value out of range.
        RunError: the run lacks what the sampling needs.
        DataError: given records that cannot be read or do not fit the run.
    """
    wanted = settle(conditions, run.schema)
    least = settle_required(require, run)
    if least and given is not None:
        raise UsageError(
            "--require is for records that are drawn whole: given records decide themselves what they show",
            hint="Leave one of them away.",
        )
    nearness = nearness_of(run, least)
    label_plan = _label_plan(run, n, labels, balance, counts, wanted, nearness, own=given is not None)
    total = int(sum(label_plan.values)) if label_plan.mode == "counts" else n
    if (total is None and given is None) or (total is not None and total < 1):
        raise UsageError(f"n is {total}: at least one record is needed", hint="Add --n with a positive number.")
    chosen_format = format or run.modality.formats[0]
    registry.find("writers", chosen_format, run.schema.modality)
    if steps is not None and steps < 1:
        raise UsageError(f"steps is {steps}: a sample needs at least one network evaluation")
    if guidance is not None and guidance < 0:
        raise UsageError(f"guidance is {guidance:g}: it must not be negative")
    named = {"guidance": guidance, "steps": steps, "sampler": sampler}
    asked = {**(sampling or {}), **{key: value for key, value in named.items() if value is not None}}
    chosen = {} if run.facts.get("guidance") is None else {"guidance": run.facts["guidance"]}
    settled = resolve([run.config.model_dump(), {"sampling": chosen}, {"sampling": asked}]).sampling
    check_sampling(run, settled)
    if shards is not None and shards < 1:
        raise UsageError(f"shards is {shards}: at least one is needed")
    start = None if given is None else given_plan(run, given, total, sampler=settled.sampler)
    if start is not None and start.part and label_plan.mode == "given":  # a mask alone has no label
        label_plan = label_plan if start.labelled(run.schema.modality) else LabelPlan("none")
    total = total or (start.records if start is not None else 0)
    record_bytes = 4 * int(np.prod(run.schema.shape))
    size = int(np.clip(_SHARD_BYTES // record_bytes, _SMALLEST_SHARD, _LARGEST_SHARD))
    plan = Plan(
        run=str(run.path),
        model=run.fingerprint,
        modality=run.schema.modality,
        n=total,
        seed=seed,
        labels=label_plan,
        format=chosen_format,
        sampling=settled,
        precision=str(run.facts["precision"]),
        shard_size=size if shards is None else -(-total // min(shards, total)),
        given=start,
        conditions=wanted,
        vetting=vetting,
        require=least,
        ignore_below=_ignored_below(run, ignore_below, start),
        helpers=helping_runs(settled),
    )
    warn_of_missing(run, least, plan.label_counts(run.schema.labels) if least else {})
    if label_plan.mode == "given":
        plan.label_ids(run.schema.labels, range(1))  # labels that are missing or unknown are said at once
    return plan


def _ignored_below(run: Run, margin: float, start: GivenPlan | None) -> float:
    """The margin below which pixels of drawn masks are ignored, checked."""
    if not 0 <= margin <= 1:
        raise UsageError(f"ignore_below is {margin:g}: a margin lies in 0..1")
    if margin and not hasattr(run.codec(), "doubtful"):
        raise UsageError(
            f"{run.schema.modality} records have no pixels to ignore: ignore_below is for masks",
            hint="Leave --ignore-below away.",
        )
    if margin and start is not None and start.part:
        raise UsageError("ignore_below is for masks that are drawn with their images; here one of them is given")
    return margin


def _label_plan(
    run: Run,
    n: int | None,
    labels: Sequence[str] | None,
    balance: bool | None,
    counts: Mapping[str, int] | None,
    conditions: Asked,
    nearness: NDArray[np.float64] | None,
    *,
    own: bool,
) -> LabelPlan:
    """`own`: records bring labels of their own, to be used unless others are asked for; `nearness` as in `Run`."""
    known = run.schema.labels
    named = [*(labels or ()), *(counts or {})]
    if not known:
        if named or balance or labels is not None:
            raise UsageError("this run was trained without labels, so none can be asked for")
        return LabelPlan("none")
    if own and labels is None and not counts and balance is None:
        return LabelPlan("given")
    seen = {name for name, share in zip(known, run.label_frequencies(), strict=True) if share > 0}
    for name in named:
        if name not in seen:
            close = difflib.get_close_matches(name, list(seen), n=1)
            hint = f"Did you mean {close[0]}?" if close else f"The run knows: {', '.join(known[:20])}."
            raise UsageError(f"unknown label {name}", hint=hint)
    if counts:
        if n is not None and sum(counts.values()) != n:
            raise UsageError(f"the counts add up to {sum(counts.values())}, --n says {n}", hint="Leave --n away.")
        if labels:
            raise UsageError("--label and --count both choose classes", hint="Give one of them.")
        if min(counts.values()) < 0:
            raise UsageError("a count is negative")
        return LabelPlan("counts", tuple(counts), tuple(counts.values()))
    chosen = tuple(dict.fromkeys(labels)) if labels else tuple(name for name in known if name in seen)
    equal = balance if balance is not None else labels is not None
    if equal:
        return LabelPlan("equal", chosen)
    share = dict(zip(known, run.label_frequencies(conditions, nearness).tolist(), strict=True))
    if not any(share[name] > 0 for name in chosen):  # asked for together, never seen together
        share = dict(zip(known, run.label_frequencies().tolist(), strict=True))
    kept = [name for name in chosen if share[name] > 0]
    return LabelPlan("frequencies", tuple(kept), tuple(share[name] for name in kept))
