"""Which columns of a table are the record, and which is the label."""

from __future__ import annotations

import difflib
from collections.abc import Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthgen.api import ROW_COLUMNS
from synthgen.errors import DataError
from synthgen.io.parquet import features_of

if TYPE_CHECKING:
    from synthgen.config import DataConfig

__all__ = ["choose_columns", "declared_label"]

_LABELS = ("label", "class", "target", "y", "class_name", "category", "label_name")


def declared_label(schema: Any) -> str:
    """The column that an Arrow schema's Hugging Face features call a class label, or an empty string."""
    features = features_of(schema).items()
    found = [name for name, kind in features if isinstance(kind, dict) and kind.get("_type") == "ClassLabel"]
    return found[0] if found else ""


def choose_columns(
    names: Sequence[str], numeric: Set[str], path: Path, options: DataConfig, declared: str = ""
) -> tuple[str, str, list[str], list[str]]:
    """The label's column, the column of its names, those of the record, and sentences for the user.

    Args:
        names: of all columns.
        numeric: those that hold numbers.
        path: for messages.
        options: what the user named.
        declared: label column that the file itself names.

    Raises:
        DataError: a column that was named does not exist, or none holds numbers.
    """
    for wanted in (options.label_column, options.group_column, *options.value_columns):
        if wanted is not None and wanted not in names:
            close = difflib.get_close_matches(wanted, names, n=1)
            shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
            raise DataError(
                f"{path} has no column {wanted!r}; its columns are {shown}",
                hint=f"Did you mean {close[0]}?" if close else "",
            )
    by_lower = {name.lower(): name for name in names}
    guessed = next((by_lower[name] for name in _LABELS if name in by_lower), "")
    label = options.label_column or declared or guessed
    named = f"{label}_name" if label and f"{label}_name" in names else label
    taken = {label, named, options.group_column or ""} | (set(ROW_COLUMNS) if "sample_id" in names else set())
    columns = list(options.value_columns)
    left_out: list[str] = []
    for name in [] if columns else names:
        if name not in taken:
            (columns if name in numeric else left_out).append(name)
    if not columns:
        raise DataError(f"{path} has no columns of numbers; its columns are {', '.join(names[:12])}")
    notes = [f"columns that hold no numbers are left out: {', '.join(left_out[:8])}"] if left_out else []
    return label, named, columns, notes
