"""`.arff` of Weka as the UCR/UEA archive has it: a value a step, or one relational attribute with a line a dimension.

    @relation GunPoint                      @relation BasicMotions
    @attribute att0 numeric                 @attribute relationalAtt relational
    @attribute att1 numeric                   @attribute att0 numeric
    @attribute target {1,2}                 @end relationalAtt
    @data                                   @attribute activity {standing,running}
    0.1,0.2,1                               @data
                                            '0.1,0.2\\n0.3,0.4',standing

`scipy.io.arff` reads neither relational attributes nor missing values, hence a reader of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from synthgen.errors import DataError
from synthgen_timeseries.archive import Part, lines_of, numbers_of
from synthgen_timeseries.collection import label_name

__all__ = ["parse_arff"]

_ATTRIBUTE = re.compile(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.*)", re.IGNORECASE)
_QUOTED = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"|([^,]*))\s*(,|$)")


@dataclass
class _Header:
    """What stands before the data: the number of values, the classes, and whether dimensions are relational."""

    values: int = 0
    classes: list[str] | None = None
    relational: bool = False
    inside: bool = False
    names: list[str] = field(default_factory=list)


def parse_arff(path: Path) -> Part:
    """Series with their classes; `?` is a missing value, missing values at the end are the end of a shorter series.

    Raises:
        DataError: not the format, a cell that is not a number, an undeclared class, with the line.
    """
    part, header, started = Part(path), _Header(), False
    for number, line in lines_of(path):
        text = line.strip()
        if text.startswith("%"):
            continue
        if not started:
            started = _declared(header, text, path, number)
            continue
        cells = _cells(text, path, number)
        if header.classes is not None:
            label = label_name(cells.pop())
            if label not in header.classes:
                known = ", ".join(header.classes[:10])
                raise DataError(f"{path}, line {number}: {label!r} is not among the declared classes {known}")
            part.label.append(label)
        if header.relational:
            if len(cells) != 1:
                raise DataError(f"{path}, line {number}: {len(cells)} cells before the class, expected one in quotes")
            rows = [
                numbers_of(row.split(","), path, number, dimension=f" dimension {index},")
                for index, row in enumerate(re.split(r"\\n|\n", cells[0]))
            ]
            longest = max(row.size for row in rows)
            padded = [np.pad(row, (0, longest - row.size), constant_values=np.nan) for row in rows]
            part.series.append(np.stack(padded))
        else:
            if len(cells) != header.values:
                raise DataError(f"{path}, line {number}: {len(cells)} values, {header.values} are declared")
            part.series.append(numbers_of(cells, path, number)[None, :])
        part.line.append(number)
        if part.series[-1].shape[0] != part.series[0].shape[0]:
            dimensions = f"{part.series[-1].shape[0]} dimensions, but {part.series[0].shape[0]} in line {part.line[0]}"
            raise DataError(f"{path}, line {number}: {dimensions}")
    if not started:
        raise DataError(f"{path} has no @data line", hint="Is it an .arff file of Weka or the UCR archive?")
    return part


def _declared(header: _Header, text: str, path: Path, number: int) -> bool:
    """Take in a line of the header; True at `@data`."""
    key = text.split()[0].lower()
    if key == "@data":
        return True
    if key == "@end":
        header.inside = False
    elif key == "@attribute":
        match = _ATTRIBUTE.fullmatch(text)
        if match is None:
            raise DataError(f"{path}, line {number}: not an attribute: {text[:40]!r}")
        kind = match[2].strip()
        if kind.lower() == "relational":
            header.relational = header.inside = True
        elif header.inside:
            return False
        elif kind.startswith("{"):
            if header.classes is not None:
                raise DataError(
                    f"{path}, line {number}: a second nominal attribute, {match[1]}; only the class may be nominal"
                )
            cells = _cells(kind.strip("{} "), path, number)
            header.classes = [label_name(cell) for cell in cells]
        elif kind.lower() in ("numeric", "real", "integer"):
            if header.classes is not None:
                raise DataError(f"{path}, line {number}: the class must be the last attribute")
            header.values += 1
        else:
            raise DataError(f"{path}, line {number}: attributes of type {kind} are not supported")
    elif key != "@relation":
        raise DataError(f"{path}, line {number}: not an .arff file, {text[:40]!r} before @data")
    return False


def _cells(text: str, path: Path, number: int) -> list[str]:
    """Cells between commas, quotes taken off."""
    cells, place = [], 0
    while place <= len(text):
        match = _QUOTED.match(text, place)
        if match is None:
            raise DataError(f"{path}, line {number}: a quote that does not end, or text after one")
        cells.append(next((group for group in match.groups()[:3] if group is not None), "").strip())
        place = match.end()
        if match[4] != ",":
            break
    return cells
