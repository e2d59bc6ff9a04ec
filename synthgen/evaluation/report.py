"""`evaluate`: an honest answer about synthetic data sets, left as `report.html`, `report.json` and `report.md`."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.allocator import keep_freed_memory
from synthgen.errors import UsageError
from synthgen.evaluation import page, utility
from synthgen.evaluation.cache import Cache
from synthgen.evaluation.effort import DEFAULT, FAST, FULL, Clock, Effort
from synthgen.evaluation.gallery import pictures_of, training_pictures
from synthgen.evaluation.gates import check_gates, judge_gates, raise_unmet
from synthgen.evaluation.judged import judged_by
from synthgen.evaluation.material import Material, gather
from synthgen.evaluation.measurement import Measured, ask_model, expected_work, measure_records
from synthgen.evaluation.metric import MetricRow
from synthgen.evaluation.presentation import Finding
from synthgen.evaluation.verdict import answer, sentences
from synthgen.io import notebook
from synthgen.io.atomic import remove_leftovers
from synthgen.io.card import versions
from synthgen.io.lock import locked

if TYPE_CHECKING:
    from synthgen.api import Modality
    from synthgen.io.run import Run

__all__ = ["Report", "evaluate", "made_by"]

Progress = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Report:
    """What `evaluate` left behind.

    Args:
        path: the directory with `report.html`, `report.json` and `report.md`.
        json: what `report.json` holds.
        metrics: the rows; of several data sets, those of the first come first.
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

    def _repr_html_(self) -> str:
        """For notebooks: the answers, and a row for each metric; the page itself is at `html`."""
        rows = [
            (row.label, *(_short(value) for value in (row.value, row.ci, row.floor)), row.error or "")
            for row in self.metrics
        ]
        answers = {str(number): sentence for number, sentence in enumerate(self.verdict, 1)}
        table = notebook.rows_table(("metric", "value", "95 % interval", "floor", "error"), rows)
        return notebook.facts_table(f"report {self.html}", answers) + table

    def row(self, name: str) -> MetricRow:
        """The row of this name, of the first data set.

        Raises:
            KeyError: there is none.
        """
        for row in self.metrics:
            if row.name == name:
                return row
        raise KeyError(name)


def _short(value: float | tuple[float, float] | None) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, int | float) else " to ".join(f"{end:.3g}" for end in value)


def made_by(synthetic: Path | None) -> Path | None:
    """The run that a data set of ours says it was made by, where that run is still there."""
    if synthetic is None or not (synthetic / "provenance.json").exists():
        return None
    from synthgen.generation.dataset import Dataset

    run = Path(str(Dataset(synthetic).provenance.get("run", "")))
    return run if (run / "run.json").exists() else None


def evaluate(
    run: Run | Path | str | None = None,
    synthetic: Path | str | Sequence[Path | str] | None = None,
    *,
    real: Path | str | None = None,
    out: Path | str | None = None,
    fail_under: Mapping[str, float] | None = None,
    seeds: int | None = None,
    fast: bool = False,
    full: bool = False,
    judge: str = "default",
    progress: Progress | None = None,
) -> Report:
    """Measure synthetic data sets against held-out real records and write the report.

    Args:
        run: the run that made them; None: the one that the first data set names, else the newest.
        synthetic: a data set, or several to compare; None: the newest made from the run, else as many records as were
            trained on are generated in memory.
        real: other real data to use as the held-out side.
        out: directory of the report; None: `report` in the run.
        fail_under: metric name -> limit; where lower is better, the value must not be above it.
        seeds: judges trained for each arm; None: 3, with `fast` 1, with `full` 5.
        fast: one judge an arm, fewer records and resamples: a first look.
        full: more of everything, `gain_25`, `tstr_25` and the like, a learning curve over the amount of synthetic
            data, and plugins' costly metrics.
        judge: which of the modality's judges says what helps; series have `minirocket`, `fcn` and `inceptiontime`.
        progress: told what is being done.

    Raises:
        UsageError: an unknown judge, or metric in `fail_under`, before any work; a data set given twice; fast and full.
        RunError: the run cannot be read, or its training data has moved.
        StorageError: another process is writing this report, or it cannot be written.
        GateError: a limit was not met; the report is written all the same.
    """
    from synthgen.io.run import Run

    if fast and full:
        raise UsageError("fast and full are two ways of spending", hint="Give one of them.")
    spending = FAST if fast else FULL if full else DEFAULT
    if seeds is not None and seeds < 1:
        raise UsageError(f"seeds must be at least 1, not {seeds}")
    limits = dict(fail_under or {})
    check_gates(limits)
    keep_freed_memory()
    sets = _data_sets(synthetic)
    chosen = made_by(sets[0]) if run is None else run
    opened = Run.newest() if chosen is None else Run.open(chosen) if isinstance(chosen, str | Path) else chosen
    modality = judged_by(opened.modality, judge)
    measured_by = utility.judge_measure(modality, opened.schema)
    check_gates(limits, measure=measured_by, classes=opened.schema.labels if measured_by == "accuracy" else ())
    judges = seeds or spending.seeds
    work = expected_work(seeds=judges, shares=len(spending.shares), curve=spending.curve)
    clock = Clock(progress or (lambda event: None), work * len(sets))
    directory = opened.path / "report" if out is None else Path(out)
    with locked(directory, "evaluating"):
        remove_leftovers(directory, below=False)
        cache = Cache(opened.path / "cache")
        findings: list[Finding] = []
        beside: Material | None = None
        for path in sets:
            clock.begin("reading", 1)
            other = None if real is None else str(real)
            material = gather(opened, path, real=other, limit=spending.records, beside=beside)
            beside = material
            findings.append(_finding(opened, modality, material, limits, judges, spending, cache, clock))
        cache.prune()
        clock.begin("writing", 0)
        provenance = _provenance(
            opened,
            beside,
            seeds=judges,
            effort=spending.name,
            synthetic=[path for path in sets if path],
            real=real,
            judge=judge,
        )
        facts = _facts(opened, findings, provenance, seconds=time.perf_counter() - clock.started)
        page.write(directory, facts, findings=findings, training=training_pictures(opened), config=opened.config)
    report = Report(directory, facts, tuple(row for finding in findings for row in finding.rows))
    raise_unmet(facts["gates"], report.html)
    return report


