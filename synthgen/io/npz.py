"""NumPy archives from anywhere: arrays loaded when asked for, never pickles, never absurdly large."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

__all__ = ["Archive"]

_LARGEST = 16 * 2**30
_DAMAGE = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(NotImplementedError, RuntimeError),  # an unknown or encrypted member
    *(SyntaxError, tokenize.TokenError, MemoryError),  # a header that NumPy takes for Python
)
"""What the standard library and NumPy raise for a damaged archive; a ValueError may also mean that it holds objects."""


class Archive:
    """An `.npz` file.

    Args:
        path: the file.

    Raises:
        DataError: it is no such file, or truncated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        except (*_DAMAGE, ValueError) as error:
            raise DataError(f"{path} is not a readable .npz file: {error}") from error
        self.names = list(self._sizes)

    def load(self, name: str) -> NDArray[Any]:
        """One array.

        Raises:
            DataError: it is damaged, larger than 16 GiB, or holds Python objects, which are never loaded.
        """
        if self._sizes[name] > _LARGEST:
            raise DataError(
                f"{name} of {self.path} has {self._sizes[name]:,} bytes, more than the {_LARGEST:,} allowed"
            )
        try:
            self._check_shape(name)
            with np.load(self.path, allow_pickle=False) as archive:
                array: NDArray[Any] = archive[name]
        except ValueError as error:
            raise DataError(
                f"{name} of {self.path} holds Python objects, which are never loaded, or is no NumPy array: {error}",
                hint="Save numbers and text only; pad series of unequal length with NaN.",
            ) from error
        except _DAMAGE as error:
            raise DataError(f"{name} of {self.path} cannot be read: {error}") from error
        return array

    def each(self, name: str, size: int) -> NDArray[Any]:
        """An array with one value a record: `name`, or `name_train` and `name_test` one after the other.

        Args:
            name: that the user chose.
            size: number of records.

        Raises:
            DataError: it is not there, or has another number of values.
        """
        parts = [name] if name in self.names else [f"{name}_train", f"{name}_test"]
        if not set(parts) <= set(self.names):
            raise DataError(f"{self.path} has no array {name!r}; it holds {', '.join(self.names)}")
        values = np.concatenate([self.load(part).reshape(-1) for part in parts])
        if len(values) != size:
            raise DataError(f"{self.path}: {size} records but {len(values)} values in {name}")
        return values

    def _check_shape(self, name: str) -> None:
        """Whether an array is as large as its header says: space for it is taken before its bytes are read."""
        with zipfile.ZipFile(self.path) as archive:
            member = next((info for info in archive.infolist() if info.filename.removesuffix(".npy") == name), None)
            if member is None or not member.filename.endswith(".npy"):
                return
            with archive.open(member) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, kind = read(file)
        claimed = math.prod(shape) * kind.itemsize
        if claimed > self._sizes[name] and not kind.hasobject:
            raise DataError(
                f"{name} of {self.path} says that it has {claimed:,} bytes, and there are {self._sizes[name]:,}"
            )

    def all(self) -> dict[str, NDArray[Any]]:
        """Every array by its name."""
        return {name: self.load(name) for name in self.names}
