"""`score --follow`: records are scored as they come, in micro-batches; a restart goes on where the last one stopped.

Every record is judged for itself: `p <= alpha` flags it, and of normal records that share is flagged. `scores.jsonl`
gets a line a record; `follow.json` holds the place in the input and the length of `scores.jsonl`, written after it, so
that after a crash lines beyond that length are taken back and their records scored again: each record appears once.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.errors import UsageError
from synthgen.evaluation.calibration import check_alpha
from synthgen.evaluation.incoming import Arrivals, Incoming, incoming
from synthgen.evaluation.score_request import calibration_positions
from synthgen.evaluation.scorer import CalibratedScorer, Method, Model
from synthgen.io.atomic import remove_leftovers, write_text
from synthgen.io.lock import locked

if TYPE_CHECKING:
    from synthgen.evaluation.denoising import ScoringCondition
    from synthgen.io.run import Run

__all__ = ["Followed", "follow"]

_SHORTEST_PAUSE = 0.02


@dataclass(frozen=True)
class Followed:
    """What was scored since the beginning, earlier runs included."""

    path: Path
    """`scores.jsonl`"""
    records: int
    flagged: int
    errors: int
    """Lines and files that could not be understood."""


def follow(
    run: Run,
    data: str,
    *,
    out: Path,
    alpha: float = 0.01,
    method: Method = "fusion",
    family: str = "denoising",
    condition: ScoringCondition = "best",
    seed: int = 0,
    batch: int = 64,
    idle: float | None = None,
    settle: float = 0.5,
    progress: Callable[[Mapping[str, Any]], None] | None = None,
) -> Followed:
    """Score what arrives until a pipe ends or nothing has come for `idle` seconds (None: until interrupted).

    Args:
        run: a finished run.
        data: `-` for standard input, a file that grows by lines, or a folder; see `synthgen.evaluation.incoming`.
        out: the directory of `scores.jsonl` and `follow.json`.
        alpha: share of normal records that is flagged.
        method, family, condition, seed: see `synthgen.score`.
        batch: most records that are in memory at a time.
        idle: seconds without anything new after which to stop.
        settle: seconds that a file must lie unchanged before it is read.
        progress: called with `{"kind": "score", "records": int}`.

    Raises:
        UsageError: the calibration records cannot resolve `alpha`, or `out` holds the scores of another request.
        DataError: there is nothing at `data`.
        StorageError: another process is writing to `out`, or it cannot be written.
    """
    if batch < 1:
        raise UsageError(f"a micro-batch holds at least one record, not {batch}")
    calibration, _ = calibration_positions(run)
    check_alpha(alpha, len(calibration))
    request = {"run": run.fingerprint, "data": data, "alpha": alpha, "method": method, "family": family,
               "condition": condition, "seed": seed}  # fmt: skip
    with locked(out, "scoring"):
        remove_leftovers(out, below=False)
        state = _State.open(out, request)
        model = Model(run.denoiser(), run.codec(), run.modality, run.schema, run.config.noise.sigma_data)
        scorer = CalibratedScorer(model, family=family, condition=condition, seed=seed).fit(
            run.source(), train=run.split.train, calibration=calibration
        )
        check_alpha(alpha, scorer.calibration_size)
        with contextlib.closing(incoming(data, run.schema, run.config.data, state.place, settle=settle)) as stream:
            return _until_it_ends(stream, scorer, method, state, alpha=alpha, batch=batch, idle=idle, progress=progress)


def _until_it_ends(
    stream: Incoming,
    scorer: CalibratedScorer,
    method: Method,
    state: _State,
    *,
    alpha: float,
    batch: int,
    idle: float | None,
    progress: Callable[[Mapping[str, Any]], None] | None,
) -> Followed:
    column, since = scorer.column(method), time.monotonic()
    while True:
        arrived = stream.take(batch)
        if arrived.records is None and not arrived.errors and arrived.place == state.place:
            if stream.finished:
                return state.followed
            if idle is not None and time.monotonic() - since >= idle:
                return state.followed
            time.sleep(_SHORTEST_PAUSE if idle is not None else 10 * _SHORTEST_PAUSE)
            continue
        since = time.monotonic()
        state.append(_lines(scorer, column, arrived, alpha), arrived.place)
        if progress is not None:
            progress({"kind": "score", "records": state.records})


def _lines(scorer: CalibratedScorer, column: str, arrived: Arrivals, alpha: float) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [{"source": where, "error": what} for where, what in arrived.errors]
    if arrived.records is not None:
        scores = scorer.score(arrived.records).scores[column]
        known = np.isfinite(scores)
        p = np.ones(len(scores))
        p[known] = scorer.p_values(column, scores[known])
        now = time.time()
        lines += [
            {"source": name, "score": float(s) if ok else None, "p": float(value),
             "flagged": bool(ok and value <= alpha), "time": round(now, 3)}
            for name, s, value, ok in zip(arrived.names, scores, p, known, strict=True)
        ]  # fmt: skip
    return lines


class _State:
    """`scores.jsonl` and `follow.json`, in step."""

    def __init__(self, out: Path, request: Mapping[str, Any], kept: Mapping[str, Any]) -> None:
        self._scores, self._file, self._request = out / "scores.jsonl", out / "follow.json", dict(request)
        self.place: dict[str, Any] = dict(kept.get("place", {}))
        self.records, self._flagged, self._errors = (
            int(kept.get(name, 0)) for name in ("records", "flagged", "errors")
        )
        self._length = int(kept.get("bytes", 0))
        self._keep()  # before there is anything to take up
        with self._scores.open("ab") as scores:
            scores.truncate(self._length)  # lines of a batch whose place was not written any more

    @classmethod
    def open(cls, out: Path, request: Mapping[str, Any]) -> _State:
        """Take up what an earlier run left, if it was asked for the same."""
        try:
            kept = json.loads((out / "follow.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            if (out / "scores.jsonl").exists():
                raise UsageError(f"{out} holds scores without follow.json", hint="Choose another --out.") from None
            return cls(out, request, {})
        except ValueError as error:
            raise UsageError(f"{out}/follow.json is damaged: {error}", hint="Choose another --out.") from error
        if kept.get("request") != json.loads(json.dumps(request)):
            raise UsageError(f"{out} follows another request", hint="Choose another --out.")
        return cls(out, request, kept)

    @property
    def followed(self) -> Followed:
        return Followed(self._scores, self.records, self._flagged, self._errors)

    def append(self, lines: list[dict[str, Any]], place: Mapping[str, Any]) -> None:
        """The scores first, then the place: a crash between the two costs no record and doubles none."""
        with self._scores.open("ab") as scores:
            for line in lines:
                scores.write((json.dumps(line) + "\n").encode())
            scores.flush()
            os.fsync(scores.fileno())
            self._length = scores.tell()
        self.place = dict(place)
        self.records += sum("error" not in line for line in lines)
        self._errors += sum("error" in line for line in lines)
        self._flagged += sum(bool(line.get("flagged")) for line in lines)
        self._keep()

    def _keep(self) -> None:
        kept = {"request": self._request, "place": self.place, "bytes": self._length, "records": self.records,
                "flagged": self._flagged, "errors": self._errors}  # fmt: skip
        write_text(self._file, json.dumps(kept, indent=2) + "\n")
