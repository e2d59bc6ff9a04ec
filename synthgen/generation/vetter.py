"""The judge that vets candidates: trained on the run's real training records, it has never seen the generator.

Agreement is the judge's own measure of how well a record's label fits it (`synthgen.api.AgreementJudge`), else whether
it predicts the label. The standard comes from real records that the judge has not seen: the calibration part of the
run's split, or a fifth of a small training part. The hold-out stays out of it, for evaluation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from synthgen.api import AgreementJudge, Judge, Records
from synthgen.errors import DatasetError, UsageError
from synthgen.evaluation.neighbours import nearest
from synthgen.generation.vetting import PERCENTILE, Standard, Verdict, Vetting
from synthgen.io.atomic import write_text
from synthgen.io.run import Run
from synthgen.seeding import generator

__all__ = ["Vetter", "judge_of", "prepare", "standard_in", "vetter_in"]

STANDARD = ".shards/standard.json"
_MOST_TRAINING, _MOST_REAL = 20_000, 2_000
_FEWEST_REAL = 50
_FEWEST_OF_GROUP = 20
_FEWEST_OF_PILOT, _PILOT_OF_GROUP, _MOST_PILOT = 64, 24, 512


class Vetter:
    """A judge with a standard.

    Args:
        run: whose records are judged.
        vetting: what is asked of them.
        standard: None: set it from the run's real records; `set_best` completes it.
    """

    def __init__(self, run: Run, vetting: Vetting, standard: Standard | None = None) -> None:
        self._vetting = vetting
        self._trained = _trained(str(run.path), run.fingerprint)
        self._labels = run.schema.labels
        self.standard = standard or self._trained.standard(self._labels)

    def set_best(self, make: Callable[[Sequence[int]], Records]) -> None:
        """Find from the first candidates above which agreement the best share lies."""
        share = self._vetting.keep_best
        if share is None:
            return
        size = min(_MOST_PILOT, max(_FEWEST_OF_PILOT, _PILOT_OF_GROUP * len(self._labels)))
        pilot = make(range(size))
        agreement = self._trained.agreement(pilot)[0]
        best = _by_group(agreement, self._group(pilot), len(self.standard.groups), 100 * (1 - share))
        self.standard = Standard(**{**self.standard.to_json(), "best": tuple(best)})

    def verdict(self, records: Records) -> Verdict:
        """What the judge says of candidates."""
        agreement, about = self._trained.agreement(records)
        group = self._group(records)
        lowest = np.array(self.standard.lowest)[group]
        inconsistent = (agreement < lowest) & self._vetting.drop_inconsistent
        not_best = np.zeros(len(records), dtype=bool)
        if self.standard.best:
            not_best = agreement < np.array(self.standard.best)[group]
        labelled = records.label is not None and bool(self._labels)
        names = [self.standard.groups[k] for k in group] if labelled else about
        columns = {"consistency": agreement.astype(np.float32), **self._trained.neighbours(records)}
        return Verdict(columns, inconsistent, not_best, names)

    def _group(self, records: Records) -> NDArray[np.int64]:
        if records.label is None or not self._labels:
            return np.zeros(len(records), dtype=np.int64)
        return records.label


def judge_of(run: Run) -> Judge:
    """A judge that can vet, not yet trained.

    Raises:
        UsageError: the run's records have nothing whose fit could be judged.
    """
    judge = run.modality.judge(run.schema, seed=0)
    if judge is None or not (isinstance(judge, AgreementJudge) or judge.measure == "accuracy"):
        raise UsageError(
            f"the records of {run.path} have no label or mask whose fit could be judged",
            hint="Leave --check, --drop-inconsistent and --keep-best away.",
        )
    return judge


def prepare(run: Run, vetting: Vetting, directory: Path, make: Callable[[Sequence[int]], Records]) -> None:
    """Set the standard of a data set, once; workers and resumed runs find it in `.shards`."""
    if not (directory / STANDARD).exists():
        vetter = Vetter(run, vetting)
        vetter.set_best(make)
        write_text(directory / STANDARD, json.dumps(vetter.standard.to_json()))


def vetter_in(run: Run, vetting: Vetting, directory: Path) -> Vetter:
    """The vetter of a data set that is being made, or was made."""
    return Vetter(run, vetting, standard_in(directory))


def standard_in(directory: Path) -> Standard:
    """The standard of a data set that is being made, or was made.

    Raises:
        DatasetError: there is none.
    """
    try:
        if (directory / STANDARD).exists():
            return Standard.from_json(json.loads((directory / STANDARD).read_text(encoding="utf-8")))
        raw = json.loads((directory / "provenance.json").read_text(encoding="utf-8"))
        return Standard.from_json(raw["vetting"]["standard"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{directory} does not say by which standard its records were chosen: {error}") from error


@lru_cache(maxsize=1)
def _trained(path: str, fingerprint: str) -> _Trained:
    """Trained once a process; the same whichever process, for it works on one thread."""
    return _Trained(Run.open(path))


class _Trained:
    """A judge trained on real records, those that set the standard, and the training records as vectors."""

    def __init__(self, run: Run) -> None:
        judge = judge_of(run)
        source = run.source()
        train, real = _sides(run.split.train, run.split.calibration, source.groups)
        self._schema, self._modality = run.schema, run.modality
        self._positions = train
        records = source.read(train)
        self.real = source.read(real)
        with _one_thread():
            judge.fit(records)
            self._judge = judge.calibrate(self.real) if isinstance(judge, AgreementJudge) else judge
        self._flat = np.asarray(run.modality.flatten(records, run.schema), dtype=np.float32)

    def standard(self, labels: tuple[str, ...]) -> Standard:
        """What real records reach."""
        agreement = self.agreement(self.real)[0]
        labelled = self.real.label is not None and bool(labels)
        groups = labels if labelled else ("all",)
        member = self.real.label if labelled and self.real.label is not None else np.zeros(len(agreement), np.int64)
        typical, lowest = (_by_group(agreement, member, len(groups), at) for at in (50, PERCENTILE))
        kind = type(self._judge).__name__
        return Standard(kind, len(agreement), groups, tuple(typical), tuple(lowest))

    def agreement(self, records: Records) -> tuple[NDArray[np.float64], list[str]]:
        """How well each record's label fits it, and the class that fits worst."""
        with _one_thread():
            if not isinstance(self._judge, AgreementJudge):
                return _hits(self._judge, records), [self._judge.measure] * len(records)
            table = self._judge.agreement(records)  # (N, K)
        known = ~np.isnan(table)
        mean = np.where(known, table, 0).sum(1) / np.maximum(known.sum(1), 1)
        worst = np.where(known, table, np.inf).argmin(1)
        return mean, [self._judge.classes[k] for k in worst]

    def neighbours(self, records: Records) -> dict[str, NDArray[np.generic]]:
        """The nearest training record of each: its position in the run's data, and the distance as plain vectors."""
        queries = np.asarray(self._modality.flatten(records, self._schema), dtype=np.float32)
        found = nearest(queries, self._flat)
        return {
            "nearest_id": self._positions[found.index[:, 0]],
            "nearest_distance": found.distance[:, 0].astype(np.float32),
        }


