"""`evaluate`: an honest answer about a synthetic data set, left as `report.html`, `report.json` and `report.md`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.errors import UsageError
from synthgen.evaluation import page, utility
from synthgen.evaluation.figures import Picture, closest_pairs, held_out_curves, loss_curves, png, themed_svg
from synthgen.evaluation.gates import check_gates, judge_gates, raise_unmet
from synthgen.evaluation.material import Material, gather
from synthgen.evaluation.measurement import Measured, ask_model, measure_records
from synthgen.evaluation.metric import MetricRow
from synthgen.evaluation.verdict import answer, sentences

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["Report", "evaluate"]

Progress = Callable[[Mapping[str, Any]], None]

_RESTORED = 400


@dataclass(frozen=True)
class Report:
    """What `evaluate` left behind.

    Args:
        path: the directory with `report.html`, `report.json` and `report.md`.
        json: what `report.json` holds.
        metrics: the rows.
    """

    path: Path
    json: Mapping[str, Any]
    metrics: tuple[MetricRow, ...]

    @property
    def verdict(self) -> list[str]:
        """The answers in words, one sentence a question."""
        return list(self.json["verdict"])

    @property
    def html(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def row(self, name: str) -> MetricRow:
        """The row of this name.

        Raises:
            KeyError: there is none.
        """
        for row in self.metrics:
            if row.name == name:
                return row
        raise KeyError(name)


def _made_by(synthetic: Path | str | None) -> Path | None:
    """The run that a data set of ours says it was made by, where that run is still there."""
    if synthetic is None or not (Path(synthetic) / "provenance.json").exists():
        return None
    from synthgen.generation.dataset import Dataset

    run = Path(str(Dataset(synthetic).provenance.get("run", "")))
    return run if (run / "run.json").exists() else None


def evaluate(
    run: Run | Path | str | None = None,
    synthetic: Path | str | None = None,
    *,
    real: Path | str | None = None,
    out: Path | str | None = None,
    fail_under: Mapping[str, float] | None = None,
    seeds: int = 3,
    fast: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Measure a synthetic data set against held-out real records and write the report.

    Args:
        run: the run that made it; None: the one that the data set names, else the newest.
        synthetic: the data set; None: the newest made from the run, else as many records as were trained on are
            generated in memory.
        real: other real data to use as the held-out side.
        out: directory of the report; None: `report` in the run.
        fail_under: metric name -> limit; where lower is better, the value must not be above it.
        seeds: judges trained for each arm.
        fast: one seed, fewer records and fewer bootstrap samples; for trying things out.
        progress: told what is being done.

    Raises:
        UsageError: an unknown metric name in `fail_under`, before any work.
        RunError: the run cannot be read, or its training data has moved.
        GateError: a limit was not met; the report is written all the same.
    """
    from synthgen.io.run import Run

    if seeds < 1:
        raise UsageError(f"seeds must be at least 1, not {seeds}")
    limits = dict(fail_under or {})
    check_gates(limits)
    made_by = _made_by(synthetic) if run is None else run
    opened = Run.newest() if made_by is None else Run.open(made_by) if isinstance(made_by, str | Path) else made_by
    measured_by = utility.judge_measure(opened.modality, opened.schema)
    check_gates(limits, measure=measured_by, classes=opened.schema.labels if measured_by == "accuracy" else ())
    tell = progress or (lambda event: None)
    started = time.perf_counter()
    tell({"kind": "evaluate", "stage": "reading", "done": 0, "total": 1})
    material = gather(
        opened,
        None if synthetic is None else Path(synthetic),
        real=None if real is None else str(real),
        limit=2000 if fast else None,
    )
    found = measure_records(
        opened.modality,
        opened.schema,
        material.train,
        material.holdout,
        material.synthetic,
        seeds=range(1 if fast else seeds),
        draws=200 if fast else 1000,
        stand_in=material.stand_in,
        progress=tell,
    )
    tell({"kind": "evaluate", "stage": "asking the model", "done": 0, "total": 1})
    rows = found.rows + ask_model(opened, material, limit=150 if fast else _RESTORED)
    answers = answer(rows, absent=found.absent)
    gates = judge_gates(limits, rows, found.absent)
    tell({"kind": "evaluate", "stage": "writing", "done": 0, "total": 1})
    directory = opened.path / "report" if out is None else Path(out)
    facts = {
        "verdict": sentences(answers),
        "answers": [{"question": a.question, "decision": a.decision, "because": list(a.because)} for a in answers],
        "metrics": [row.to_json() for row in rows],
        "not_applicable": [{"name": name, "reason": reason} for name, reason in found.absent.items()],
        "gates": gates,
        "notes": list(material.notes),
        "run": str(opened.path),
        "synthetic": material.synthetic_name,
        "nearest": [
            {"synthetic": p.synthetic, "train": p.train, "distance": p.distance, "rank": p.rank} for p in found.pairs
        ],
        "provenance": _provenance(
            opened, material, seeds=1 if fast else seeds, fast=fast, synthetic=synthetic, real=real
        ),
        "seconds": round(time.perf_counter() - started, 1),
    }
    pictures = _pictures(opened, material, found)
    page.write(directory, facts, rows=rows, answers=answers, pictures=pictures, config=opened.config)
    report = Report(directory, facts, tuple(rows))
    raise_unmet(gates, report.html)
    return report


