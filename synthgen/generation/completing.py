"""The verbs that complete a user's own table: impute, forecast, extend. The modality knows its tables, a run fills.

A run that was trained with part of its records given (`train.context`) is told what is known. Any other run is guided
by it instead (`synthgen.generation.imputing`), which takes longer and is less exact, and the facts say so.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from synthgen.api import Completion
from synthgen.errors import UsageError
from synthgen.generation.generating import as_run
from synthgen.generation.imputing import Method, chosen_method, fill
from synthgen.io.atomic import atomic_file
from synthgen.io.run import Run
from synthgen.seeding import derive_seed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["extend", "extend_to", "forecast", "impute", "write_completion"]

Progress = Callable[[Mapping[str, Any]], None]

_QUANTILES = (0.05, 0.5, 0.95)


def impute(
    data: Path | str | pd.DataFrame,
    *,
    run: Run | Path | str | None = None,
    samples: int = 1,
    quantiles: Sequence[float] = _QUANTILES,
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
    id_column: str | None = None,
    time_column: str | None = None,
    progress: Progress | None = None,
) -> Completion:
    """A table with its missing values filled, in its own layout, with a column that names what was filled.

    Args:
        data: a CSV, Parquet, UCR `.tsv`, `.ts`, `.arff` or `.npz` file or a frame with the channels of the run; series
            of any length.
        run: a run or its directory; None: the newest below `runs/`.
        samples: 1: one draw; more: the median of so many, and their quantiles in `Completion.quantiles`.
        quantiles: between 0 and 1.
        method: `auto`, `context`, `guided` or `replaced`, see `synthgen.generation.imputing`.
        steps: network evaluations a window.
        seed: the same seed gives the same table.
        id_column, time_column: of the table, where they are called otherwise than in the run's data and not guessed.
        progress: called with `{"kind", "done", "seconds"}` after each call of the model.

    Raises:
        UsageError: impossible settings, or a run of a modality that cannot.
        DataError: not a table of the run's channels.
    """
    _check(samples, quantiles)
    named = _named(id_column=id_column, time_column=time_column)
    filler = _Filler(as_run(run), method=method, steps=steps, seed=seed, named=named, progress=progress)
    found: Completion = filler.verb("impute")(data, filler, samples=samples, quantiles=tuple(quantiles))
    return filler.described(found)


def forecast(
    data: Path | str | pd.DataFrame,
    *,
    horizon: int,
    run: Run | Path | str | None = None,
    samples: int = 100,
    quantiles: Sequence[float] = (),
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
    id_column: str | None = None,
    time_column: str | None = None,
    progress: Progress | None = None,
) -> Completion:
    """What may come after each series of a table, as draws or as quantiles of them, with stamps that go on.

    Args:
        data: as in `impute`; the end of each series is where the forecast begins.
        horizon: steps.
        run: a run or its directory; None: the newest below `runs/`.
        samples: draws of each series' future; each is a path, not a set of independent steps.
        quantiles: instead of the draws; empty: the draws.
        method, steps, seed, id_column, time_column, progress: as in `impute`.

    Raises:
        UsageError: impossible settings, or a run of a modality that cannot.
        DataError: not a table of the run's channels, or a series without a value to go by.
    """
    _check(samples, quantiles)
    if horizon < 1:
        raise UsageError(f"a horizon of {horizon} steps is none", hint="Ask for at least one step.")
    named = _named(id_column=id_column, time_column=time_column)
    filler = _Filler(as_run(run), method=method, steps=steps, seed=seed, named=named, progress=progress)
    found: Completion = filler.verb("forecast")(
        data, filler, horizon=horizon, samples=samples, quantiles=tuple(quantiles)
    )
    return filler.described(found)


def extend(
    data: Path | str | pd.DataFrame | None = None,
    *,
    length: int,
    run: Run | Path | str | None = None,
    label: str | None = None,
    start: str | None = None,
    frequency: str | None = None,
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
    id_column: str | None = None,
    time_column: str | None = None,
    progress: Progress | None = None,
) -> Completion:
    """One long dated series in memory: windows that agree in their overlap, value for value.

    Args:
        data: a table with one series that is continued; None: a series that begins by itself.
        length: steps that are made.
        run: a run or its directory; None: the newest below `runs/`.
        label: class of the series.
        start, frequency: first stamp and pandas' name of the rhythm (`h`, `D`, `15min`); None: the stamps of `data` go
            on, or steps are counted.
        method, steps, seed, id_column, time_column, progress: as in `impute`.

    Raises:
        UsageError: impossible settings, or a run of a modality that cannot.
        DataError: not a table of the run's channels.
    """
    import pandas as pd

    named = _named(id_column=id_column, time_column=time_column)
    filler = _Filler(as_run(run), method=method, steps=steps, seed=seed, named=named, progress=progress)
    pieces = _pieces(filler, data, length=length, label=label, start=start, frequency=frequency)
    return filler.described(Completion(pd.concat(pieces, ignore_index=True), {"length": length}))


def extend_to(
    path: Path,
    data: Path | str | pd.DataFrame | None = None,
    *,
    length: int,
    run: Run | Path | str | None = None,
    label: str | None = None,
    start: str | None = None,
    frequency: str | None = None,
    method: Method = "auto",
    steps: int | None = None,
    seed: int = 0,
    id_column: str | None = None,
    time_column: str | None = None,
    progress: Progress | None = None,
) -> Mapping[str, Any]:
    """The same written window by window as CSV or Parquet, so that memory does not grow with the length; its facts.

    Raises:
        UsageError, DataError, StorageError: see `synthgen.errors`.
    """
    _check_format(path)
    named = _named(id_column=id_column, time_column=time_column)
    filler = _Filler(as_run(run), method=method, steps=steps, seed=seed, named=named, progress=progress, total=length)
    pieces = _pieces(filler, data, length=length, label=label, start=start, frequency=frequency)
    with atomic_file(path) as temporary:
        if _is_parquet(path):
            _stream_parquet(temporary, pieces)
        else:
            for index, piece in enumerate(pieces):
                piece.to_csv(temporary, index=False, header=index == 0, mode="a" if index else "w")
    return filler.described(Completion(None, {"length": length})).facts  # type: ignore[arg-type]


def write_completion(found: Completion, path: Path) -> dict[str, Path]:
    """Write the table, and the quantiles beside it as `<name>.quantiles<suffix>`; where each is.

    Raises:
        UsageError: neither CSV nor Parquet.
        StorageError: the disk is full or the place cannot be written.
    """
    _check_format(path)
    name, suffix = _parted(path)
    files = {"table": (path, found.table)}
    if found.quantiles is not None:
        files["quantiles"] = (path.with_name(f"{name}.quantiles{suffix}"), found.quantiles)
    for where, table in files.values():
        with atomic_file(where) as temporary:
            if _is_parquet(path):
                table.to_parquet(temporary, index=False)
            else:
                table.to_csv(
                    temporary,
                    index=False,
                    sep=found.separator,
                    header=found.header,
                    decimal=found.decimal,
                    encoding=found.encoding,
                )
    return {kind: where for kind, (where, _) in files.items()}


class _Filler:
    """Implements `synthgen.api.Filler` with a run; counts its calls."""

    def __init__(
        self,
        run: Run,
        *,
        method: Method,
        steps: int | None,
        seed: int,
        named: Mapping[str, str],
        progress: Progress | None,
        total: int | None = None,
    ) -> None:
        self.run = run
        self.schema, self.codec = run.schema, run.codec()
        self.data, self.named = run.config.data.model_copy(update=named), tuple(named)
        self._method = chosen_method(run, method)
        self._steps = steps
        self._seed = seed
        self._progress = progress
        self._total = total
        self._done = 0
        self._started = time.monotonic()

    def __call__(
        self, x: Tensor, known: Tensor, conditions: Mapping[str, Tensor], *, ids: Sequence[int], block: int = 0
    ) -> Tensor:
        """See `Filler`."""
        seed = derive_seed(self._seed, "window", step=block)
        made = fill(self.run, x, known, conditions, method=self._method, steps=self._steps, seed=seed, ids=ids)
        self._done += len(x)
        if self._progress is not None:
            self._progress({"kind": "step", "done": self._done, "seconds": time.monotonic() - self._started})
        return made

    def verb(self, name: str) -> Callable[..., Any]:
        """What the modality offers under this name.

        Raises:
            UsageError: it offers nothing.
        """
        found: Callable[..., Any] | None = getattr(self.run.modality, name, None)
        if found is None:
            raise UsageError(
                f"records of modality {self.run.modality.name} have nothing to {name}",
                hint="Name a run on time series with --run, or fill records with synthgen.generation.imputing.impute.",
            )
        return found

    def described(self, found: Completion) -> Completion:
        """With the run, the method and what there is to say about it."""
        notes = []
        if self._method != "context":
            trained = (
                "was distilled" if self.run.config.train.context else "was not trained with part of its records given"
            )
            notes.append(
                f"{self.run.path} {trained}, so the draws are {self._method}: slower and less exact than with "
                "--set train.context=0.5 in training"
            )
        facts = {
            **found.facts,
            "run": str(self.run.path),
            "model": self.run.fingerprint,
            "method": self._method,
            "seed": self._seed,
            "windows": self._done,
            "notes": notes,
        }
        return dataclasses.replace(found, facts=facts)


def _named(**columns: str | None) -> dict[str, str]:
    """What the user says of the columns of this table, by the key of `data`."""
    return {key: name for key, name in columns.items() if name is not None}


def _pieces(filler: _Filler, data: Any, *, length: int, **options: Any) -> Iterator[pd.DataFrame]:
    if length < 1:
        raise UsageError(f"a length of {length} steps is none", hint="Ask for at least one step.")
    pieces: Iterator[pd.DataFrame] = filler.verb("extend")(data, filler, length=length, **options)
    return pieces


def _check(samples: int, quantiles: Sequence[float]) -> None:
    if samples < 1:
        raise UsageError(f"{samples} draws are none", hint="Ask for at least one.")
    wrong = [q for q in quantiles if not 0 <= q <= 1]
    if wrong:
        raise UsageError(f"a quantile lies between 0 and 1, not at {wrong[0]:g}")


def _check_format(path: Path) -> None:
    if not (_is_parquet(path) or path.name.lower().endswith((".csv", ".csv.gz", ".tsv", ".txt"))):
        raise UsageError(f"{path}: written are CSV and Parquet", hint="Choose a name that ends in .csv or .parquet.")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def _parted(path: Path) -> tuple[str, str]:
    """Name without suffix and suffix, `.csv.gz` whole."""
    suffix = ".csv.gz" if path.name.lower().endswith(".csv.gz") else path.suffix
    return path.name[: len(path.name) - len(suffix)], suffix


def _stream_parquet(path: Path, pieces: Iterator[pd.DataFrame]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer: pq.ParquetWriter | None = None
    try:
        for piece in pieces:
            table = pa.Table.from_pandas(piece, preserve_index=False)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