def _sides(
    train: NDArray[np.int64], calibration: NDArray[np.int64], groups: NDArray[np.generic] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Records that train the judge, and others that set the standard; no group is on both sides."""
    real = calibration
    if len(real) < _FEWEST_REAL:
        number = np.arange(len(train)) if groups is None else np.unique(groups[train], return_inverse=True)[1]
        train, real = train[number % 5 > 0], np.sort(np.concatenate([real, train[number % 5 == 0]]))
    return _at_most(train, _MOST_TRAINING), _at_most(real, _MOST_REAL)


def _at_most(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    return np.sort(generator(0, "vetting").permutation(positions)[:most])


def _by_group(values: NDArray[np.float64], group: NDArray[np.int64], groups: int, percentile: float) -> list[float]:
    """A percentile of each group; of all together for a group too small to have its own."""
    whole = float(np.percentile(values, percentile))
    members = [values[group == k] for k in range(groups)]
    return [float(np.percentile(each, percentile)) if len(each) >= _FEWEST_OF_GROUP else whole for each in members]


def _hits(judge: Judge, records: Records) -> NDArray[np.float64]:
    """1 where the judge gives the record's own label, else 0."""
    outcome = judge.evaluate(records)
    return np.array([outcome.value(row) for row in np.eye(len(records))], dtype=np.float64)


@contextmanager
def _one_thread() -> Iterator[None]:
    """So that the same judge comes out in every process, however many threads each has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
