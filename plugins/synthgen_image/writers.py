"""Writes images as Parquet shards or as PNG files in class folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from synthgen import __version__
from synthgen.api import Records, Schema, WrittenFile
from synthgen.io.atomic import written
from synthgen.io.attribute_cells import attribute_texts
from synthgen.io.folder import class_folders, csv_rows, merge_parts, write_part, write_png
from synthgen.io.parquet import Column, image_column
from synthgen.io.shard_writer import RecordWriter, data_files

__all__ = ["FolderWriter", "ParquetWriter"]

_SPLIT = "train"
_TABLE = f"{_SPLIT}/metadata.csv"


class ParquetWriter(RecordWriter):
    """`data/train-00000-of-00008.parquet`, the images as PNG in `image: struct<bytes, path>`."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The encoded images."""
        return {"image": image_column(records["image"], text=_png_text(metadata))}

    def features(self, schema: Schema) -> dict[str, Any]:
        """So that `load_dataset` decodes them."""
        return {"image": {"_type": "Image"}}


class FolderWriter:
    """`train/<class>/<sample_id>.png` for torchvision's ImageFolder; `train/metadata.csv` for the other columns."""

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
        text = _png_text(metadata)
        names: list[str] = []
        files: list[WrittenFile] = []
        for row in range(len(records)):
            name = f"{int(columns['sample_id'][row]):08d}.png"
            if records.label is not None and schema.labels:
                name = f"{folders[schema.labels[int(records.label[row])]]}/{name}"
            path = directory / _SPLIT / name
            write_png(path, records["image"][row], text=text)
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


def _png_text(metadata: Mapping[str, str]) -> dict[str, str]:
    return {"synthetic": f"synthgen {__version__} {metadata.get('model_sha256', '')[:16]}".strip()}
