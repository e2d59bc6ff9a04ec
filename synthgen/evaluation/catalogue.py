"""Every metric that a report may hold: what it is, which way is better, what good looks like, and who defined it.

`docs/metrics.md` shows these definitions word for word (a test compares them), and the page of a report carries them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from synthgen import registry
from synthgen.api import Metric
from synthgen.errors import SynthgenError

__all__ = ["CATALOGUE", "FULL_ONLY", "UTILITY", "Better", "Description", "describe"]

Better = Literal["higher", "lower", "floor"]
"""Which way is better; `floor`: the nearer to the floor the better, on either side."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a metric is.

    Args:
        title: a short name for people.
        better: which way is better.
        good: what good looks like, in a few words.
        definition: what exactly is computed.
        source: where it was defined.
        low, high: natural range, for drawing; None: open.
        per_class: whether it comes by class too.
        gate: what `fail_under` demands: at least or at most the given number.
    """

    title: str
    better: Better
    good: str
    definition: str = ""
    source: str = ""
    low: float | None = 0.0
    high: float | None = 1.0
    per_class: bool = False
    gate: Literal["at least", "at most"] = "at least"


_SAJJADI = "Kynkäänniemi et al. 2019, arXiv 1904.06991"
_NAEEM = "Naeem et al. 2020, arXiv 2002.09797"
_C2ST = "Lopez-Paz and Oquab 2017, arXiv 1610.06545"

CATALOGUE: Mapping[str, Description] = {
    "trtr": Description(
        "trained on real, tested on real", "higher", "the reference for tstr",
        "The judge's measure on held-out records after training on real ones.", per_class=True,
    ),
    "tstr": Description(
        "trained on synthetic, tested on real", "higher", "as high as trtr",
        "The judge's measure on held-out real records after training on as many synthetic ones, equal optimiser steps.",
        "Esteban et al. 2017, arXiv 1706.02633; Ravuri and Vinyals 2019, arXiv 1905.10887", per_class=True,
    ),
    "trts": Description(
        "trained on real, tested on synthetic", "floor", "at its floor",
        "The real-trained judge's measure on synthetic records, drawn in the held-out class shares. High under mode "
        "collapse too, so never read alone.", "Esteban et al. 2017, arXiv 1706.02633",
    ),
    "tstr_ratio": Description(
        "synthetic-trained over real-trained", "higher", "1 or more",
        "`tstr / trtr`, both from the same number of training records; paired interval.", high=None,
    ),
    "tstr_worst_class": Description(
        "tstr of the worst class", "higher", "at its floor",
        "The lowest `tstr/<class>`; its floor is the lowest `trtr/<class>`.",
    ),
    "gain": Description(
        "real + synthetic minus real alone", "higher", "above 0, interval and all",
        "The judge's measure after training on all real and as many synthetic records, minus that after the real "
        "ones alone; equal optimiser steps, paired interval.",
        "Azizi et al. 2023, arXiv 2304.08466", low=None, high=None, per_class=True,
    ),
    "gain_25": Description(
        "gain with a quarter of the real records", "higher", "above 0, interval and all",
        "`gain` where the judge has 25 % of the real training records, classes alike, each so many times that real "
        "and synthetic ones count alike. The generator saw all of them.",
        low=None, high=None,
    ),
    "gain_10": Description(
        "gain with a tenth of the real records", "higher", "above 0, interval and all",
        "`gain` where the judge has 10 % of the real training records, classes alike, each so many times that real "
        "and synthetic ones count alike. The generator saw all of them.",
        low=None, high=None,
    ),
    "tstr_25": Description(
        "few synthetic, tested on real", "higher", "as high as its floor",
        "`tstr` where the judge has a quarter as many synthetic records as there are real ones to train on. Its floor "
        "is the judge with that quarter of the real records.",
    ),
    "tstr_10": Description(
        "very few synthetic, tested on real", "higher", "as high as its floor",
        "`tstr` where the judge has a tenth as many synthetic records as there are real ones to train on. Its floor "
        "is the judge with that tenth of the real records.",
    ),
    "gain_worst_class": Description(
        "gain of the worst class", "higher", "not below 0",
        "The lowest `gain/<class>`: a class that synthetic records harm while the average rises.", low=None, high=None,
    ),
    "label_fidelity": Description(
        "agreement of a real-trained judge with the synthetic labels", "higher", "at its floor",
        "The real-trained judge's measure on all synthetic records, against their own labels or masks. Guidance raises "
        "it and kills diversity: read it beside `recall`.", per_class=True,
    ),
    "c2st_auc": Description(
        "how well a classifier tells synthetic from real", "lower", "0.5, or at its floor",
        "Five-fold cross-validated AUC of telling synthetic from held-out records, by the stronger of the two probes "
        "below.", _C2ST, low=0.4, gate="at most",
    ),
    "c2st_linear": Description(
        "the same by a linear probe on features", "lower", "0.5, or at its floor",
        "Cross-validated AUC of a logistic regression on the features.", _C2ST, low=0.4, gate="at most",
    ),
    "c2st_raw": Description(
        "the same by a probe on the records themselves", "lower", "0.5, or at its floor",
        "Cross-validated AUC of a Gaussian-kernel support vector machine on 50 principal components of the plain "
        "records. It sees what features may miss, file artefacts among them.", _C2ST, low=0.4, gate="at most",
    ),
    "fd": Description(
        "Fréchet distance of features", "lower", "at its floor",
        "Fréchet distance of Gaussians fitted to the features, after reduction by principal components to n / 10 "
        "dimensions, because the estimate is biased by about d / n. Not FID, which belongs to Inception features.",
        "Dowson and Landau 1982; Heusel et al. 2017, arXiv 1706.08500", high=None, gate="at most",
    ),
    "kd": Description(
        "kernel distance of features", "lower", "0, or at its floor",
        "Unbiased squared MMD of the features with the kernel (x·y/d + 1)³.", "Bińkowski et al. 2018, arXiv 1801.01401",
        low=None, high=None, gate="at most",
    ),
    "precision": Description(
        "synthetic records inside the real region", "higher", "at its floor",
        "Share of synthetic records within the distance of some held-out record to its 5th neighbour.", _SAJJADI,
    ),
    "density": Description(
        "how densely synthetic records sit among real ones", "higher", "at its floor",
        "Mean number of held-out balls (to the 5th neighbour) around a synthetic record, over 5.", _NAEEM, high=None,
    ),
    "anomaly_shift": Description(
        "how odd synthetic records look to independent detectors", "lower", "at its floor",
        "Kolmogorov-Smirnov distance between the anomaly scores of synthetic and held-out records, by the stronger of "
        "two detectors that never saw the generator: nearest neighbours and an isolation forest on features of "
        "training records.", gate="at most",
    ),
    "denoising_shift": Description(
        "how odd synthetic records look to the model itself", "lower", "at its floor",
        "The same with the model's own score, the log denoising error over five noise levels.", gate="at most",
    ),
    "recall": Description(
        "real records inside the synthetic region", "higher", "at its floor",
        "Share of held-out records within the distance of some synthetic record to its 5th neighbour.", _SAJJADI,
        per_class=True,
    ),
    "coverage": Description(
        "real neighbourhoods holding a synthetic record", "higher", "at its floor",
        "Share of held-out balls (to the 5th neighbour) that hold a synthetic record; 1 - 2⁻⁵ is expected of a perfect "
        "generator.", _NAEEM,
    ),
    "vendi_ratio": Description(
        "effective number of distinct records over real's", "floor", "1, or at its floor",
        "Vendi score with the cosine kernel on standardised features, over that of as many held-out records.",
        "Friedman and Dieng 2023, arXiv 2210.02410", high=None, per_class=True,
    ),
    "vendi_worst_class": Description(
        "the same of the worst class", "higher", "at its floor",
        "The lowest `vendi_ratio/<class>`: the class that collapsed most.", high=None,
    ),
    "intra_diversity": Description(
        "distances within a class over real's", "floor", "1, or at its floor",
        "Mean feature distance between two synthetic records of a class, over that of held-out records, averaged over "
        "classes.", high=None, per_class=True,
    ),
    "duplicate_rate": Description(
        "synthetic records that repeat each other", "lower", "at its floor",
        "Share of synthetic records with another one as near as the nearest 1 % of held-out records have, from equal "
        "numbers of plain records.", gate="at most",
    ),
    "copy_rate": Description(
        "synthetic records suspiciously close to a training record", "lower", "at its floor, 1 %",
        "Share of synthetic records whose nearest training record is as near as the nearest 1 % of held-out records "
        "are to theirs. Without copying the count is beta-binomial whatever the data.", gate="at most",
    ),
    "authenticity": Description(
        "synthetic records no nearer than training records are to each other", "floor", "at its floor",
        "Share of synthetic records farther from their nearest training record than that one is from its own nearest. "
        "Bad models score high as well: read it beside the held-out value only.", "Alaa et al. 2022, arXiv 2102.08921",
    ),
    "dcr_share": Description(
        "synthetic records nearer to training than to held-out data", "floor", "50 %",
        "Share of synthetic records nearer to a training than to a held-out record, from equal numbers of both, ties "
        "half.", "Platzer and Reutterer 2021, arXiv 2104.00635", gate="at most",
    ),
    "nndr_share": Description(
        "synthetic records that single out a training record", "floor", "50 %",
        "The same with the ratio of the distances to a side's nearest and second nearest record.",
        "Platzer and Reutterer 2021, arXiv 2104.00635", gate="at most",
    ),
    "mia_auc": Description(
        "how well the model's error tells training from held-out records", "lower", "0.5",
        "Membership inference by someone who holds the model: AUC of telling training from held-out records by their "
        "denoising error.", "Matsumoto et al. 2023, arXiv 2302.03262", low=0.4, gate="at most",
    ),
    "mia_tpr": Description(
        "training records given away at 1 % false positives", "lower", "1 %",
        "The same attack: share of training records found where 1 % of held-out records are mistaken for members.",
        "Carlini et al. 2022, arXiv 2112.03570", gate="at most",
    ),
    "mia_samples_auc": Description(
        "how well the data set alone tells training from held-out records", "lower", "0.5",
        "Membership inference from the synthetic records alone: AUC of ln d(x, reference) - ln d(x, synthetic) with "
        "nearest-neighbour distances, half of the held-out records being the reference.",
        "van Breugel et al. 2023, arXiv 2302.12580", low=0.4, gate="at most",
    ),
    "mia_samples_tpr": Description(
        "training records the data set gives away at 1 % false positives", "lower", "1 %",
        "The same attack on samples: share of training records found at 1 % false positives.",
        "Carlini et al. 2022, arXiv 2112.03570", gate="at most",
    ),
}  # fmt: skip

UTILITY = ("trtr", "tstr", "trts", "tstr_ratio", "gain", "gain_25", "gain_10", "tstr_25", "tstr_10")
"""Rows that take the judge's measure as a prefix when it is neither accuracy nor mIoU, such as `r2_tstr`."""

