"""Records that arrive over time: lines of a growing file or of a pipe, or files that appear in a folder.

A **line** is one record: numbers separated by commas, a JSON list (nested `[channels, steps]` for series), or a JSON
object of columns; a first line of text names the columns. A **file** is anything that a reader of the modality opens,
or an image. What cannot be understood comes back as an error beside the good ones; nothing is dropped in silence.

The place in a file is its byte offset; in a folder it is the change time and the name of the last file that was taken,
so memory does not grow with what has been seen.
"""

from __future__ import annotations

import json
import math
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from synthgen.data.opening import alike, open_source
from synthgen.errors import DataError, SynthgenError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Schema
    from synthgen.config import DataConfig

__all__ = ["Arrivals", "Incoming", "incoming"]

_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_LONGEST_LINE = 2**24
_CHUNK = 2**16


@dataclass
class Arrivals:
    """What came in one micro-batch."""

    records: Records | None
    names: list[str]
    """Where each record came from, such as `line 7` or `scan.png`."""
    errors: list[tuple[str, str]] = field(default_factory=list)
    """(where, what is wrong)"""
    place: dict[str, Any] = field(default_factory=dict)
    """Where to go on after this batch."""


class Incoming(Protocol):
    """A stream of records that remembers its place."""

    finished: bool
    """Nothing more will come: the pipe was closed."""

    def take(self, most: int) -> Arrivals:
        """What has come since the last call, at most so many records; empty when there is nothing."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


def incoming(path: str, schema: Schema, options: DataConfig, place: dict[str, Any], *, settle: float) -> Incoming:
    """The stream at a path.

    Args:
        path: `-` for standard input, a folder that files appear in, or a file that lines are appended to.
        schema: of the run.
        options: how its data was read.
        place: where an earlier run stopped; empty at first.
        settle: seconds that a file must lie unchanged before it is taken.

    Raises:
        DataError: there is nothing at the path.
    """
    if path == "-":
        return _Lines(sys.stdin.fileno(), schema, {}, pipe=True)
    where = Path(path).expanduser()
    if where.is_dir():
        return _Files(where, schema, options, place, settle=settle)
    if not where.exists():
        raise DataError(f"nothing to follow at {where}", hint="Name a folder, a file that grows, or - for a pipe.")
    return _Lines(os.open(where, os.O_RDONLY), schema, place, pipe=False)


class _Lines:
    def __init__(self, descriptor: int, schema: Schema, place: dict[str, Any], *, pipe: bool) -> None:
        self._descriptor, self._schema, self._pipe = descriptor, schema, pipe
        self._line, self._header = int(place.get("line", 0)), list(place.get("header", []))
        self._offset = int(place.get("offset", 0))
        self._buffer = b""
        self.finished = False
        if self._offset:
            os.lseek(descriptor, self._offset, os.SEEK_SET)

    def take(self, most: int) -> Arrivals:
        """Whole lines only; a line without its end is left for the next time."""
        found = Arrivals(None, [])
        arrays: list[NDArray[np.float64]] = []
        for text in self._read(most):
            self._line += 1
            if not text.strip():
                continue
            try:
                parsed = self._parse(text)
            except (ValueError, DataError) as error:
                found.errors.append((f"line {self._line}", str(error)))
                continue
            if parsed is not None:
                arrays.append(parsed)
                found.names.append(f"line {self._line}")
        found.place = {"offset": self._offset, "line": self._line, "header": self._header}
        if arrays:
            found.records = _records(np.stack(arrays), self._schema)
        return found

    def close(self) -> None:
        """Close the file; a pipe is not ours."""
        if not self._pipe:
            os.close(self._descriptor)

    def _read(self, most: int) -> Iterator[str]:
        """Lines that are there now, without waiting for more."""
        for _ in range(most):
            while b"\n" not in self._buffer:
                if len(self._buffer) > _LONGEST_LINE:
                    raise DataError(f"line {self._line + 1} is longer than {_LONGEST_LINE:,} bytes")
                ready = not self._pipe or select.select([self._descriptor], [], [], 0)[0]
                piece = os.read(self._descriptor, _CHUNK) if ready and not self.finished else b""
                self.finished = self.finished or (self._pipe and bool(ready) and not piece)
                if not piece:
                    break
                self._buffer += piece
            line, newline, rest = self._buffer.partition(b"\n")
            if not newline and not (self.finished and line):
                return
            self._buffer = rest
            self._offset += len(line) + len(newline)
            yield line.decode("utf-8", errors="replace")

    def _parse(self, text: str) -> NDArray[np.float64] | None:
        """An array of the schema's shape; None for the line that names the columns."""
        stripped = text.strip()
        if stripped[0] in "[{":
            return self._shaped(json.loads(stripped))
        cells = [cell.strip() for cell in stripped.split(",")]
        try:
            numbers = [float(cell) if cell else math.nan for cell in cells]
        except (ValueError, RecursionError):
            if self._line == 1:
                self._header = cells
                return None
            raise DataError("not numbers separated by commas") from None
        return self._shaped(dict(zip(self._header, numbers, strict=False)) if self._header else numbers)

    def _shaped(self, value: Any) -> NDArray[np.float64]:
        shape, names = self._schema.shape, [channel.name for channel in self._schema.channels]
        if isinstance(value, dict):
            missing = [name for name in names if name not in value]
            if missing:
                raise DataError(f"no value for {', '.join(missing[:5])}")
            value = [value[name] for name in names]
        array = np.array(value, dtype=np.float64)
        if array.size and array.ndim == 2 and array.shape[0] == shape[0] and array.shape[1] < shape[1]:
            array = np.pad(array, ((0, 0), (0, shape[1] - array.shape[1])), constant_values=math.nan)
        if array.size != math.prod(shape):
            raise DataError(f"{array.size} values, a record has {math.prod(shape)}")
        return array.reshape(shape)


