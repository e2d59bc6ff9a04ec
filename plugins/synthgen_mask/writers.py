"""Writers of images with masks: a folder of PNG files for segmentation tools, and Parquet shards."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from synthgen.api import Records, Schema, WrittenFile
from synthgen.errors import DataError
from synthgen.io.atomic import write_bytes, write_text, written
from synthgen.io.folder import merge_parts, write_part, write_png
from synthgen.io.parquet import Column, image_column
from synthgen.io.shard_writer import RecordWriter, data_files
from synthgen_mask.areas import shares
from synthgen_mask.classes import IGNORE, MaskClass, class_table_text, classes_of
from synthgen_mask.coco import annotations_of, ignored_of, write_annotations

__all__ = ["MaskFolderWriter", "MaskParquetWriter", "MaskVocWriter"]

_IGNORED_COLOR = (224, 224, 192)
_METADATA = "metadata.jsonl"
_VOC_LIST = "ImageSets/Segmentation/train.txt"
_COCO = "annotations_coco.json"
_COCO_LINES = ".parts/coco.jsonl"


class MaskFolderWriter:
    """`images/*.png`, `masks/*.png` (palette PNG, indices are class ids), `classes.csv`, `metadata.jsonl`, COCO."""

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
        """Write the files of one shard and its lines of the tables."""
        classes = classes_of(schema)
        colors = _palette(classes) if classes[-1].id < 256 else None
        names = [f"{int(sample):08d}.png" for sample in columns["sample_id"]]
        areas = np.nan_to_num(shares(records["mask"], classes))
        files: list[WrittenFile] = []
        rows: list[str] = []
        coco: list[str] = []
        for i, name in enumerate(names):
            image, mask = records["image"][i], records["mask"][i]
            for folder, pixels, shown, counted in (("images", image, None, 1), ("masks", mask, colors, 0)):
                path = directory / folder / name
                write_png(path, pixels, palette=shown, text=metadata)
                files.append(written(directory, path, counted))
            if "margin" in records.columns:
                path = directory / "margins" / name
                write_png(path, records["margin"][i], text=metadata)
                files.append(written(directory, path, 0))
            row = _row(f"images/{name}", f"masks/{name}", records, i, columns, schema, areas[i])
            rows.append(json.dumps(row, ensure_ascii=False))
            size = {"height": int(mask.shape[0]), "width": int(mask.shape[1])}
            header = {"id": int(columns["sample_id"][i]), "file_name": f"images/{name}", **size}
            header |= ignored_of(mask, classes)
            coco.append(json.dumps({"image": header, "annotations": annotations_of(mask, classes)}))
        for table, lines in ((_METADATA, rows), (_COCO_LINES, coco)):
            text = "".join(f"{line}\n" for line in lines)
            files.append(write_part(directory, shard, shards, text, table=table, records=0))
        return files

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Write `metadata.jsonl`, `classes.csv` and the COCO file from the shards' lines."""
        table = merge_parts(directory, shards, table=_METADATA)
        merge_parts(directory, shards, table=_COCO_LINES)
        coco = directory / _COCO
        write_annotations(coco, directory / _COCO_LINES, classes_of(schema))
        return [table, written(directory, coco, 0), _write_classes(directory, schema)]

    def card(self, schema: Schema) -> dict[str, Any]:
        """`load_dataset` finds the images and masks through `metadata.jsonl`."""
        return data_files(_METADATA, "images/*.png", "masks/*.png")


