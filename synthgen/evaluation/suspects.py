"""Records whose label, or mask, is doubted at a false-discovery rate: who judges them, and the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from synthgen.evaluation.calibration import benjamini_hochberg
from synthgen.evaluation.label_errors import LabelJudge
from synthgen.evaluation.mask_errors import MaskJudge
from synthgen.evaluation.score_verdict import Suspect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Source
    from synthgen.evaluation.scorer import CalibratedScorer, Model

__all__ = ["label_judge", "suspects"]


def label_judge(
    model: Model, scorer: CalibratedScorer, own: Source, calibration: NDArray[np.int64]
) -> LabelJudge | MaskJudge:
    """Who doubts: of masks where records have them, else of class labels."""
    masks = "mask" in own.read(calibration[:1]).columns
    judge: LabelJudge | MaskJudge = (MaskJudge if masks else LabelJudge)(model, scorer.setting)
    return judge.fit(own, calibration)


def suspects(table: pd.DataFrame, q: float) -> tuple[Suspect, ...]:
    """Records whose label is doubted at false-discovery rate q, the most doubted first."""
    known = table["label_doubt"].notna().to_numpy()
    adjusted = np.ones(len(table))
    adjusted[known] = benjamini_hochberg(table["label_p"].to_numpy()[known])
    chosen = np.flatnonzero(adjusted <= q)
    order = chosen[np.argsort(-table["label_doubt"].to_numpy()[chosen], kind="stable")]
    labels = table["label"] if "label" in table else pd.Series([""] * len(table))
    return tuple(
        Suspect(int(i), str(labels.iloc[i]), str(table["likeliest_label"].iloc[i]),
                float(table["label_doubt"].iloc[i]), float(table["label_p"].iloc[i]))
        for i in order
    )  # fmt: skip
