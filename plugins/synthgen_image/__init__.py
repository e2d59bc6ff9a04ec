"""synthgen plugin: images. Hooks only; what they name is imported on first use."""

from __future__ import annotations

from collections.abc import Iterable

from synthgen.api import Spec, hookimpl

__all__ = ["synthgen_datasets", "synthgen_modalities", "synthgen_readers", "synthgen_writers"]


@hookimpl
def synthgen_modalities() -> Iterable[Spec]:
    """Images of any size, grey, RGB, RGBA or many bands, 8 or 16 bits a channel."""
    return [
        Spec(
            "image",
            "images: grey, RGB, RGBA or many bands, 8 or 16 bits, any size",
            "synthgen_image.modality:ImageModality",
        )
    ]


@hookimpl
def synthgen_datasets() -> Iterable[Spec]:
    """The embedded demo set."""
    return [
        Spec("digits", "1,797 handwritten digits of 8 x 8 pixels (scikit-learn)", "synthgen_image.demo:digits", "image")
    ]


@hookimpl
def synthgen_readers() -> Iterable[Spec]:
    """Formats that are read."""
    return [
        Spec(
            "image-parquet",
            "Parquet with an image column: struct<bytes, path> or encoded bytes",
            "synthgen_image.parquet_reader:ParquetReader",
            "image",
        ),
        Spec("image-npz", "NumPy .npz with X and y", "synthgen_image.npz_reader:NpzReader", "image"),
        Spec(
            "image-folder",
            "class folders (torchvision ImageFolder), metadata.csv, or plain folders of images and .npy",
            "synthgen_image.folder_reader:FolderReader",
            "image",
        ),
    ]


@hookimpl
def synthgen_writers() -> Iterable[Spec]:
    """Formats that are written."""
    return [
        Spec(
            "parquet",
            "Parquet shards, images as PNG or .npy bytes",
            "synthgen_image.writers:ParquetWriter",
            "image",
        ),
        Spec(
            "folder",
            "PNG or .npy files in class folders, metadata.csv",
            "synthgen_image.writers:FolderWriter",
            "image",
        ),
    ]
