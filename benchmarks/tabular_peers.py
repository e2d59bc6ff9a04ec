"""Tables beside SDV's GaussianCopula and CTGAN and synthcity's ddpm at equal processor time.

    SYNTHGEN_SDV_PYTHON=sdv/bin/python SYNTHGEN_SYNTHCITY_PYTHON=synthcity/bin/python \\
        python benchmarks/tabular_peers.py --sets wine --seconds 30

Needs `examples/tabular-plugin` installed. The peers live in environments of their own, because they pin other versions
of torch, numpy and pandas: `pip install sdv`, and `pip install synthcity opacus==1.5.2`. A peer whose environment is
not named is left out. Each gets the training split as CSV and leaves as many rows as CSV. All are judged by the same
code: gradient boosting trained on the synthetic rows (`tstr`), a two-sample test on features (`c2st_auc`) and the rows
of the plugin. Without labels (diabetes) utility is `r2_tstr`.

Equal time means seconds of processor time while fitting, so that another load on the machine changes nothing: CTGAN
and ddpm first fit for a few epochs to learn what an epoch costs, ours for a few steps. GaussianCopula takes what it
takes, which is far less; its seconds stand beside it. CTGAN's batch is cut to the table where that is smaller. All
three sets have few records, so our averaging width is chosen on the hold-out (a report says so too).
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from record import RESULTS, Recording
from synthgen_tabular.files import source_of
from synthgen_tabular.table import frame_of

from synthgen import registry
from synthgen.data.opening import relabel
from synthgen.evaluation.measurement import measure_records
from synthgen.generation import generate_records
from synthgen.training import train

SETS = {"wine": "cultivar", "breast-cancer": "diagnosis", "diabetes": "progression"}
PEERS = {
    "gaussian-copula": "SYNTHGEN_SDV_PYTHON",
    "ctgan": "SYNTHGEN_SDV_PYTHON",
    "synthcity-ddpm": "SYNTHGEN_SYNTHCITY_PYTHON",
}
ROWS = ("trtr", "tstr", "r2_trtr", "r2_tstr", "c2st_auc", "column_shapes", "pair_trends", "copy_rate", "dcr_share")

PEER = """
import json, sys, time, warnings
from importlib import metadata
warnings.filterwarnings("ignore")
import numpy as np, pandas as pd, torch
torch.set_num_threads(1)
name, source, target, seconds, seed, label = sys.argv[1:]
seconds, seed = float(seconds), int(seed)
np.random.seed(seed); torch.manual_seed(seed)
table = pd.read_csv(source)
facts = {"versions": {}}
for package in ("sdv", "ctgan", "synthcity", "opacus", "torch", "numpy"):
    try:
        facts["versions"][package] = metadata.version(package)
    except metadata.PackageNotFoundError:
        pass
def sdv(make):
    from sdv.metadata import Metadata
    metadata = Metadata.detect_from_dataframes({"table": table})
    return make(metadata)
started = time.process_time()
if name == "gaussian-copula":
    from sdv.single_table import GaussianCopulaSynthesizer
    model = sdv(lambda m: GaussianCopulaSynthesizer(m))
    started = time.process_time()
    model.fit({"table": table})
    facts["cpu_seconds"] = time.process_time() - started
    made = model.sample(len(table)); made = made["table"] if isinstance(made, dict) else made
