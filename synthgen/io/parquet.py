"""Parquet shards: written atomically with the metadata that other tools look for, read by column and by row group.

Images are `struct<bytes: binary, path: string>` and the Arrow schema carries a `huggingface` entry, so that
`datasets.load_dataset` decodes them and knows the class names, while pandas, polars and duckdb see plain columns.
"""

from __future__ import annotations

import bisect
import itertools
import json
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from synthgen.api import Records, Schema, WrittenFile
from synthgen.errors import DataError
from synthgen.io.atomic import atomic_file, written
from synthgen.io.attribute_cells import attribute_cells
from synthgen.io.folder import encode_png

__all__ = [
    "ParquetRows",
    "data_features",
    "features_of",
    "image_column",
    "label_columns",
    "label_features",
    "open_parquet",
    "parquet_files",
    "read_columns",
    "shard_columns",
    "shard_path",
    "write_shard",
]

_ROW_GROUP_BYTES = 16 * 2**20
_CACHE_BYTES = 512 * 2**20

Column: TypeAlias = "pa.Array | NDArray[Any]"


def shard_path(shard: int, shards: int) -> str:
    """Path of a shard inside its data set, such as `data/train-00000-of-00008.parquet`."""
    return f"data/train-{shard:05d}-of-{shards:05d}.parquet"


def label_columns(records: Records, schema: Schema) -> dict[str, pa.Array]:
    """`label` (int64) and `label_name` (string), called as the schema calls its label; empty when unlabelled."""
    if records.label is None or not schema.labels:
        return {}
    names = np.array(schema.labels, dtype=object)[records.label]
    return {
        schema.label_column: pa.array(records.label, pa.int64()),
        f"{schema.label_column}_name": pa.array(names, pa.string()),
    }


def label_features(schema: Schema) -> dict[str, Any]:
    """The Hugging Face features of `label_columns`."""
    if not schema.labels:
        return {}
    return {
        schema.label_column: {"names": list(schema.labels), "_type": "ClassLabel"},
        f"{schema.label_column}_name": {"dtype": "string", "_type": "Value"},
    }


def shard_columns(
    records: Records, schema: Schema, *, record: Mapping[str, Column], extra: Mapping[str, NDArray[Any]]
) -> dict[str, Column]:
    """All columns of a shard in order: sample_id, label, label_name, attributes, the record's, then seed and others.

    Args:
        records: for labels and attributes.
        schema: of the run.
        record: the record's own columns.
        extra: `sample_id`, `seed`, `guidance` and, from `augment`, `origin`; those that are absent are left out.
    """
    first = {"sample_id": extra["sample_id"]} if "sample_id" in extra else {}
    rest = {name: column for name, column in extra.items() if name != "sample_id"}
    columns: dict[str, Column] = {**first, **label_columns(records, schema)}
    for name, column in (*attribute_cells(records, schema).items(), *record.items(), *rest.items()):
        if name in columns:
            hint = "Rename the channel, the attribute or the label."
            raise DataError(f"two columns of the data set are called {name!r}", hint=hint)
        columns[name] = column
    return columns


def image_column(images: NDArray[Any] | Sequence[bytes], *, text: Mapping[str, str] | None = None) -> pa.StructArray:
    """Images as `struct<bytes, path>`.

    Args:
        images: uint8 or uint16 `(N, H, W)` or `(N, H, W, C)`, encoded as PNG; or the bytes of encoded images.
        text: PNG text chunks for images that are encoded here.
    """
    encoded = [image if isinstance(image, bytes) else encode_png(image, text=text) for image in images]
    return pa.StructArray.from_arrays(
        [pa.array(encoded, pa.binary()), pa.nulls(len(encoded), pa.string())], names=["bytes", "path"]
    )