class MaskVocWriter:
    """`JPEGImages/*.jpg`, `SegmentationClass/*.png`, `ImageSets/Segmentation/train.txt`, and our tables.

    Tools for PASCAL VOC look for JPEG: the images are compressed at quality 95, the masks are exact.
    """

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
        """Write the files of one shard and its lines of the lists.

        Raises:
            DataError: an alpha channel, which JPEG has not, or ids above 254.
        """
        classes = classes_of(schema)
        if records["image"].shape[-1] == 4 or classes[-1].id > IGNORE:
            raise DataError(
                "a VOC tree holds JPEG images and 8-bit masks: no alpha channel, no class ids above 254",
                hint="Choose --format folder.",
            )
        colors = _palette(classes)
        files: list[WrittenFile] = []
        rows: list[str] = []
        stems = [f"{int(sample):08d}" for sample in columns["sample_id"]]
        areas = np.nan_to_num(shares(records["mask"], classes))
        for i, stem in enumerate(stems):
            image, mask = (directory / name for name in (f"JPEGImages/{stem}.jpg", f"SegmentationClass/{stem}.png"))
            buffer = io.BytesIO()
            Image.fromarray(np.squeeze(records["image"][i], -1) if records["image"].shape[-1] == 1 else
                            records["image"][i]).save(buffer, "JPEG", quality=95, subsampling=0)  # fmt: skip
            write_bytes(image, buffer.getvalue())
            write_png(mask, records["mask"][i], palette=colors, text=metadata)
            files += [written(directory, image, 1), written(directory, mask, 0)]
            rows.append(json.dumps(_row(f"JPEGImages/{stem}.jpg", f"SegmentationClass/{stem}.png", records, i, columns,
                                        schema, areas[i]), ensure_ascii=False))  # fmt: skip
        for table, lines in ((_METADATA, rows), (_VOC_LIST, stems)):
            text = "".join(f"{line}\n" for line in lines)
            files.append(write_part(directory, shard, shards, text, table=table, records=0))
        return files

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Write the lists and `classes.csv`."""
        tables = [merge_parts(directory, shards, table=table) for table in (_METADATA, _VOC_LIST)]
        return [*tables, _write_classes(directory, schema)]

    def card(self, schema: Schema) -> dict[str, Any]:
        """`load_dataset` finds the images and masks through `metadata.jsonl`."""
        return data_files(_METADATA, "JPEGImages/*.jpg", "SegmentationClass/*.png")


class MaskParquetWriter(RecordWriter):
    """Parquet shards with the columns `image` and `mask`, both `struct<bytes, path>`, and `class_shares`, a list."""

    def columns(self, records: Records, schema: Schema, metadata: Mapping[str, str]) -> Mapping[str, Column]:
        """The encoded images and masks."""
        areas = np.nan_to_num(shares(records["mask"], classes_of(schema))).astype(np.float32)
        images: dict[str, Column] = {
            name: image_column(records[name]) for name in ("image", "mask", "margin") if name in records.columns
        }
        return {**images, "class_shares": pa.array(list(areas), pa.list_(pa.float32()))}

    def features(self, schema: Schema) -> dict[str, Any]:
        """So that `load_dataset` decodes both."""
        return {"image": {"_type": "Image"}, "mask": {"_type": "Image"}}

    def footer(self, schema: Schema) -> dict[str, str]:
        """The classes, so that a shard alone can be read."""
        return {"mask_classes": json.dumps([asdict(entry) for entry in classes_of(schema)])}

    def finish(self, directory: Path, schema: Schema, shards: int) -> list[WrittenFile]:
        """Write `classes.csv`."""
        return [_write_classes(directory, schema)]


def _row(
    image: str,
    mask: str,
    records: Records,
    i: int,
    columns: Mapping[str, NDArray[Any]],
    schema: Schema,
    areas: NDArray[np.float64],
) -> dict[str, Any]:
    """A line of `metadata.jsonl`: files, label, share of each class, and where the record comes from."""
    row: dict[str, Any] = {"file_name": image, "mask_file_name": mask}
    if records.label is not None and schema.labels:
        label = int(records.label[i])
        row |= {schema.label_column: label, f"{schema.label_column}_name": schema.labels[label]}
    named = zip(classes_of(schema), areas, strict=True)
    row["class_shares"] = {entry.name: float(f"{share:.6g}") for entry, share in named}
    return row | {column: _plain(values[i]) for column, values in columns.items()}


def _write_classes(directory: Path, schema: Schema) -> WrittenFile:
    path = directory / "classes.csv"
    write_text(path, class_table_text(classes_of(schema)))
    return written(directory, path, 0)


def _palette(classes: tuple[MaskClass, ...]) -> list[tuple[int, int, int]]:
    """256 colours, by id."""
    colors = [(0, 0, 0)] * 256
    colors[IGNORE] = _IGNORED_COLOR
    for entry in classes:
        colors[entry.id] = entry.color
    return colors


def _plain(value: Any) -> Any:
    """A numpy value as JSON has it; NaN as null."""
    plain = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(plain, float) and math.isnan(plain) else plain