elif name == "ctgan":
    from sdv.single_table import CTGANSynthesizer
    batch = max(10, min(500, len(table) // 10 * 10))
    def fit(epochs):
        model = sdv(lambda m: CTGANSynthesizer(m, epochs=epochs, batch_size=batch, enable_gpu=False))
        started = time.process_time()
        model.fit({"table": table})
        return model, time.process_time() - started
    fit(2)  # warm
    _, longer = fit(100)
    epochs = max(1, int(seconds / (longer / 100)))
    model, took = fit(epochs)
    facts |= {"epochs": epochs, "cpu_seconds": took, "batch_size": batch}
    made = model.sample(len(table)); made = made["table"] if isinstance(made, dict) else made
else:
    from synthcity.plugins import Plugins
    from synthcity.plugins.core.dataloader import GenericDataLoader
    loader = GenericDataLoader(table, target_column=label)
    def fit(iterations):
        model = Plugins().get("ddpm", n_iter=iterations, is_classification=table[label].nunique() <= 20)
        started = time.process_time()
        model.fit(loader)
        return model, time.process_time() - started
    fit(2)  # warm
    _, longer = fit(100)
    iterations = max(1, int(seconds / (longer / 100)))
    model, took = fit(iterations)
    facts |= {"iterations": iterations, "cpu_seconds": took}
    made = model.generate(count=len(table)).dataframe()
made.to_csv(target, index=False)
print(json.dumps(facts))
"""


def rows_of(run: Any, train_records: Any, holdout: Any, synthetic: Any) -> dict[str, Any]:
    """The rows of one synthetic table."""
    found = measure_records(run.modality, run.schema, train_records, holdout, synthetic, draws=200)
    known = {row.name: row for row in found.rows}
    return {
        name: {"value": known[name].value, "ci": known[name].ci, "floor": known[name].floor, "error": known[name].error}
        for name in ROWS
        if name in known
    }


def ours(name: str, seconds: float, seed: int, folder: Path) -> tuple[Any, dict[str, Any]]:
    """A run whose training took the given processor time, and what it took."""
    base = {"train": {"seed": seed, "precision": "fp32", "threads": 1}}

    def fit(samples: int, place: str) -> tuple[Any, float]:
        overrides = {"train": {**base["train"], "samples": samples}}
        started = time.process_time()
        run = train(overrides, modality="tabular", data=name, out=folder / place)
        return run, time.process_time() - started

    fit(1_000, "warm")
    _, longer = fit(12_000, "longer")
    samples = max(4_000, int(seconds / (longer / 12_000)))
    run, took = fit(samples, "run")
    return run, {"samples": run.facts["samples"], "cpu_seconds": took, "ended": run.facts["ended"]}


def one(name: str, seconds: float, seed: int, peers: list[str]) -> dict[str, Any]:
    """Every generator on one set and one split."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        run, facts = ours(name, seconds, seed, folder)
        source = run.source()
        real, holdout = source.read(run.split.train), source.read(run.split.holdout)
        made = generate_records(run, n=len(real), seed=seed)
        found = {"synthgen": {**facts, "rows": rows_of(run, real, holdout, made)}}
        table = frame_of(real, run.schema)
        if real.label is not None:
            table[SETS[name]] = np.array(run.schema.labels)[real.label]
        table.to_csv(folder / "train.csv", index=False)
        (folder / "peer.py").write_text(PEER)
        for peer in peers:
            found[peer] = from_peer(peer, folder, run, real, holdout, seconds, seed, SETS[name])
    return found


def from_peer(
    peer: str, folder: Path, run: Any, real: Any, holdout: Any, seconds: float, seed: int, label: str
) -> dict[str, Any]:
    """What a peer made of the training split, or why it made nothing."""
    target = folder / f"{peer}.csv"
    python = os.environ[PEERS[peer]]
    arguments = [peer, str(folder / "train.csv"), str(target), str(seconds), str(seed), label]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [python, str(folder / "peer.py"), *arguments], capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1]}
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    frame = pd.read_csv(target)
    known = run.schema if real.label is not None else run.source().schema
    source = source_of(frame, label=label if real.label is not None else None, known=known)
    return {**facts, "rows": rows_of(run, real, holdout, relabel(source, run.schema).read(np.arange(len(frame))))}


NAMES = {
    "synthgen": "synthgen `tabular`",
    "gaussian-copula": "SDV GaussianCopula",
    "ctgan": "SDV CTGAN",
    "synthcity-ddpm": "synthcity ddpm",
}


def page_lines(name: str) -> list[str]:
    """The rows of `docs/compare.md` for one set, from its record, first seed."""
    found = next(iter(json.loads((RESULTS / f"tabular_peers_{name}.json").read_text())["results"].values()))
    lines = []
    for generator, facts in found.items():
        rows = {row: entry["value"] for row, entry in facts["rows"].items()}
        prefix, shown = ("r2_", f"{name} (R²)") if "r2_tstr" in rows else ("", name)
        cells = [shown, NAMES[generator], f"{facts['cpu_seconds']:.0f} s"]
        cells += [f"{rows[prefix + 'tstr']:.3f} ({rows[prefix + 'trtr']:.3f})"]
        cells += [f"{rows[row]:.3f}" for row in ("c2st_auc", "column_shapes", "pair_trends", "dcr_share")]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Measure, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    installed = [peer for peer, variable in PEERS.items() if variable in os.environ]
    parser.add_argument("--peers", nargs="*", default=installed, choices=list(PEERS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of processor time for fitting")
    parser.add_argument("--table", action="store_true", help="print the page's rows of what is recorded")
    chosen = parser.parse_args()
    if chosen.table:
        print("\n".join(line for name in chosen.sets for line in page_lines(name)))
        return
    registry.find("modalities", "tabular")
    for name in chosen.sets:
        with Recording(f"tabular_peers_{name}", seeds=chosen.seeds) as recording:
            for seed in chosen.seeds:
                found = recording.once(f"seed {seed}", functools.partial(one, name, chosen.seconds, seed, chosen.peers))
                recording.results[f"seed {seed}"] = found
                for who, facts in found.items():
                    shown = {key: round(row["value"], 3) for key, row in facts.get("rows", {}).items() if row["value"]}
                    print(name, who, round(facts.get("cpu_seconds", 0)), facts.get("error") or shown, flush=True)


if __name__ == "__main__":
    main()
