"""What the score report says, before it is laid out: the summary of a scoring, and its answer in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from synthgen.evaluation.calibration import Uniformity, smallest_p
from synthgen.evaluation.curves import ClassAlarms, Curve
from synthgen.evaluation.drift import Drift
from synthgen.evaluation.families import FAMILIES
from synthgen.evaluation.ranking import Agreement, Ranking

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records

__all__ = ["OURS", "TITLES", "Contamination", "Oddity", "Summary", "Suspect", "Tone", "verdict"]

Tone = Literal["good", "bad", "unknown", "note"]

TITLES: Mapping[str, str] = {
    **{name: family.title for name, family in FAMILIES.items()},
    "kernel": "denoising error of the remembered training records",
    "fusion": "model and remembered records, mean z",
    "fusion_knn": "model, remembered records and nearest neighbours, mean z",
    "knn": "nearest neighbours (5), values",
    "knn_features": "nearest neighbours (5), features",
    "mahalanobis_features": "Mahalanobis distance, features",
    "lof": "local outlier factor (20)",
    "iforest": "isolation forest (100)",
    "pca": "principal components, reconstruction",
    "mahalanobis": "Mahalanobis distance",
}
OURS = (*FAMILIES, "kernel", "fusion", "fusion_knn")


@dataclass(frozen=True)
class Oddity:
    """One of the records with the highest scores."""

    id: int
    score: float
    label: str
    record: Records
    heat: NDArray[np.float64]
    """`(*spatial)`: z-scored residuals, smoothed."""
    channels: Mapping[str, float] = field(default_factory=dict)
    """Channel -> how much worse than usual it is restored, mean z; empty where there is one channel."""
    cells: NDArray[np.float64] | None = None
    """`(C, *spatial)`: the same by channel, where there are several."""
    p: float = math.nan
    q: float = math.nan
    flagged: bool = False


@dataclass(frozen=True)
class Suspect:
    """A record whose label the model doubts."""

    id: int
    label: str
    likeliest: str
    doubt: float
    p: float


@dataclass(frozen=True)
class Contamination:
    """Records of the run that were taken out because they look anomalous themselves."""

    positions: tuple[int, ...]
    """In the run's data."""
    calibrating: int
    """Of them, calibration records."""
    flagged_without: int
    """Records that would be flagged with those among the calibration records."""


@dataclass(frozen=True)
class Summary:
    """Everything that the report says, before it is said."""

    records: int
    unscorable: int
    flagged: int
    method: str
    sigmas: tuple[float, ...]
    calibration_records: int
    uniformity: Uniformity | None
    anomalies: int | None
    """Records that the labels call anomalous; None: the labels do not say."""
    rankings: Mapping[str, Ranking] | None
    agreements: Mapping[str, Agreement]
    seen: Mapping[str, int]
    """Part of the run's split -> scored records that are copies of its records."""
    map_threshold: float
    p: NDArray[np.float64]
    """Of the records that could be scored."""
    family: str = "denoising"
    evaluations: int = 32
    """Network evaluations a record."""
    data: str = ""
    condition: str = "null"
    q: float = 0.1
    alpha: float | None = None
    oddest: tuple[Oddity, ...] = ()
    suspects: tuple[Suspect, ...] | None = None
    """Records whose label is doubted; None: nobody asked."""
    contamination: Contamination | None = None
    drift: Drift | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)
    alarms: tuple[ClassAlarms, ...] = ()
    correlations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def verdict(summary: Summary) -> list[tuple[Tone, str]]:
    """The answer in sentences, each with its tone; the first says how many records are flagged."""
    said = [_flags(summary), *_seen_before(summary), _against_baselines(summary)]
    if summary.uniformity is not None:
        said.append(_calibration(summary.uniformity))
    said += [*_drifting(summary), *_doubting(summary), *_contaminated(summary)]
    if summary.unscorable:
        said.append(("unknown", f"{_records(summary.unscorable)} with no observed value could not be scored."))
    return said


def _records(n: int) -> str:
    return "1 record" if n == 1 else f"{n:,} records"


def _flags(summary: Summary) -> tuple[Tone, str]:
    scored = summary.records - summary.unscorable
    least = smallest_p(summary.calibration_records)
    if summary.alpha is not None:
        return "note", (
            f"{summary.flagged:,} of {_records(scored)} have p <= {summary.alpha:g}; if all were normal, "
            f"about {summary.alpha * scored:.1f} would."
        )
    text = f"{summary.flagged:,} of {_records(scored)} are flagged at q = {summary.q:g}"
    if summary.flagged:
        return "note", f"{text}: on average at most {summary.q:.0%} of the flags are false alarms."
    needed = math.ceil(least * scored / summary.q - 1e-9)
    if needed <= 1:
        return "note", f"{text}: none is odder than normal records may be."
    return "unknown", (
        f"{text}. With {summary.calibration_records:,} calibration records no p-value is below {least:.2g}, so at "
        f"least {needed:,} records would have to reach it together: sort by score, or flag each by itself with --alpha."
    )


