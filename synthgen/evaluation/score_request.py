"""What a request to score means: which run, which data, which calibration records, and where the answer goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen.data.opening import open_alike
from synthgen.errors import UsageError
from synthgen.evaluation.score_table import request_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.io.run import Run

__all__ = ["calibration_positions", "destination", "open_data", "open_run", "refuse_to_overwrite"]

_FEW_CALIBRATION_RECORDS = 100


def open_run(run: Run | Path | str | None) -> Run:
    """The run itself; the newest when none is named."""
    from synthgen.io.run import Run

    if run is None:
        return Run.newest()
    return Run.open(Path(run)) if isinstance(run, str | Path) else run


def open_data(run: Run, data: Path | str | None, label_column: str | None) -> tuple[Source, str]:
    """The data to score, opened as the run's was, and its name; the run's own without `data`."""
    if data is None:
        return run.source(), run.config.data.path or run.modality.demo
    options = run.config.data.model_copy(update={"path": str(data)})
    return open_alike(run.schema, options, label_column=label_column)[0], str(data)


def calibration_positions(run: Run) -> tuple[NDArray[np.int64], str]:
    """The calibration split; where it is small, with the held-out records: the model learnt from neither."""
    own, more = run.split.calibration, run.split.holdout
    if len(own) >= _FEW_CALIBRATION_RECORDS:
        return own, ""
    return np.sort(np.concatenate([own, more])), (
        f"The calibration split has {len(own)} records, so the {len(more)} held-out records calibrate as well; "
        "none are left to check the calibration on."
    )


def destination(run: Run, name: str, out: Path | str | None) -> tuple[Path, Path]:
    """Where the table goes, and the directory of the report and the maps."""
    if out is None:
        out = run.path / f"scores-{Path(name).stem or 'data'}"
    place = Path(out).expanduser()
    if place.suffix.lower() in (".csv", ".json", ".html", ".txt", ".tsv", ".xlsx"):
        raise UsageError(
            f"scores are written as Parquet, not as {place.suffix}", hint="End --out in .parquet, or name a folder."
        )
    return (place, place.parent) if place.suffix == ".parquet" else (place / "scores.parquet", place)


def refuse_to_overwrite(path: Path, request: Mapping[str, Any], *, force: bool) -> None:
    """The same request may replace its own results; anything else stays."""
    if force or not path.exists():
        return
    if request_of(path) != json.loads(json.dumps(request)):
        raise UsageError(
            f"{path} holds the scores of another request", hint="Choose another --out, or delete it first."
        )
