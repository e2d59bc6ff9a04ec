"""Every error that synthgen raises on purpose, in one tree.

    SynthgenError                exit code 1
    |-- UsageError               2   a wrong flag, argument or combination of them
    |   `-- ConfigError          2   an unknown key, a value out of range; names the exact path
    |-- DataError                1   the user's data cannot be read as asked; names file, row, column
    |-- RunError                 1   a run directory is missing, damaged or of another modality
    |-- DatasetError             1   a data set directory is missing, damaged or belongs to another plan
    |-- TrainingError            1   training cannot go on (non-finite loss, out of memory)
    |-- StorageError             1   a file cannot be written: full disk, no permission
    |-- GateError                3   a quality gate was not met
    `-- PluginError              4   a plugin is missing, failed, or two provide the same name

Each message says what is wrong and where; `hint` says what to do. The command line catches the tree once.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DataError",
    "DatasetError",
    "GateError",
    "PluginError",
    "RunError",
    "StorageError",
    "SynthgenError",
    "TrainingError",
    "UsageError",
    "is_out_of_memory",
]


class SynthgenError(Exception):
    """Base of the tree.

    Args:
        message: what is wrong and where, one sentence.
        hint: what the reader can do about it, one sentence.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SynthgenError):
    """A wrong flag, argument or combination of them."""

    exit_code = 2


class ConfigError(UsageError):
    """An unknown configuration key or a value out of range."""


class DataError(SynthgenError):
    """The user's data cannot be read as asked."""


class RunError(SynthgenError):
    """A run directory is missing, damaged or does not fit the request."""


class DatasetError(SynthgenError):
    """A data set directory is missing, damaged or belongs to another plan."""


class TrainingError(SynthgenError):
    """Training cannot go on."""


class StorageError(SynthgenError):
    """A file cannot be written."""


class GateError(SynthgenError):
    """A quality gate was not met."""

    exit_code = 3


class PluginError(SynthgenError):
    """A plugin is missing, failed to load, or two plugins provide the same name."""

    exit_code = 4


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on the CPU or a GPU: Python, NumPy and torch each say so in their own way."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or "out of memory" in text or "can't allocate memory" in text)
    )