def write_shard(
    directory: Path,
    shard: int,
    shards: int,
    columns: Mapping[str, Column],
    *,
    features: Mapping[str, Any],
    metadata: Mapping[str, str],
) -> WrittenFile:
    """Write one shard, zstd, atomically; the same input gives the same bytes.

    Args:
        directory: the data set.
        shard, shards: which of how many.
        columns: name -> Arrow or numpy array, in the order wanted.
        features: Hugging Face features of columns whose Arrow type alone does not say it (`Image`, `ClassLabel`).
        metadata: strings for the file's footer.
    """
    arrays = {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in columns.items()}
    table = pa.table(arrays)
    known = data_features(table.schema, features)
    footer = {**metadata, "huggingface": json.dumps({"info": {"features": known}})}
    table = table.replace_schema_metadata(footer)
    rows = len(table)
    group = max(1, min(rows, _ROW_GROUP_BYTES * rows // max(1, table.nbytes)))
    path = directory / shard_path(shard, shards)
    with atomic_file(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", row_group_size=group)
    return written(directory, path, rows)


def data_features(schema: pa.Schema, known: Mapping[str, Any]) -> dict[str, Any]:
    """Hugging Face features of every column: those that are known, and what the Arrow types say of the others."""
    return {field.name: known.get(field.name, _feature(field.type)) for field in schema}


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    name = {"float": "float32", "double": "float64", "halffloat": "float16"}.get(str(kind), str(kind))
    return {"dtype": name, "_type": "Value"}


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files of a file or a data set directory (`*.parquet`, else `data/*.parquet`), sorted; none: []."""
    if path.is_file():
        return [path]
    for pattern in ("*.parquet", "data/*.parquet", "*/*.parquet"):
        found = sorted(file for file in path.glob(pattern) if not file.name.startswith("."))
        if found:
            return found
    return []


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a file and read its footer.

    Raises:
        DataError: missing, unreadable, truncated, or no Parquet file.
    """
    try:
        return pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise DataError(f"no file at {path}") from error
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path} is not a readable Parquet file: {reason}",
            hint="It may be truncated: copy or download it again.",
        ) from error


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """The Hugging Face features in an Arrow schema's metadata; empty when there are none."""
    raw = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(raw)["info"]["features"] if raw else {}
    except (ValueError, RecursionError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def read_columns(paths: Path | Sequence[Path], columns: Sequence[str] | None = None) -> pa.Table:
    """Columns (None: all) of one or several files with the same schema, one after the other.

    Raises:
        DataError: unreadable, or a column is missing, naming those that there are.
    """
    rows = ParquetRows([paths] if isinstance(paths, Path) else list(paths))
    return rows.column_table(rows.schema.names if columns is None else columns)


class ParquetRows:
    """Rows of one or several Parquet files by position, decoding only the row groups that are touched.

    Row groups that were read are kept, the least recently used leave first once they exceed 512 MB or what is allowed,
    so random batches from a set that fits cost one pass over the files.

    Args:
        paths: of files with the same columns.
        memory_gib: allowed for row groups; the one in use is kept in any case.

    Raises:
        DataError: a file is unreadable or its columns differ from the first file's.
    """

    def __init__(self, paths: Iterable[Path], *, memory_gib: float = math.inf) -> None:
        self.paths = list(paths)
        self._files = [open_parquet(path) for path in self.paths]
        if not self._files:
            raise DataError("no Parquet files")
        self.schema: pa.Schema = self._files[0].schema_arrow
        for path, file in zip(self.paths, self._files, strict=True):
            if file.schema_arrow.names != self.schema.names:
                raise DataError(
                    f"{path} has columns {', '.join(file.schema_arrow.names)}, "
                    f"but {self.paths[0].name} has {', '.join(self.schema.names)}"
                )
        counts = [file.metadata.num_rows for file in self._files]
        self._first_rows = [0, *itertools.accumulate(counts)]
        self._groups = [
            (number, group, file.metadata.row_group(group).num_rows)
            for number, file in enumerate(self._files)
            for group in range(file.metadata.num_row_groups)
        ]
        for number, _, rows in self._groups:
            if rows < 0 or counts[number] < 0:
                raise DataError(f"{self.paths[number]} is damaged: it says that it has fewer than no rows")
        self._starts = np.concatenate([[0], np.cumsum([rows for _, _, rows in self._groups])]).astype(np.int64)
        self._cache: OrderedDict[tuple[int, tuple[str, ...]], pa.Table] = OrderedDict()
        self._cache_bytes = min(_CACHE_BYTES, memory_gib * 2**30)
        self._lock = threading.Lock()  # training reads ahead in a thread of its own

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def file_of_row(self) -> NDArray[np.int64]:
        """(N,) index into `paths` of the file that holds each row."""
        return np.repeat(np.arange(len(self.paths), dtype=np.int64), np.diff(self._first_rows))

    @property
    def blocks(self) -> NDArray[np.int64]:
        """(K,) the first row of each row group."""
        return self._starts[:-1]

    def position(self, row: int) -> tuple[Path, int]:
        """The file that holds a row, and the row's number in it, from 0."""
        number = bisect.bisect_right(self._first_rows, row) - 1
        return self.paths[number], row - self._first_rows[number]

    def column_table(self, columns: Sequence[str]) -> pa.Table:
        """These columns of every row.

        Raises:
            DataError: a column does not exist, or the data pages are damaged.
        """
        self._check(columns)
        tables = [self._guard(number, lambda f: f.read(columns=list(columns))) for number in range(len(self._files))]
        return _concatenate(tables, self.paths)

    def iterate(self, columns: Sequence[str], *, rows: int = 1024) -> Iterable[tuple[int, pa.RecordBatch]]:
        """(first row, batch) over all rows in order, in pieces of at most `rows`."""
        self._check(columns)
        start = 0
        for number, group, _ in self._groups:  # a reader of several row groups keeps the bytes of each it has passed
            batches = self._files[number].iter_batches(batch_size=rows, columns=list(columns), row_groups=[group])
            while True:
                batch = self._guard(number, lambda _, batches=batches: next(batches, None))
                if batch is None:
                    break
                yield start, batch
                start += len(batch)

    def read(self, indices: NDArray[np.int64], columns: Sequence[str]) -> pa.Table:
        """These columns of the rows at these positions, in that order."""
        self._check(columns)
        wanted = np.asarray(indices, dtype=np.int64)
        owners = np.searchsorted(self._starts, wanted, side="right") - 1
        parts: list[pa.Table] = []
        order: list[NDArray[np.int64]] = []
        for group in np.unique(owners):
            where = np.flatnonzero(owners == group)
            with self._lock:
                table = self._group(int(group), tuple(columns))
            parts.append(table.take(wanted[where] - self._starts[group]))
            order.append(where)
        if not parts:
            return self.schema.empty_table().select(list(columns))
        back = np.empty(len(wanted), dtype=np.int64)
        back[np.concatenate(order)] = np.arange(len(wanted))
        return _concatenate(parts, self.paths).take(back)

    def _group(self, index: int, columns: tuple[str, ...]) -> pa.Table:
        key = (index, columns)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        number, group, _ = self._groups[index]
        table = self._guard(number, lambda f: f.read_row_group(group, columns=list(columns)))
        self._cache[key] = table
        while len(self._cache) > 1 and sum(kept.nbytes for kept in self._cache.values()) > self._cache_bytes:
            self._cache.popitem(last=False)
        return table

    def _guard(self, number: int, read: Any) -> Any:
        try:
            return read(self._files[number])
        except (OSError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{self.paths[number]} is damaged: {reason}", hint="Copy or download the file again."
            ) from error

    def _check(self, columns: Sequence[str]) -> None:
        for column in columns:
            if column not in self.schema.names:
                raise DataError(
                    f"{self.paths[0]} has no column {column!r}; its columns are {', '.join(self.schema.names)}"
                )


def _concatenate(tables: list[pa.Table], paths: Sequence[Path]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise DataError(f"the columns of {paths[0]} and the files beside it differ in type: {error}") from error
