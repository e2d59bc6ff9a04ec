"""Pictures of images with masks: one record with its mask laid over it, and real beside synthetic by class."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synthgen.api import Drawing, Palette, Records, Schema
from synthgen_mask.classes import MaskClass, classes_of, index_masks, present_classes
from synthgen_mask.metrics import agreements

__all__ = ["draw", "drawings", "overlay", "overview"]

_OPACITY = 0.55
_GREY = 32
_INSTEAD_OF_GREY = ((255, 150, 50), (80, 200, 255), (255, 120, 200))
_ROWS = 12
_SHOWN = 8
_DISAGREEING = """Overlays from the least consistent record upwards, held-out above and synthetic below, and from the
median on: the number is the share of pixels, class by class, that agree with a segmentation network that learnt from
real training records alone; red frames are synthetic records below the fifth percentile of the held-out ones. Good: the
synthetic rows look like the real ones, and few are framed. Bad: masks beside the things that they name."""


def overlay(image: NDArray[np.uint8], mask: NDArray[np.integer], classes: tuple[MaskClass, ...]) -> NDArray[np.uint8]:
    """The image `(H, W, C)` with each pixel tinted in the colour of its class; black classes and ignored ones stay."""
    picture = _rgb(image).astype(np.float32)
    index = index_masks(mask[None], classes)[0]
    colors = _tints(classes).astype(np.float32)
    tinted = (index >= 0) & (colors[index.clip(0)].sum(-1) > 0)
    mixed = (1 - _OPACITY) * picture + _OPACITY * colors[index.clip(0)]
    return np.where(tinted[..., None], mixed, picture).astype(np.uint8)


def colored(mask: NDArray[np.integer], classes: tuple[MaskClass, ...]) -> NDArray[np.uint8]:
    """The mask alone in its colours, ignored pixels grey."""
    colors = np.concatenate([_tints(classes), np.array([(128, 128, 128)], np.uint8)])
    picture: NDArray[np.uint8] = colors[index_masks(mask[None], classes)[0]]
    return picture


def _tints(classes: tuple[MaskClass, ...]) -> NDArray[np.uint8]:
    """The colours of the classes `(K, 3)`; grey, unseen on a grey image and kept for ignored pixels, is replaced."""
    colors = np.array([entry.color for entry in classes], np.uint8)
    grey = np.flatnonzero((np.ptp(colors.astype(int), axis=1) < _GREY) & (colors.sum(axis=1) > 0))
    for place, k in enumerate(grey):
        colors[k] = _INSTEAD_OF_GREY[place % len(_INSTEAD_OF_GREY)]
    return colors


def draw(axis: Axes, records: Records, index: int, schema: Schema, *, heat: NDArray[Any] | None = None) -> None:
    """One record on an axis: image with mask; with `heat`, the image in grey under the heat map."""
    image = records["image"][index]
    if heat is None:
        axis.imshow(overlay(image, records["mask"][index], classes_of(schema)), interpolation="nearest")
    else:
        axis.imshow(_rgb(image).mean(-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        values = heat.mean(0) if heat.ndim == 3 else heat
        axis.imshow(values, cmap="inferno", alpha=0.6, interpolation="nearest")
    axis.set_axis_off()


def overview(real: Records, synthetic: Records, schema: Schema) -> Figure:
    """A row a class (label, or pixel class without labels): image, mask and overlay, real left, synthetic right."""
    classes = classes_of(schema)
    rows = _rows(real, synthetic, schema, classes)
    figure = Figure(figsize=(1.1 * 6 * 2 + 1, 1.1 * len(rows) + 0.6), layout="constrained")
    axes = figure.subplots(len(rows), 12, squeeze=False)
    for row, (name, *chosen) in enumerate(rows):
        for side, (records, picked) in enumerate(zip((real, synthetic), chosen, strict=True)):
            for place in range(2):
                cells = axes[row, 6 * side + 3 * place : 6 * side + 3 * place + 3]
                _triple(cells, records, picked[place] if place < len(picked) else None, classes)
        axes[row, 0].set_title(name, fontsize=8, loc="left")
    axes[0, 0].set_title(f"real: {rows[0][0]}", fontsize=8, loc="left")
    axes[0, 6].set_title("synthetic", fontsize=8, loc="left")
    return figure


def drawings(schema: Schema, train: Records, holdout: Records, synthetic: Records) -> list[Drawing]:
    """The page's pictures of masks and images that disagree."""

    def disagreeing(palette: Palette) -> Figure:
        scores = agreements(schema, train, holdout, synthetic)
        low = float(np.percentile(scores[0], 5))
        figure = Figure(figsize=(1.15 * _SHOWN, 5.6), layout="constrained")
        axes = figure.subplots(4, _SHOWN, squeeze=False)
        titles = ("least consistent, held-out", "least consistent, synthetic", "median, held-out", "median, synthetic")
        for row, title in enumerate(titles):
            side = row % 2
            records, score = (holdout, synthetic)[side], scores[side]
            start = 0 if row < 2 else max(0, (len(score) - _SHOWN) // 2)
            chosen = np.argsort(score, kind="stable")[start : start + _SHOWN]
            for axis, k in zip(axes[row], [*chosen, *[-1] * (_SHOWN - len(chosen))], strict=True):
                axis.set(xticks=[], yticks=[])
                if k < 0:
                    axis.set_axis_off()
                    continue
                axis.imshow(
                    overlay(records["image"][k], records["mask"][k], classes_of(schema)), interpolation="nearest"
                )
                framed = side == 1 and score[k] < low
                axis.spines[:].set(color="#d03b3b" if framed else palette.line, linewidth=2 if framed else 0.5)
                axis.set_xlabel(f"{score[k]:.0%}", fontsize=8, color=palette.soft, labelpad=2)
            axes[row, 0].set_title(title, fontsize=9, loc="left", color=palette.ink)
        return figure

    caption = " ".join(_DISAGREEING.split())
    return [Drawing("Masks that agree least with their images", caption, disagreeing)]


def _triple(axes: NDArray[Any], records: Records, index: int | None, classes: tuple[MaskClass, ...]) -> None:
    for axis in axes:
        axis.set_axis_off()
    if index is None:
        return
    image, mask = records["image"][index], records["mask"][index]
    for axis, picture in zip(axes, (_rgb(image), colored(mask, classes), overlay(image, mask, classes)), strict=True):
        axis.imshow(picture, interpolation="nearest")


def _rows(
    real: Records, synthetic: Records, schema: Schema, classes: tuple[MaskClass, ...]
) -> list[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    if schema.labels and real.label is not None and synthetic.label is not None:
        return [
            (name, np.flatnonzero(real.label == k)[:2], np.flatnonzero(synthetic.label == k)[:2])
            for k, name in enumerate(schema.labels[:_ROWS])
        ]
    found = [present_classes(records["mask"], classes) for records in (real, synthetic)]
    return [
        (f"with {entry.name}", _spread(found[0][:, k], k), _spread(found[1][:, k], k))
        for k, entry in enumerate(classes[:_ROWS])
    ]


def _spread(member: NDArray[np.bool_], offset: int) -> NDArray[np.int64]:
    """Two members far apart (neighbours may be frames of one film), other ones for each class where possible."""
    where = np.flatnonzero(member)
    return np.roll(where, -7 * offset)[:: max(1, len(where) // 2)][:2] if len(where) else where


def _rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image[..., :3]