def _pictures(run: Run, material: Material, found: Measured) -> list[Picture]:
    schema, modality = run.schema, run.modality

    def nearest() -> str:
        return png(closest_pairs(modality, schema, material.synthetic, material.train, found.pairs))

    def losses() -> str | None:
        figure = loss_curves(run.history())
        return None if figure is None else themed_svg(figure)

    def by_noise_and_class() -> str | None:
        figure = held_out_curves(run.history())
        return None if figure is None else themed_svg(figure)

    pictures = [
        _picture(
            "Training",
            losses,
            "Loss over records seen. Good: both curves fall and flatten, and the held-out one does not turn up while "
            "the training one goes on falling, which would be the start of memorising. Both are the "
            "weighted denoising error; the training curve has dropout, and the held-out one averaged weights.",
            themed=True,
        ),
        _picture(
            "Held-out loss by noise level and class",
            by_noise_and_class,
            "The held-out loss in each quarter of the noise levels, and by class with the same mixture of levels. "
            "Good: every curve falls. A class far above the others is harder or rarer; one that turns up alone is "
            "being memorised.",
            themed=True,
        ),
        _picture(
            "Real beside synthetic",
            lambda: png(modality.overview(material.holdout, material.synthetic, schema)),
            "Held-out real records beside synthetic ones, class by class. Good: without the headings you could not say "
            "which is which, and the synthetic ones differ among themselves as much as the real ones do.",
        ),
    ]
    if found.pairs:
        pictures.append(
            _picture(
                "Closest to the training data",
                nearest,
                "The synthetic records that come nearest to any training record, above that record, with their "
                "distance and the share of held-out records nearer to theirs. Good: clearly different records, or "
                "records so plain that the held-out data has such pairs as well. Bad: the same record, noise and all.",
            )
        )
    return [picture for picture in pictures if picture is not None]


def _picture(title: str, make: Callable[[], str | None], caption: str, *, themed: bool = False) -> Picture:
    try:
        uri = make()
    except Exception as error:
        return Picture(title, "", caption, themed, f"{type(error).__name__}: {error}")
    if uri is None:
        return Picture(title, "", caption, themed, "the run kept no history")
    return Picture(title, uri, caption, themed)


def _provenance(
    run: Run,
    material: Material,
    *,
    seeds: int,
    fast: bool,
    synthetic: Path | str | None,
    real: Path | str | None,
) -> dict[str, Any]:
    command = ["synthgen", "evaluate", "--run", str(run.path)]
    command += [] if synthetic is None else ["--synthetic", str(synthetic)]
    command += [] if real is None else ["--real", str(real)]
    return {
        "command": shlex.join(command),
        "run_fingerprint": run.fingerprint,
        "modality": run.schema.modality,
        "data": run.config.data.path or run.modality.demo,
        "records": {
            "train": len(material.train),
            "holdout": len(material.holdout),
            "synthetic": len(material.synthetic),
        },
        "judge_seeds": list(range(seeds)),
        "fast": fast,
        "training_seed": run.config.train.seed,
        "synthetic": dict(material.provenance),
        "versions": page.versions(),
    }
