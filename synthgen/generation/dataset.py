"""A data set that synthgen wrote: shards, and beside them what describes and proves them.

plan.json        what decides its bytes
data/ or train/  the records, in the writer's format
README.md        card, with the metadata that data hubs read
provenance.json  model, configuration, versions, seed
croissant.json   the same for machines (MLCommons Croissant 1.1)
manifest.json    every file with its SHA-256, size and records
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synthgen import registry
from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.data.opening import open_source, relabel
from synthgen.errors import DatasetError, SynthgenError
from synthgen.io import notebook
from synthgen.io.atomic import read_text

if TYPE_CHECKING:
    from synthgen.io.run import Run

__all__ = ["SYNTHETIC_ROOT", "Dataset"]

SYNTHETIC_ROOT = Path("synthetic")


class Dataset:
    """A complete data set.

    Args:
        path: its directory; with `provenance` also an address in an object store, which `where` names.
        provenance: for a plan that has not been carried out (`dry_run`); None reads `provenance.json`.

    Raises:
        DatasetError: not a data set of synthgen, or not complete.
    """

    def __init__(self, path: Path | str, provenance: dict[str, Any] | None = None) -> None:
        self.where = str(path)
        self.path = Path(path)
        if provenance is not None:
            self.provenance = provenance
            return
        try:
            self.provenance = json.loads(read_text(self.path / "provenance.json"))
            _ = self.n, self.format  # which everything asks for
        except FileNotFoundError as error:
            raise DatasetError(f"{self.path} is not a complete data set: there is no provenance.json") from error
        except (OSError, ValueError, RecursionError, KeyError, TypeError, OverflowError) as error:
            raise DatasetError(f"{self.path / 'provenance.json'} is unreadable: {error}") from error

    @property
    def n(self) -> int:
        """Number of records."""
        return int(self.provenance["n"])

    @property
    def format(self) -> str:
        """Name of the writer."""
        return str(self.provenance["format"])

    @cached_property
    def manifest(self) -> list[dict[str, Any]]:
        """Every file: path, sha256, bytes, records."""
        try:
            files: list[dict[str, Any]] = json.loads(read_text(self.path / "manifest.json"))["files"]
        except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
            raise DatasetError(f"{self.path / 'manifest.json'} is unreadable: {error}") from error
        return files

    def open(self, run: Run) -> Source:
        """The records, with labels as the run counts them."""
        columns = tuple(attribute.name for attribute in run.schema.attributes if not attribute.derived)
        options = run.config.data.model_copy(
            update={"path": str(self.path), "label_column": None, "id_column": None, "time_column": None,
                    "value_columns": (), "attributes": columns, "window": None, "stride": None, "group_column": None,
                    "image_size": None, "mask_suffix": "", "mask_values": "auto"}
        )  # fmt: skip
        return relabel(open_source(run.schema.modality, options), run.schema)

    def _repr_html_(self) -> str:
        """For notebooks: where it is and what it holds, and the first records as pictures where they can be read."""
        counts = self.provenance.get("labels") or {}
        facts = {
            "records": f"{self.n:,}",
            "labels": ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none",
            "format": self.format,
            "run": self.provenance.get("run", ""),
            "seed": self.provenance.get("seed", ""),
            "path": self.path,
        }
        return notebook.facts_table(f"data set {self.path.name}", facts) + self._pictures()

    def _pictures(self) -> str:
        try:
            modality = json.loads(read_text(self.path / "plan.json"))["modality"]
            source = open_source(modality, DataConfig(path=str(self.path)))
            first = source.read(np.arange(min(len(source), notebook.SHOWN)))
        except (SynthgenError, OSError, ValueError, RecursionError, KeyError):
            return ""
        return notebook.gallery(registry.modality(modality), first, source.schema)

    @classmethod
    def newest(cls, run: Run, root: Path = SYNTHETIC_ROOT) -> Dataset | None:
        """The data set below `root` that was made last from this run, or None."""
        found = []
        for path in root.glob("*/provenance.json"):
            try:
                dataset = cls(path.parent)
            except DatasetError:
                continue
            if dataset.provenance.get("model") == run.fingerprint and dataset.provenance.get("kind") == "generate":
                found.append((str(dataset.provenance.get("created")), dataset))
        return max(found, key=lambda pair: pair[0])[1] if found else None