class _Files:
    finished = False

    def __init__(
        self, folder: Path, schema: Schema, options: DataConfig, place: dict[str, Any], *, settle: float
    ) -> None:
        self._folder, self._schema, self._options, self._settle = folder, schema, options, settle
        self._last = (int(place.get("changed", 0)), str(place.get("name", "")))

    def take(self, most: int) -> Arrivals:
        """Images together, other files each by itself, in the order in which they came."""
        found = Arrivals(None, [], place=self._place())
        waiting = self._waiting(most)
        if not waiting:
            return found
        images = [item for item in waiting if item[1].suffix.lower() in _IMAGES]
        first_is_image = waiting[0][1].suffix.lower() in _IMAGES
        chosen = waiting[: _leading(waiting, images)] if first_is_image else waiting[:1]
        paths = [path for _, path in chosen]
        try:
            found.records, found.names = self._open_images(paths) if first_is_image else self._open(paths[0])
        except SynthgenError as error:
            if len(paths) == 1:
                found.errors.append((paths[0].name, error.message))
            else:  # one of several images is broken: take the first alone, the others next time
                chosen = chosen[:1]
                try:
                    found.records, found.names = self._open_images(paths[:1])
                except SynthgenError as own:
                    found.errors.append((paths[0].name, own.message))
        self._last = (chosen[-1][0], chosen[-1][1].name)
        found.place = self._place()
        return found

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _place(self) -> dict[str, Any]:
        return {"changed": self._last[0], "name": self._last[1]}

    def _waiting(self, most: int) -> list[tuple[int, Path]]:
        """Files that came after the place and have settled, the earliest first."""
        now, waiting = time.time(), []
        for path in self._folder.iterdir():
            if path.name.startswith(".") or path.suffix == ".part" or not path.is_file():
                continue
            state = path.stat()
            if now - max(state.st_mtime, state.st_ctime) < self._settle:
                continue
            if (state.st_ctime_ns, path.name) > self._last:
                waiting.append((state.st_ctime_ns, path))
        return sorted(waiting, key=lambda item: (item[0], item[1].name))[:most]

    def _open(self, path: Path) -> tuple[Records, list[str]]:
        source = open_source(self._schema.modality, self._options.model_copy(update={"path": str(path)}))
        source = alike(source, self._schema)
        _check(source.schema.shape, self._schema.shape)
        size = len(source)
        names = [path.name] if size == 1 else [f"{path.name}, record {row}" for row in range(size)]
        return source.read(np.arange(size)), names

    def _open_images(self, paths: list[Path]) -> tuple[Records, list[str]]:
        with tempfile.TemporaryDirectory(prefix="synthgen-follow-") as folder:
            for number, path in enumerate(paths):
                shutil.copyfile(path, Path(folder) / f"{number:06d}{path.suffix}")
            options = self._options.model_copy(
                update={"path": folder, "label_column": None, "image_size": self._schema.shape[1]}
            )
            source = open_source(self._schema.modality, options)
            _check(source.schema.shape, self._schema.shape)
            if len(source) != len(paths):
                raise DataError(f"{len(paths) - len(source)} of {len(paths)} images could not be read")
            return source.read(np.arange(len(source))), [path.name for path in paths]


def _leading(waiting: list[tuple[int, Path]], images: list[tuple[int, Path]]) -> int:
    """How many of the waiting files are images before the first that is none."""
    count = 0
    while count < len(images) and waiting[count] == images[count]:
        count += 1
    return count


def _check(found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    if found != wanted:
        raise DataError(f"records of shape {found} do not fit a run of shape {wanted}")


def _records(arrays: NDArray[np.float64], schema: Schema) -> Records:
    """Arrays `(N, *shape)` as records, by the modality's own reader of NumPy archives."""
    from synthgen.config import DataConfig

    vectors = schema.shape[0] == 1 and len(schema.channels) == schema.shape[-1] > 1
    values = arrays[:, 0] if vectors else arrays
    with tempfile.TemporaryDirectory(prefix="synthgen-follow-") as folder:
        path = Path(folder) / "records.npz"
        np.savez(path, X=values)
        source = open_source(schema.modality, DataConfig(path=str(path)))
        return source.read(np.arange(len(source)))
