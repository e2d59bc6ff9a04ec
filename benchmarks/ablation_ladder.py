"""What each choice of the core is worth: a ladder from plain DDPM to the defaults, and one change at a time from them.

    python benchmarks/ablation_ladder.py                     # the ladder: images, series, masks; three seeds
    python benchmarks/ablation_ladder.py --part alternatives --sets image
    python benchmarks/ablation_ladder.py --part sampling     # samplers, steps, guidance on runs of the defaults

Each rung of the ladder adds one thing to the rung before it. `alternatives` changes one thing in the defaults. All
train on the same number of records (not seconds, so that a busy machine changes nothing) in the same precision, and
are sampled by the run's own default, 16 evaluations. The image set is scikit-learn's digits, the mask set the plugin's
demo; the series set SyntheticControl of the UCR archive when `SYNTHGEN_BENCH_DATA` names the folder, else GunPoint.

Figures are those of `synthgen evaluate --fast`: `tstr_ratio`, `fd` over its floor, `c2st_auc`, `copy_rate`. Rows are
kept as they come (`results/ablation_ladder.rows.jsonl`): the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from record import Recording
from rows import Rows

from synthgen.config import merge
from synthgen.evaluation import evaluate
from synthgen.generation import generate
from synthgen.io.run import Run
from synthgen.training import train

Overrides = Mapping[str, Any]

_BUDGETS = {"image": 24_000, "timeseries": 12_000, "mask": 12_000}
"""Records seen in training."""
_RECORDS = {"image": 800, "timeseries": 400, "mask": 400}
"""Records generated for the comparison."""

_DDPM: Overrides = {
    "noise": {
        "parameterisation": "epsilon", "density": "linear", "stratified": False, "sigma_max": 80.0, "sigma_min": 0.005,
    },
    "loss": {"weight": "native", "uncertainty": False, "classwise": False},
    "optim": {"name": "adamw", "schedule": "constant"},
    "ema": {"widths": [0.1]},
}  # fmt: skip
_EDM = {"noise": {"parameterisation": "edm", "density": "lognormal", "mean": -1.2, "std": 1.2}}

LADDER: tuple[tuple[str, Overrides], ...] = (
    ("DDPM: epsilon, linear schedule", _DDPM),
    ("EDM preconditioning, density and weight", merge(_EDM, {"loss": {"weight": "edm", "uncertainty": False}})),
    ("+ learned uncertainty", {"loss": {"uncertainty": True}}),
    ("+ stratified noise levels", {"noise": {"stratified": True}}),
    ("+ cooldown", {"optim": {"schedule": "cooldown"}}),
    ("+ three averages, chosen afterwards", {"ema": {"widths": [0.05, 0.1, 0.2]}}),
    ("+ largest noise level from the data", {"noise": {"sigma_max": None}}),
    ("+ an uncertainty for each class", {"loss": {"classwise": True}}),
)
"""Name and what is added to the rung before; the last rung, the defaults, comes after them."""

DEFAULT = "the modality's defaults"

ALTERNATIVES: tuple[tuple[str, Overrides], ...] = (
    ("adaptive noise levels", {"noise": {"adaptive": True}}),
    ("predict epsilon", {"noise": {"parameterisation": "epsilon"}}),
    ("predict v", {"noise": {"parameterisation": "v"}}),
    ("predict flow velocity", {"noise": {"parameterisation": "flow"}}),
    ("predict x", {"noise": {"parameterisation": "x"}}),
    ("EDM preconditioning", {"noise": {"parameterisation": "edm"}}),
    ("log-uniform noise levels", {"noise": {"density": "loguniform"}}),
    ("cosine noise levels", {"noise": {"density": "cosine"}}),
    ("min-SNR weight", {"loss": {"weight": "min-snr"}}),
    ("soft min-SNR weight", {"loss": {"weight": "soft-min-snr"}}),
    ("P2 weight", {"loss": {"weight": "p2"}}),
    ("uniform weight", {"loss": {"weight": "uniform"}}),
    ("no learned uncertainty", {"loss": {"uncertainty": False}}),
    ("one uncertainty for all classes", {"loss": {"classwise": False}}),
    ("independent noise levels", {"noise": {"stratified": False}}),
    ("constant rate", {"optim": {"schedule": "constant"}}),
    ("cosine rate", {"optim": {"schedule": "cosine"}}),
    ("AdamW", {"optim": {"name": "adamw"}}),
    ("Muon", {"optim": {"name": "muon", "lr": 0.004}}),
    ("Adam's second moment 0.999", {"optim": {"betas": [0.9, 0.999]}}),
    ("no weight decay", {"optim": {"weight_decay": 0.0}}),
    ("weight decay 0.1", {"optim": {"weight_decay": 0.1}}),
    ("rate 0.0005", {"optim": {"lr": 0.0005}}),
    ("rate 0.002", {"optim": {"lr": 0.002}}),
    ("no dropout", {"network": {"dropout": 0.0}}),
    ("dropout 0.3", {"network": {"dropout": 0.3}}),
    ("largest noise level 80", {"noise": {"sigma_max": 80.0}}),
    ("contrastive term", {"loss": {"contrastive": 0.05}}),
    ("frequency term", {"loss": {"frequency": 0.1}}),
    ("augmentation", {"data": {"augment": 0.15}}),
)

SAMPLING: tuple[tuple[str, Overrides], ...] = (
    ("default", {}),
    ("DDIM, 16", {"sampler": "ddim"}),
    ("DDIM, 50", {"sampler": "ddim", "steps": 50}),
    ("Heun, 16", {"sampler": "heun", "grid": "edm"}),
    ("DPM-Solver++ 2M, 16", {"sampler": "multistep", "order": 2}),
    ("8 evaluations", {"steps": 8}),
    ("32 evaluations", {"steps": 32}),
    ("EDM grid", {"grid": "edm"}),
    ("information grid", {"grid": "information"}),
    ("guidance 1.25", {"guidance": 1.25}),
    ("guidance 1.5", {"guidance": 1.5}),
    ("guidance 2", {"guidance": 2.0}),
    ("autoguidance 1.5", {"autoguidance": 1.5}),
)

_FIGURES = ("tstr_ratio", "fd_over_floor", "c2st_auc", "recall", "copy_rate")


def rungs(part: str) -> Iterator[tuple[str, Overrides]]:
    """Name and overrides of every training of a part."""
    if part == "alternatives":
        yield DEFAULT, {}
        yield from ALTERNATIVES
        return
    so_far: Overrides = {}
    for name, added in LADDER:
        so_far = merge(so_far, added)
        yield name, so_far
    yield DEFAULT, {}


def data_of(modality: str) -> Overrides:
    """The set of each modality."""
    if modality != "timeseries":
        return {}
    root = os.environ.get("SYNTHGEN_BENCH_DATA")
    return {"data": {"path": str(Path(root, "timeseries/ucr/SyntheticControl")) if root else "gunpoint"}}


def trained(modality: str, overrides: Overrides, seed: int, precision: str, out: Path) -> Run:
    """A run of the fixed budget."""
    watching = {"sample_checks": 0, "early_stop": False}
    budget = {"samples": _BUDGETS[modality], "seed": seed, "precision": precision, **watching}
    fixed = merge(data_of(modality), {"modality": modality, "train": budget})
    return train(merge(fixed, overrides), out=out)


def figures(run: Run, seed: int, folder: Path, sampling: Overrides | None = None) -> dict[str, Any]:
    """What the report says of as many records as the budget allows."""
    n = min(_RECORDS[run.schema.modality], len(run.split.train))
    dataset = generate(run, n=n, labels=() if run.schema.labels else None, sampling=sampling, seed=seed, out=folder)
    report = evaluate(run, dataset.path, out=folder / "report", fast=True)
    found = {row.name: row for row in report.metrics}
    distance = found["fd"]
    values: dict[str, Any] = {
        name: found[name].value for name in ("tstr", "trtr", "tstr_ratio", "c2st_auc", "recall", "copy_rate", "fd")
    }
    if distance.value is not None and distance.floor:
        values["fd_over_floor"] = distance.value / distance.floor
    return {"figures": {name: round(float(value), 5) for name, value in values.items() if value is not None}}


def main() -> None:
    """Measure what is missing, print the medians, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("ladder", "alternatives", "sampling"), default="ladder")
    parser.add_argument("--sets", nargs="+", choices=list(_BUDGETS), default=list(_BUDGETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--precision", choices=("bf16", "fp32"), default="fp32", help="the same for every rung")
    parser.add_argument("--only", nargs="+", help="names of rungs; all when left away")
    arguments = parser.parse_args()
    budget = {"samples": _BUDGETS, "records": _RECORDS, "precision": arguments.precision}
    rows = Rows("ablation_ladder", budget=budget)
    with Recording(f"ablation_{arguments.part}", seeds=arguments.seeds) as recording:
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for seed in arguments.seeds:
            for modality in arguments.sets:
                for name, row in one_set(arguments, modality, seed, rows):
                    print(modality, seed, name, row["figures"], flush=True)
                    found.setdefault(modality, {}).setdefault(name, []).append({"seed": seed, **row["figures"]})
        medians = {
            modality: {name: _medians(runs) for name, runs in table.items()} for modality, table in found.items()
        }
        recording.results = {"budget": budget, "medians": medians, "runs": found}


def one_set(
    arguments: argparse.Namespace, modality: str, seed: int, rows: Rows
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of one set and seed; trainings that are in the file already are not repeated."""
    key = {"set": modality, "seed": seed}

    def fresh(overrides: Overrides) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            run = trained(modality, overrides, seed, arguments.precision, Path(folder) / "run")
            facts = {"held_out": run.facts["held_out"], "seconds": run.facts["seconds"]}
            return {**figures(run, seed, Path(folder) / "data"), "run": facts}

    if arguments.part != "sampling":
        for name, overrides in rungs(arguments.part):
            if not arguments.only or name in arguments.only:
                yield name, rows.get({**key, "rung": name}, lambda overrides=overrides: fresh(overrides))
        return
    with tempfile.TemporaryDirectory() as folder:
        run: Run | None = None

        def sampled(name: str, sampling: Overrides) -> dict[str, Any]:
            nonlocal run
            run = run or trained(modality, {}, seed, arguments.precision, Path(folder) / "run")
            place = Path(folder) / "".join(letter for letter in name if letter.isalnum())
            return figures(run, seed, place, sampling)

        for name, sampling in SAMPLING:
            if not arguments.only or name in arguments.only:
                row = rows.get({**key, "sampling": name}, lambda name=name, sampling=sampling: sampled(name, sampling))
                yield name, row


def _medians(runs: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {
        name: round(statistics.median(run[name] for run in runs if name in run), 4)
        for name in _FIGURES
        if any(name in run for run in runs)
    }


if __name__ == "__main__":
    main()
