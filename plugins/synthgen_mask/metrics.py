"""Rows of the report that only masks have: how classes are spread, and whether each mask belongs to its image.

    mask_class_shares     half the sum over classes of |share of pixels, synthetic - real|
    mask_components       mean over classes of the total variation between the numbers of connected parts a record
    mask_component_sizes  mean over classes of the Kolmogorov-Smirnov distance between the sizes of these parts
    mask_boundary         Kolmogorov-Smirnov distance between the boundary lengths of records
    mask_consistency      how far masks agree with their images, to a network that learnt from real records alone

Parts are connected through edges. Ignored pixels belong to no class. The first four are 0 for equal laws, at most 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from synthgen.api import Metric, Records, Schema
from synthgen.seeding import generator
from synthgen_mask.classes import classes_of, index_masks
from synthgen_mask.judge import SegmentationJudge

__all__ = ["BOUNDARY", "CLASS_SHARES", "COMPONENTS", "COMPONENT_SIZES", "agreements", "consistency"]

_WITHIN = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False])[:, None, None]
_MOST_PARTS = 20
_JUDGE_STEPS = 200
_DRAWS = 1000
_WORST = 24
_PERCENTILE = 5
_judges: list[tuple[Records, SegmentationJudge]] = []


def _index(records: Records, context: Mapping[str, Any]) -> tuple[NDArray[np.int64], int]:
    classes = classes_of(context["schema"])
    return index_masks(records["mask"], classes), len(classes)


def class_shares(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """Half the sum of the differences between the classes' shares of all pixels."""
    shares = []
    for records in (real, synthetic):
        index, count = _index(records, context)
        pixels = np.bincount(index[index >= 0], minlength=count)
        shares.append(pixels / max(1, pixels.sum()))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _parts(index: NDArray[np.int64], k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Connected parts of a class: their number in each record `(N,)`, and the size of each as a share of a record."""
    labels, total = ndimage.label(index == k, structure=_WITHIN)
    flat = labels.ravel()
    found, first, sizes = np.unique(flat, return_index=True, return_counts=True)
    pixels = index[0].size
    real = found > 0
    counts = np.bincount(first[real] // pixels, minlength=len(index))
    assert int(real.sum()) == total
    return counts, sizes[real] / pixels


def components(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """Mean over the real classes of the total variation between numbers of parts a record (20 and more as one)."""
    distances = []
    for first, second in _classwise(real, synthetic, context):
        laws = [
            np.bincount(np.minimum(side[0], _MOST_PARTS), minlength=_MOST_PARTS + 1) / len(side[0])
            for side in (first, second)
        ]
        distances.append(np.abs(laws[0] - laws[1]).sum() / 2)
    return float(np.mean(distances))


def component_sizes(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """Mean over the real records' classes of the KS distance between sizes of parts; 1 for a class that is missing."""
    return float(np.mean([_ks(first[1], second[1]) for first, second in _classwise(real, synthetic, context)]))


def _classwise(real: Records, synthetic: Records, context: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """The parts on both sides, for each class that real records have."""
    (ours, count), (theirs, _) = _index(real, context), _index(synthetic, context)
    return [(_parts(ours, k), _parts(theirs, k)) for k in range(count) if (ours == k).any()]


def boundary(real: Records, synthetic: Records, context: Mapping[str, Any]) -> float:
    """KS distance between the records' shares of neighbouring pixels that are of two classes."""
    return _ks(*(_boundary_shares(_index(records, context)[0]) for records in (real, synthetic)))


def _boundary_shares(index: NDArray[np.int64]) -> NDArray[np.float64]:
    differ = np.zeros(len(index))
    pairs = np.zeros(len(index))
    for one, other in ((index[:, 1:], index[:, :-1]), (index[:, :, 1:], index[:, :, :-1])):
        known = (one >= 0) & (other >= 0)
        differ += ((one != other) & known).sum((1, 2))
        pairs += known.sum((1, 2))
    return np.asarray(differ / np.maximum(pairs, 1))


def _ks(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if not len(first) or not len(second):
        return float(len(first) != len(second))
    values = np.concatenate([first, second])
    below = [np.searchsorted(np.sort(side), values, side="right") / len(side) for side in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


CLASS_SHARES = Metric(
    class_shares,
    better="lower",
    definition="Half the sum over classes of the differences of their shares of all pixels.",
)
COMPONENTS = Metric(
    components,
    better="lower",
    definition="Mean over classes of the total variation between the numbers of connected parts a record.",
    cost="moderate",
)
COMPONENT_SIZES = Metric(
    component_sizes,
    better="lower",
    definition="Mean over classes of the Kolmogorov-Smirnov distance between the sizes of connected parts.",
    cost="moderate",
)
BOUNDARY = Metric(
    boundary,
    better="lower",
    definition="Kolmogorov-Smirnov distance between records' shares of neighbouring pixels of two classes.",
)


def agreements(
    schema: Schema, train: Records, real: Records, synthetic: Records
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agreement of each real and each synthetic record, `(N,)`, by the network of `mask_consistency`."""
    judge = next((judge for records, judge in _judges if records is train), None)
    if judge is None:
        judge = SegmentationJudge(schema, seed=0, steps=_JUDGE_STEPS).fit(train)
        _judges[:] = [(train, judge)]
    judge.calibrate(real)
    return _mean(judge.agreement(real)), _mean(judge.agreement(synthetic))


def consistency(real: Records, synthetic: Records, context: Mapping[str, Any]) -> dict[str, Any]:
    """The row `mask_consistency`.

    A segmentation network learns from the real training records. A pixel agrees with the mask when its loss is at most
    1.25 times the mean of its class on held-out records (the rule of FreeMask, Yang et al. 2023); a record's agreement
    is the mean over its classes of the share of their pixels that agree. The value is the mean over synthetic records,
    the floor that over held-out ones.
    """
    ours, theirs = agreements(context["schema"], context["train"], real, synthetic)
    suspicious = theirs < np.percentile(ours, _PERCENTILE)
    order = np.argsort(theirs)[:_WORST]
    facts = {
        "floor_ci": _interval(ours),
        "median": float(np.median(theirs)),
        "floor_median": float(np.median(ours)),
        "inconsistent": float(suspicious.mean()),
        "least_consistent": [int(k) for k in order if suspicious[k]],
        "note": f"{suspicious.mean():.1%} of the synthetic records agree less than 95 % of the held-out ones "
        "(generate --drop-inconsistent replaces them)",
    }
    return {"value": float(theirs.mean()), "ci": _interval(theirs), "floor": float(ours.mean()), "n": len(theirs),
            "better": "higher", "facts": facts}  # fmt: skip


def _mean(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the classes that a record has."""
    known = ~np.isnan(table)
    return np.asarray(np.where(known, table, 0).sum(1) / np.maximum(known.sum(1), 1))


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    draws = generator(0, "mask-consistency").integers(0, len(values), (_DRAWS, len(values)))
    low, high = np.percentile(values[draws].mean(1), (2.5, 97.5))
    return float(low), float(high)
