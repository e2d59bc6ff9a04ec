"""Digits on photos: what the quality of drawn pairs depends on, one change at a time.

    python benchmarks/mask_quality.py                                  # every arm, seed 0
    python benchmarks/mask_quality.py --arms area present --seeds 0 1

Arms are trainings of equally many records (`--samples`), guidance weights are ways of sampling each. Of every pair

- `fidelity`: mIoU of the report's judge, trained on real pairs, against the drawn masks (one judge);
- `found`: IoU of "some digit" between that judge and the drawn masks: does the mask fit its image?
- `readable`: share of masks whose outline alone is taken for its digit, by a Gaussian-kernel machine that learnt from
  real outlines: is it a digit at all?
- `detail`: mean step between neighbouring pixels of the image, in grey values: is it smooth?
- `tstr_ratio`, with `--tstr`: the judge trained on as many drawn pairs as there are training pairs, over the judge
  trained on those.

The first row of each seed is the held-out real pairs. Runs stay in `--runs`, rows in `results/mask_quality.rows.jsonl`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import synthgen_mask.demo
from numpy.typing import NDArray
from record import Recording
from rows import Rows
from sklearn.svm import SVC
from synthgen_mask.classes import classes_of, index_masks, mask_schema
from synthgen_mask.judge import SegmentationJudge

from synthgen.api import Records
from synthgen.config import merge
from synthgen.generation.generating import generate_records
from synthgen.io.run import Run
from synthgen.training import train

_FINE = {"network": {"patch": 1, "width": 32, "multipliers": [1, 2, 4], "blocks": 1}}
ARMS: dict[str, tuple[Mapping[str, bool], Mapping[str, Any]]] = {
    "area": ({"area": True}, {}),
    "present": ({"present": True}, {}),
    "both": ({"area": True, "present": True}, {}),
    "label-alone": ({}, {}),
    "muon": ({"area": True}, {"optim": {"name": "muon"}}),
    "patch-1": ({"area": True}, _FINE),
    "three-uses": ({"area": True}, {"noise": {"clean": 0.25}}),
    "three-uses-more": ({"area": True}, {"noise": {"clean": 0.4}}),
}
"""Arm -> what the denoiser is told beside the label, and the configuration that differs."""


def trained(arm: str, seed: int, samples: int, runs: Path) -> Run:
    """The run of an arm; one that is there is taken as it is."""
    told, overrides = ARMS[arm]

    def schema(*args: Any, **options: Any) -> Any:
        return mask_schema(*args, **{**options, "area": False, "present": False, **told})

    synthgen_mask.demo.mask_schema = schema  # type: ignore[attr-defined]
    budget = {"samples": samples, "seed": seed, "threads": 1}
    return train(merge({"modality": "mask", "train": budget}, overrides), out=runs / f"{arm}-{seed}-{samples}")


class Examiner:
    """Judges drawn pairs by what real ones taught.

    Args:
        run: whose training and held-out pairs are the real ones.
    """

    def __init__(self, run: Run) -> None:
        source = run.source()
        self.real, self.held_out = source.read(run.split.train), source.read(run.split.holdout)
        self.schema = run.schema
        self.judge = SegmentationJudge(run.schema, seed=0).fit(self.real)
        self.outlines = SVC(C=10).fit(self._outline(self.real), self.real.label)

    def measured(self, records: Records) -> dict[str, float]:
        """Everything but `tstr_ratio`."""
        inked, said = self._index(records) > 0, self.judge.predict(records) > 0
        steps = np.abs(np.diff(records["image"][..., 0].astype(np.float64), axis=2))
        return {
            "fidelity": self.judge.evaluate(records).value(),
            "found": float((inked & said).sum() / (inked | said).sum()),
            "readable": float((self.outlines.predict(self._outline(records)) == records.label).mean()),
            "detail": float(steps.mean()),
        }

    def tstr_ratio(self, records: Records) -> float:
        """Both judges with the same seed."""
        ours = SegmentationJudge(self.schema, seed=0).fit(records)
        return ours.evaluate(self.held_out).value() / self.judge.evaluate(self.held_out).value()

    def _index(self, records: Records) -> NDArray[np.int64]:
        return index_masks(records["mask"], classes_of(self.schema))

    def _outline(self, records: Records) -> NDArray[np.float32]:
        return (self._index(records) > 0).reshape(len(records), -1).astype(np.float32)


def drawn(run: Run, examiner: Examiner, guidance: float, n: int, *, tstr: bool) -> dict[str, Any]:
    """The row of a run and a guidance weight."""
    count = len(examiner.real) if tstr else n
    records = generate_records(run, n=count, seed=0, guidance=guidance)
    ratio = {"tstr_ratio": examiner.tstr_ratio(records)} if tstr else {}
    return {"figures": examiner.measured(records) | ratio, "held_out": run.facts["held_out"]}


def main() -> None:
    """Measure what is missing, print, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--guidance", nargs="+", type=float, default=[1.0, 2.0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--samples", type=int, default=40_000, help="training records of each arm")
    parser.add_argument("--records", type=int, default=1000, help="drawn for each row")
    parser.add_argument("--tstr", action="store_true", help="train a judge on drawn pairs too")
    parser.add_argument("--runs", type=Path, default=Path("runs/mask-quality"), help="where runs stay")
    arguments = parser.parse_args()
    rows = Rows("mask_quality", budget={"samples": arguments.samples})
    with Recording("mask_quality", seeds=arguments.seeds) as recording:
        for seed in arguments.seeds:
            examiner: Examiner | None = None
            for arm in arguments.arms:
                run = trained(arm, seed, arguments.samples, arguments.runs)
                examiner = examiner or Examiner(run)
                real = partial(lambda known: {"figures": known.measured(known.held_out)}, examiner)
                print("real", seed, rows.get({"arm": "real", "seed": seed}, real)["figures"], flush=True)
                for weight in arguments.guidance:
                    key = {"arm": arm, "guidance": weight, "seed": seed, "records": arguments.records}
                    measure = partial(drawn, run, examiner, weight, arguments.records, tstr=arguments.tstr)
                    row = rows.get(key | {"tstr": arguments.tstr}, measure)
                    print(arm, weight, seed, row["figures"], flush=True)
        recording.results = {"samples": arguments.samples, "rows": rows.all()}


if __name__ == "__main__":
    main()
