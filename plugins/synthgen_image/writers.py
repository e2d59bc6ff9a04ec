"""Writes images as Parquet shards or as files in class folders: PNG, or `.npy` for 16-bit colour and many bands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from synthgen import __version__
from synthgen.api import Records, Schema, WrittenFile
from synthgen.io.atomic import write_bytes, written
from synthgen.io.attribute_cells import attribute_texts
from synthgen.io.folder import class_folders, csv_rows, merge_parts, write_part, write_png
from synthgen.io.parquet import Column, image_column
from synthgen.io.shard_writer import RecordWriter, data_files
from synthgen_image.deep import encode_npy
from synthgen_image.schema import NARROW, bits_of

__all__ = ["FolderWriter", "ParquetWriter"]

_SPLIT = "train"
_COLOURS = (3, 4)
_BYTES = {"bytes": {"dtype": "binary", "_type": "Value"}, "path": {"dtype": "string", "_type": "Value"}}
_TABLE = f"{_SPLIT}/metadata.csv"


class ParquetWriter(RecordWriter):
    """`data/train-00000-of-00008.parquet`, the images as PNG, or `.npy`, in `image: struct<bytes, path>`."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The encoded images; those that PNG cannot hold are the bytes of `.npy` files."""
        images = records["image"]
        encoded = images if _fits_png(schema) else [encode_npy(image) for image in images]
        return {"image": image_column(encoded, text=_png_text(metadata))}

    def features(self, schema: Schema) -> dict[str, Any]:
        """So that `load_dataset` decodes them; arrays it gives as bytes."""
        return {"image": {"_type": "Image"} if _fits_png(schema) else _BYTES}


class FolderWriter:
    """`train/<class>/<sample_id>.png` (ImageFolder of torchvision) or `.npy`; `train/metadata.csv` for the rest."""

    def write(
        self,
        directory: Path,
        shard: int,
        shards: int,
        records: Records,
        columns: Mapping[str, NDArray[Any]],
        schema: Schema,
        metadata: Mapping[str, str],
    ) -> list[WrittenFile]:
        """Write the images of one shard and its part of the table."""
        folders = class_folders(schema.labels)
        text, png = _png_text(metadata), _fits_png(schema)
        names: list[str] = []
        files: list[WrittenFile] = []
        for row in range(len(records)):
            name = f"{int(columns['sample_id'][row]):08d}.{'png' if png else 'npy'}"
            if records.label is not None and schema.labels:
                name = f"{folders[schema.labels[int(records.label[row])]]}/{name}"
            path = directory / _SPLIT / name
            if png:
                write_png(path, records["image"][row], text=text)
            else:
                write_bytes(path, encode_npy(records["image"][row]))
            files.append(written(directory, path, 1))
            names.append(name)
        table = {"file_name": names, **_table_columns(records, columns, schema)}
        files.append(write_part(directory, shard, shards, csv_rows(table), table=_TABLE, records=0))
        return files

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Join the parts of `metadata.csv`."""
        return [merge_parts(directory, shards, table=_TABLE, header_lines=1)]

    def card(self, schema: Schema) -> dict[str, Any]:
        """Where the images lie."""
        return data_files("train/**")


def _table_columns(
    records: Records, columns: Mapping[str, NDArray[Any]], schema: Schema
) -> dict[str, NDArray[Any] | list[str]]:
    table: dict[str, NDArray[Any] | list[str]] = {"sample_id": columns["sample_id"]}
    if records.label is not None and schema.labels:
        table[schema.label_column] = records.label
        table[f"{schema.label_column}_name"] = [schema.labels[int(number)] for number in records.label]
    table |= attribute_texts(records, schema)
    return table | {name: column for name, column in columns.items() if name != "sample_id"}


def _fits_png(schema: Schema) -> bool:
    """Grey of 8 or 16 bits, RGB and RGBA of 8; Pillow writes no others."""
    return schema.shape[0] == 1 or (bits_of(schema) == NARROW and schema.shape[0] in _COLOURS)


def _png_text(metadata: Mapping[str, str]) -> dict[str, str]:
    return {"synthetic": f"synthgen {__version__} {metadata.get('model_sha256', '')[:16]}".strip()}