def _seen_before(summary: Summary) -> list[tuple[Tone, str]]:
    trained, stopped = summary.seen.get("train", 0), summary.seen.get("validation", 0)
    calibrated = summary.seen.get("calibration", 0)
    said: list[tuple[Tone, str]] = []
    if trained:
        text = (
            f"Scored on training data: {_records(trained)} of {summary.records:,} are copies of records that the model "
            "was trained on, which it restores better than new ones; their p-values are not valid."
        )
        said.append(("bad", text))
    if stopped or calibrated:
        copies = _records(stopped + calibrated)
        text = f"{copies} are copies of records that chose or calibrated the model and taught it nothing."
        said.append(("note", text))
    return said


def _against_baselines(summary: Summary) -> tuple[Tone, str]:
    if summary.rankings is None:
        other = summary.agreements.get("knn")
        if summary.anomalies is not None:
            return "unknown", (
                f"The labels call {summary.anomalies:,} of {summary.records:,} records anomalous: without both kinds "
                "nothing can be said about how well the scores rank them."
            )
        if other is None:
            return "unknown", "No label says which records are anomalous."
        return "unknown", (
            "No label says which records are anomalous, so nothing here says which detector is right. The score and "
            f"the nearest-neighbour distance agree with a rank correlation of {other.spearman:.2f} and share "
            f"{other.top_overlap:.0%} of their top {_records(other.top)}."
        )
    ours = summary.rankings[summary.method]
    baselines = {name: ranking for name, ranking in summary.rankings.items() if name not in OURS}
    best = max(baselines, key=lambda name: baselines[name].auroc)
    rival = baselines[best]
    low, high = rival.difference
    text = (
        f"Against the labels the score reaches AUROC {ours.auroc:.3f} [{ours.auroc_interval[0]:.3f}, "
        f"{ours.auroc_interval[1]:.3f}] and average precision {ours.average_precision:.3f}"
    )
    rest = f"the best baseline, {TITLES.get(best, best)}, {rival.auroc:.3f}"
    if low > 0:
        return "bad", f"{text}; {rest}: the baseline does better, by {low:.3f} to {high:.3f}."
    if high < 0:
        return "good", f"{text}; {rest}: the model does better, by {-high:.3f} to {-low:.3f}."
    return "unknown", f"{text}; {rest}: which one is better cannot be told [{low:+.3f}, {high:+.3f}]."


def _calibration(found: Uniformity) -> tuple[Tone, str]:
    low, high = found.expected
    text = (
        f"Of {_records(found.records)} that the model never saw, {found.false_alarms:.1%} have p <= 0.05, "
        f"where {low:.1%} to {high:.1%} are expected (95 %)"
    )
    if found.false_alarms > high:
        return "bad", f"{text}: the calibration does not hold, there are more false alarms than the p-values promise."
    if found.false_alarms < low:
        return "bad", f"{text}: the calibration does not hold, there are fewer alarms than the p-values promise."
    if not found.holds:
        return "bad", (
            f"{text}; but they are not scored like the calibration records (Kolmogorov-Smirnov, p = {found.p:.2g}): "
            "the calibration does not hold."
        )
    return "good", f"{text}: the calibration holds."


def _drifting(summary: Summary) -> list[tuple[Tone, str]]:
    found = summary.drift
    if found is None or found.kind == "none":
        return []
    share = f"{found.below_median:.0%} of the new records score below the median of the calibration records"
    match found.kind:
        case "easier":
            text = f"{share}, more than the {found.most:.0%} that chance allows: p-values are too large"
        case "harder":
            text = f"Only {share}: either two fifths of the data are anomalous or normal records have changed"
        case _:
            text = (
                "The calm half of the new records is not scored like the calm half of the calibration records "
                f"(Kolmogorov-Smirnov, p = {found.p:.2g})"
            )
    return [
        ("bad", f"{text}. The calibration records no longer look like this data: calibrate on newer normal records.")
    ]


def _doubting(summary: Summary) -> list[tuple[Tone, str]]:
    if summary.suspects is None:
        return []
    if not summary.suspects:
        return [("note", f"No label is doubted at q = {summary.q:g}.")]
    first = summary.suspects[0]
    better = f"; most of all record {first.id}, labelled {first.label}"
    if first.likeliest and first.likeliest != first.label:
        better += f", which {first.likeliest} explains better"
    return [("note", f"{_records(len(summary.suspects))} may bear a wrong label at q = {summary.q:g}{better}.")]


def _contaminated(summary: Summary) -> list[tuple[Tone, str]]:
    found = summary.contamination
    if found is None:
        return []
    if not found.positions:
        return [("note", "No training or calibration record looks anomalous itself: none was taken out.")]
    return [("note", (
        f"{_records(len(found.positions))} of the run's data look anomalous themselves and were taken out, "
        f"{found.calibrating:,} of them calibration records: {summary.flagged:,} records are flagged, "
        f"{found.flagged_without:,} would be with them. The network has learnt from them: train again without them "
        "(score.json lists them) for their full effect."
    ))]  # fmt: skip
