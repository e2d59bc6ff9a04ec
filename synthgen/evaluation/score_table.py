"""`scores.parquet`: the table, and in its metadata the request that it answers.

So a table says whose it is before `score.json` is there, and the same request can go on where a killed one ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from synthgen.io.atomic import atomic_file, read_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["request_of", "write_table"]

_KEY = b"synthgen"


def write_table(path: Path, table: pd.DataFrame, request: Mapping[str, Any]) -> None:
    """Write the table atomically.

    Raises:
        StorageError: it cannot be written.
    """
    content = pa.Table.from_pandas(table, preserve_index=False)
    content = content.replace_schema_metadata({**(content.schema.metadata or {}), _KEY: json.dumps(request).encode()})
    with atomic_file(path) as temporary:
        pq.write_table(content, temporary, compression="zstd")


def request_of(path: Path) -> dict[str, Any] | None:
    """What the table at `path` answers; None where that is not known. Tables once said it in `score.json` alone."""
    try:
        kept = (pq.read_schema(path).metadata or {}).get(_KEY)
        found = json.loads(read_text(path.parent / "score.json"))["request"] if kept is None else json.loads(kept)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # Arrow's errors are among them
        return None
    return found if isinstance(found, dict) else None