FULL_ONLY = ("gain_25", "gain_10", "tstr_25", "tstr_10")
"""Rows that `--full` alone measures: each pair costs three more judges a seed."""


def describe(name: str) -> Description:
    """The description behind a row's name, per-class, measure-prefixed and plugins' ones included."""
    base = name.partition("/")[0]
    if base in CATALOGUE:
        return CATALOGUE[base]
    for known in sorted(UTILITY, key=len, reverse=True):
        if base.endswith(f"_{known}"):
            plain = CATALOGUE[known]
            title = f"{plain.title} ({base.removesuffix(f'_{known}')})"
            return Description(
                title, plain.better, plain.good, plain.definition, plain.source, None, None, plain.per_class
            )
    return _of_plugin(base)


def _of_plugin(name: str) -> Description:
    """What a plugin says of its metric; a plain description where it says nothing."""
    for record in registry.specs("metrics"):
        if record.spec.name == name:
            try:
                found = registry.load("metrics", name, record.spec.modality)
            except SynthgenError:
                break
            if isinstance(found, Metric):
                return Description(
                    record.spec.summary, found.better, _GOOD[found.better], found.definition, found.source, None, None,
                    gate="at most" if found.better == "lower" else "at least",
                )  # fmt: skip
            return Description(record.spec.summary, "floor", "at its floor", record.spec.summary, "", None, None)
    return Description(name, "floor", "at its floor", low=None, high=None)


_GOOD: Mapping[Better, str] = {"higher": "at its floor, or above", "lower": "at its floor, or below",
                               "floor": "at its floor"}  # fmt: skip