def _data_sets(synthetic: Path | str | Sequence[Path | str] | None) -> list[Path | None]:
    if synthetic is None:
        return [None]
    paths = [Path(synthetic)] if isinstance(synthetic, str | Path) else [Path(path) for path in synthetic]
    if len(set(paths)) < len(paths):
        raise UsageError("a data set is given twice", hint="Name each data set once.")
    return list(paths) or [None]


def _finding(
    run: Run,
    modality: Modality,
    material: Material,
    limits: Mapping[str, float],
    judges: int,
    spending: Effort,
    cache: Cache,
    clock: Clock,
) -> Finding:
    """Everything about one data set."""
    found = measure_records(
        modality,
        run.schema,
        material.train,
        material.holdout,
        material.synthetic,
        seeds=range(judges),
        draws=spending.draws,
        shares=spending.shares,
        curve=spending.curve,
        compared=spending.compared,
        stand_in=material.stand_in,
        cache=cache,
        clock=clock,
    )
    clock.begin("asking the model", 2)
    found.rows += ask_model(run, material, limit=spending.restored, cache=cache)
    answers = answer(found.rows, absent=found.absent)
    facts = {
        "synthetic": material.synthetic_name,
        "verdict": sentences(answers),
        "answers": [{"question": a.question, "decision": a.decision, "because": list(a.because)} for a in answers],
        "metrics": [row.to_json() for row in found.rows],
        "not_applicable": [{"name": name, "reason": reason} for name, reason in found.absent.items()],
        "gates": judge_gates(limits, found.rows, found.absent),
        "notes": list(material.notes),
        "records": len(material.synthetic),
        "provenance": dict(material.provenance),
        **_lists(found),
    }
    return Finding(facts, tuple(found.rows), tuple(answers), tuple(pictures_of(run, material, found)))


def _lists(found: Measured) -> dict[str, Any]:
    return {
        "nearest": [
            {"synthetic": p.synthetic, "train": p.train, "distance": p.distance, "rank": p.rank, "copy": p.copy}
            for p in found.pairs
        ],
        "anomalous": [{"synthetic": odd.synthetic, "p": odd.p} for odd in found.odd],
        "learning_curve": [
            {"synthetic": point.synthetic, "value": point.value, "ci": list(point.ci)} for point in found.curve
        ],
    }


def _facts(run: Run, findings: Sequence[Finding], provenance: dict[str, Any], *, seconds: float) -> dict[str, Any]:
    """What `report.json` holds: of one data set its facts at the top, of several also one document for each."""
    first = dict(findings[0].facts)
    first.pop("provenance")
    first.pop("records")
    shared = {"run": str(run.path), "provenance": provenance, "seconds": round(seconds, 1)}
    if len(findings) == 1:
        return first | shared

    def named(key: str) -> list[dict[str, Any]]:
        return [entry | {"synthetic": one.facts["synthetic"]} for one in findings for entry in one.facts[key]]

    return {
        "verdict": [f"{one.facts['synthetic']}: {text}" for one in findings for text in one.facts["verdict"]],
        "answers": named("answers"),
        "metrics": named("metrics"),
        "not_applicable": named("not_applicable"),
        "gates": named("gates"),
        "notes": list(dict.fromkeys(note for one in findings for note in one.facts["notes"])),
        "synthetic": [one.facts["synthetic"] for one in findings],
        "datasets": [one.facts for one in findings],
    } | shared


def _provenance(
    run: Run,
    material: Material | None,
    *,
    seeds: int,
    effort: str,
    synthetic: Sequence[Path],
    real: Path | str | None,
    judge: str,
) -> dict[str, Any]:
    assert material is not None
    command = ["synthgen", "evaluate", "--run", str(run.path)]
    command += ["--synthetic", *map(str, synthetic)] if synthetic else []
    command += [] if real is None else ["--real", str(real)]
    command += [] if effort == "default" else [f"--{effort}"]
    command += [] if judge == "default" else ["--judge", judge]
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
        "judge": judge,
        "effort": effort,
        "fast": effort == "fast",
        "training_seed": run.config.train.seed,
        "privacy": run.facts.get("privacy"),
        "synthetic": dict(material.provenance),
        "versions": versions(),
    }
