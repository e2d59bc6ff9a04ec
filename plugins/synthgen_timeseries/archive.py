"""Text formats of the UCR/UEA archive: `.tsv`/`.txt` with the label first, and the `.ts` of sktime and aeon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from synthgen.errors import DataError
from synthgen_timeseries.collection import Collection, channels_named, label_name

__all__ = ["Part", "lines_of", "numbers_of", "parse_ts", "parse_ucr", "parts_of", "together"]

_TRAIN = re.compile(r"(.*)_train", re.IGNORECASE)


@dataclass
class Part:
    """What one file held: series `(C, L_i)`, labels ([] when there are none) and the line of each."""

    path: Path
    series: list[NDArray[np.float64]] = field(default_factory=list)
    label: list[str] = field(default_factory=list)
    line: list[int] = field(default_factory=list)


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line number from 1 and text of each line that is not blank.

    Raises:
        DataError: unreadable or not text.
    """
    try:
        with path.open(encoding="utf-8-sig") as text:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield number, line.strip("\r\n")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason} at byte {error.start})", hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def parts_of(path: Path, suffixes: tuple[str, ...]) -> list[tuple[str, Path]]:
    """The files to read with their part of the official split ("" when there is none).

    `X_TRAIN` brings `X_TEST` beside it; a directory stands for the pair that it holds.

    Raises:
        DataError: a directory with several pairs.
    """
    if path.is_dir():
        found = [
            file for file in sorted(path.iterdir()) if file.suffix.lower() in suffixes and _TRAIN.fullmatch(file.stem)
        ]
        by_name: dict[str, Path] = {}
        for file in found:
            # Archives carry one set in several formats; any of them will do.
            by_name.setdefault(file.stem.lower(), file)
        if len(by_name) > 1:
            names = ", ".join(file.name for file in by_name.values())
            raise DataError(f"{path} holds several data sets: {names}", hint="Name one of the files.")
        if not by_name:
            return []
        path = next(iter(by_name.values()))
    match = _TRAIN.fullmatch(path.stem)
    if match is None:
        return [("", path)]
    wanted = f"{match[1]}_test{path.suffix}".lower()
    beside = next((file for file in sorted(path.parent.iterdir()) if file.name.lower() == wanted), None)
    return [("", path)] if beside is None else [("train", path), ("test", beside)]


def together(parts: list[Part], splits: list[str], *, note: str) -> Collection:
    """Train and test part as one collection.

    Raises:
        DataError: an empty file, or parts of different channels.
    """
    for part in parts:
        if not part.series:
            raise DataError(
                f"{part.path} is empty" if part.path.stat().st_size == 0 else f"{part.path} holds no series"
            )
        channels = part.series[0].shape[0]
        if channels != parts[0].series[0].shape[0]:
            raise DataError(
                f"{part.path} has {channels} channels, but {parts[0].path.name} has {parts[0].series[0].shape[0]}"
            )
    count = parts[0].series[0].shape[0]
    labels = [label for part in parts for label in part.label]
    several = len(parts) > 1
    understood = f"{note} with its official split, {' + '.join(str(len(part.series)) for part in parts)} series"
    return Collection(
        series=[one for part in parts for one in part.series],
        channels=channels_named(["value"] if count == 1 else [f"dim_{index}" for index in range(count)]),
        label=labels or None,
        split=np.repeat(splits, [len(part.series) for part in parts]) if several else None,
        notes=[understood if several else note],
        names=[f"{part.path.name} line {line}" for part in parts for line in part.line],
    )


def parse_ucr(path: Path) -> Part:
    """One line a series: the label, then the values, separated by tabs, commas or blanks; NaN at the end is padding.

    Raises:
        DataError: a cell that is not a number, with line and column.
    """
    part = Part(path)
    for number, line in lines_of(path):
        cells = line.split("\t") if "\t" in line else line.split(",") if "," in line else line.split()
        if len(cells) < 2:
            raise DataError(f"{path}, line {number}: a label and values expected, found {line[:40]!r}")
        label = label_name(cells[0])
        if not label or label.lower() == "nan":
            raise DataError(f"{path}, line {number}: the label in column 1 is missing")
        part.series.append(numbers_of(cells[1:], path, number, offset=2)[None, :])
        part.label.append(label)
        part.line.append(number)
    return part


def numbers_of(cells: list[str], path: Path, line: int, *, offset: int = 1, dimension: str = "") -> NDArray[np.float64]:
    """Cells as numbers; `?` and nothing are missing.

    Raises:
        DataError: a cell that is not a number, with line and column.
    """
    try:
        return np.array([np.nan if cell.strip() in ("?", "") else float(cell) for cell in cells])
    except ValueError:
        for column, cell in enumerate(cells, offset):
            try:
                float(cell if cell.strip() not in ("?", "") else "nan")
            except ValueError as error:
                raise DataError(
                    f"{path}, line {line},{dimension} column {column}: {cell.strip()[:40]!r} is not a number"
                ) from error
        raise


def parse_ts(path: Path) -> Part:
    """`@` lines, then after `@data` one line a series: dimensions between `:`, values between commas, the label last.

    `?` is a missing value.

    Raises:
        DataError: not the format, a cell that is not a number, differing numbers of dimensions, an undeclared class.
    """
    part = Part(path)
    classes: list[str] | None = None
    labelled = started = False
    for number, line in lines_of(path):
        text = line.strip()
        if text.startswith("#"):
            continue
        if not started:
            words = text.split()
            key = words[0].lower()
            if not key.startswith("@"):
                raise DataError(f"{path}, line {number}: not a .ts file, no @data before the first values")
            if key == "@classlabel":
                labelled = len(words) > 1 and words[1].lower() == "true"
                classes = words[2:] or None
            elif key == "@targetlabel" and len(words) > 1 and words[1].lower() == "true":
                raise DataError(f"{path}, line {number}: a regression target is not supported, only classes")
            started = key == "@data"
            continue
        fields = text.split(":")
        if labelled:
            label = fields.pop().strip()
            if classes is not None and label not in classes:
                raise DataError(f"{path}, line {number}: label {label!r} is not among @classLabel {', '.join(classes)}")
            part.label.append(label)
        part.series.append(_dimensions(fields, path, number))
        part.line.append(number)
        if part.series[-1].shape[0] != part.series[0].shape[0]:
            raise DataError(
                f"{path}, line {number}: {part.series[-1].shape[0]} dimensions, "
                f"but {part.series[0].shape[0]} in line {part.line[0]}"
            )
    if not started and part.path.stat().st_size:
        raise DataError(f"{path} has no @data line", hint="Is it a .ts file of sktime or aeon?")
    return part


def _dimensions(fields: list[str], path: Path, number: int) -> NDArray[np.float64]:
    if not fields:
        raise DataError(f"{path}, line {number}: no values before the label")
    rows = []
    for index, text in enumerate(fields):
        cells = text.split(",")
        if text.lstrip().startswith("("):  # time stamps: (time,value),(time,value)
            cells = [pair.rpartition(",")[2] for pair in re.findall(r"\(([^)]*)\)", text)]
        rows.append(numbers_of(cells, path, number, dimension=f" dimension {index},"))
    longest = max(row.size for row in rows)
    return np.stack([np.pad(row, (0, longest - row.size), constant_values=np.nan) for row in rows])
