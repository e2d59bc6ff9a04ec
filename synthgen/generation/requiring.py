"""Shares that records must reach: `--require pedestrian:0.02` means at least that share of every record.

Two steps. Conditions are drawn from training records that reach the shares themselves, within the rounding of what
the denoiser is told. And the output is measured: a record that misses is made anew as a further candidate for its place
(see `vetting`), with another such training record's conditions, until `vetting.TRIES` were made; then the candidate
that came nearest is kept, and counted as missing.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.api import Records, Shares
from synthgen.errors import UsageError
from synthgen.generation.vetting import Judging, Reach, Verdict
from synthgen.io.run import Run

__all__ = ["Requiring", "nearness_of", "reach_sentence", "required", "settle_required", "warn_of_missing"]

_LOG = logging.getLogger(__name__)


def settle_required(require: Mapping[str, Any] | None, run: Run) -> dict[str, float]:
    """Names and shares checked, names as the run has them.

    Args:
        require: name -> least share of each record, in (0, 1].
        run: whose records are to be made.

    Raises:
        UsageError: nothing of these records covers a share, an unknown name, or impossible shares.
    """
    if not require:
        return {}
    shares = _shares(run)
    settled: dict[str, float] = {}
    for position, (name, value) in zip(shares.positions(list(require)), require.items(), strict=True):
        try:
            share = float(value)
        except (TypeError, ValueError):
            share = 0.0
        if not 0 < share <= 1:
            raise UsageError(f"require {name}:{value}: a share lies above 0 and is at most 1", hint=f"As {name}:0.02.")
        settled[shares.names[position]] = share
    if sum(settled.values()) > 1:
        raise UsageError(f"the shares asked for add up to {sum(settled.values()):g}: at most 1 fits into a record")
    return settled


def required(require: Mapping[str, float]) -> str:
    """What is asked for, for people: `pedestrian 2 %, car 10 %`."""
    return ", ".join(f"{name} {100 * share:g} %" for name, share in require.items())


def nearness_of(run: Run, require: Mapping[str, float]) -> NDArray[np.float64] | None:
    """How near each row of the run's condition bank comes to what is asked, `(rows,)`: 1 and above reaches it.

    None where nothing is asked, or the denoiser of this run is told of no shares; then the output is checked alone.
    """
    return _nearness(run.path, run.fingerprint, tuple(require.items())) if require else None


def warn_of_missing(run: Run, require: Mapping[str, float], labels: Mapping[str, int]) -> None:
    """Say once what training records do not show, for the labels (name -> records) that are to be made."""
    if not require:
        return
    nearness = nearness_of(run, require)
    if nearness is None:
        _LOG.warning(
            "%s was trained without a condition for shares: records are only redrawn until they reach", run.path
        )
        return
    bank = run.condition_rows
    for name in labels or {"": 0}:
        among = nearness
        if name:
            among = nearness[bank["label"].numpy() == run.schema.labels.index(name)]
        if len(among) and among.max() < 1:
            of = f" of {name}" if name else ""
            _LOG.warning(
                "no training record%s reaches %s: conditions come from those that come nearest, at %.0f %% of it",
                *(of, required(require), 100 * among.max()),
            )


def reach_sentence(found: Mapping[str, Any], n: int) -> str:
    """For people: how often the share was reached, and how often at once."""
    redrawn = sum(found["redrawn"].values())
    return (
        f"asked share ({required(found['shares'])}) reached on {found['reached']:,} of {n:,} records "
        f"(first draw: {found['first']:,}; {redrawn:,} redrawn, at most {found['tries']} tries a record)"
    )


class Requiring:
    """Measures candidates; implements `synthgen.generation.vetting.Judging`.

    Args:
        run: whose records they are.
        require: name -> least share.
        other: a judge whose verdict comes first, where records are vetted too.
    """

    def __init__(self, run: Run, require: Mapping[str, float], other: Judging | None = None) -> None:
        self._shares = _shares(run)
        self._positions = self._shares.positions(list(require))
        self._require = dict(require)
        self._other = other

    def verdict(self, records: Records) -> Verdict:
        """The other judge's, with the columns `requested_shares` and `achieved_shares`, and how near each comes."""
        size = len(records)
        none = np.zeros(size, dtype=bool)
        before = Verdict({}, none, none, ["all"] * size) if self._other is None else self._other.verdict(records)
        found = np.nan_to_num(self._shares.measured(records)[:, self._positions])  # (N, names)
        ratio = found / np.array(list(self._require.values()))
        requested, achieved = np.empty(size, dtype=object), np.empty(size, dtype=object)
        for row, values in enumerate(found):
            requested[row] = dict(self._require)
            achieved[row] = {name: float(f"{v:.6g}") for name, v in zip(self._require, values, strict=True)}
        columns = {**before.columns, "requested_shares": requested, "achieved_shares": achieved}
        worst = np.array(list(self._require), dtype=object)[ratio.argmin(1)]
        return dataclasses.replace(before, columns=columns, reach=Reach(ratio.min(1), worst))


def _shares(run: Run) -> Shares:
    offered = getattr(run.modality, "shares", None)
    if offered is None:
        raise UsageError(
            f"require asks for shares of pixel classes, and {run.schema.modality} records have none",
            hint="Ask for classes of whole records with --label or --count.",
        )
    shares: Shares = offered(run.schema)
    return shares


@lru_cache(maxsize=4)
def _nearness(path: Path, fingerprint: str, require: tuple[tuple[str, float], ...]) -> NDArray[np.float64] | None:
    run = Run.open(path)
    shares = _shares(run)
    positions = shares.positions([name for name, _ in require])
    return shares.nearness(run.condition_rows, dict(zip(positions, dict(require).values(), strict=True)))
