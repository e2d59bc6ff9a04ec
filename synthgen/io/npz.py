"""NumPy archives from anywhere: arrays loaded when asked for, never pickles, never absurdly large."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError

__all__ = ["Archive"]

_LARGEST = 16 * 2**30


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
        except (OSError, zipfile.BadZipFile) as error:
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
            with np.load(self.path, allow_pickle=False) as archive:
                array: NDArray[Any] = archive[name]
        except ValueError as error:
            raise DataError(
                f"{name} of {self.path} holds Python objects, which are never loaded, or is no NumPy array: {error}",
                hint="Save numbers and text only; pad series of unequal length with NaN.",
            ) from error
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{name} of {self.path} cannot be read: {error}") from error
        return array

    def all(self) -> dict[str, NDArray[Any]]:
        """Every array by its name."""
        return {name: self.load(name) for name in self.names}
