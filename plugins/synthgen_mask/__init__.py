"""synthgen plugin: images with segmentation masks. Hooks only; what they name is imported on first use."""

from __future__ import annotations

from collections.abc import Iterable

from synthgen.api import Spec, hookimpl

__all__ = ["synthgen_datasets", "synthgen_metrics", "synthgen_modalities", "synthgen_readers", "synthgen_writers"]

_FOLDER = "images/ and masks/ of the same names (index PNG, 255 = ignored), classes.csv"
_LAYOUTS = "x.jpg beside x_mask.png, lists of pairs, VOC trees, one file a thing"
_COCO = "COCO annotations: polygons and both kinds of run lengths"
_PARQUET = "Parquet with the columns image and mask"
_DEMO = "real handwritten digits on crops of real photographs, 16 x 16 pixels, 11 pixel classes (scikit-learn)"


@hookimpl
def synthgen_modalities() -> Iterable[Spec]:
    """Images with a class for every pixel."""
    return [Spec("mask", "images with segmentation masks, generated together", "synthgen_mask.modality:MaskModality")]


@hookimpl
def synthgen_datasets() -> Iterable[Spec]:
    """The embedded demo set."""
    return [Spec("digits-on-photos", _DEMO, "synthgen_mask.demo:digits_on_photos", "mask")]


@hookimpl
def synthgen_readers() -> Iterable[Spec]:
    """Formats that are read."""
    return [
        Spec("mask-coco", _COCO, "synthgen_mask.readers:CocoReader", "mask"),
        Spec("mask-folder", f"{_FOLDER}; {_LAYOUTS}", "synthgen_mask.readers:MaskFolderReader", "mask"),
        Spec("mask-parquet", _PARQUET, "synthgen_mask.readers:MaskParquetReader", "mask"),
    ]


@hookimpl
def synthgen_metrics() -> Iterable[Spec]:
    """How classes are spread, and whether masks belong to their images."""
    metrics = "synthgen_mask.metrics"
    return [
        Spec("mask_consistency", "how far masks agree with their images", f"{metrics}:consistency", "mask"),
        Spec("mask_class_shares", "distance of the classes' shares of pixels", f"{metrics}:CLASS_SHARES", "mask"),
        Spec("mask_components", "distance of the numbers of connected parts", f"{metrics}:COMPONENTS", "mask"),
        Spec("mask_component_sizes", "distance of the sizes of connected parts", f"{metrics}:COMPONENT_SIZES", "mask"),
        Spec("mask_boundary", "distance of the lengths of boundaries", f"{metrics}:BOUNDARY", "mask"),
    ]


@hookimpl
def synthgen_writers() -> Iterable[Spec]:
    """Formats that are written."""
    return [
        Spec("folder", f"{_FOLDER}, COCO annotations", "synthgen_mask.writers:MaskFolderWriter", "mask"),
        Spec("parquet", _PARQUET, "synthgen_mask.writers:MaskParquetWriter", "mask"),
        Spec("voc", "a PASCAL VOC tree: JPEG images, palette masks", "synthgen_mask.writers:MaskVocWriter", "mask"),
    ]
