"""Synthetic records in memory, in the shape that the next tool wants: pandas, Arrow, NumPy, torch, datasets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset, get_worker_info

from synthgen import registry
from synthgen.api import Records, Writer
from synthgen.errors import UsageError
from synthgen.generation.generating import as_run
from synthgen.generation.given import Given
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.worker import file_metadata, make_records, row_columns
from synthgen.io.notebook import facts_table, gallery
from synthgen.io.run import Run

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import pyarrow as pa

__all__ = ["FreshSamples", "RecordsDataset", "Sample", "fresh_samples", "sample"]

_ENDLESS = 1 << 40


def sample(
    run: Run | Path | str | None = None,
    *,
    n: int | None = None,
    label: str | Sequence[str] | None = None,
    counts: Mapping[str, int] | None = None,
    conditions: Mapping[str, Any] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
    given: Given | Path | str | None = None,
) -> Sample:
    """The records that `synthgen.generate` would write, in memory.

    Args:
        run: a run or its directory; None: the newest below `runs/`.
        n: number of records; may be left away with `counts`.
        label: one class or several, equally; an empty list: every class equally; None: the training frequencies.
        counts: class name -> number of records.
        conditions: what attributes shall be, see `synthgen.generate`.
        guidance, steps, sampler: the run's own when None.
        seed: the same seed gives the same records.
        given: records to start from; see `synthgen.generate`.

    Raises:
        UsageError: an impossible number, label or sampler.
    """
    opened = as_run(run)
    labels = [label] if isinstance(label, str) else label
    plan = make_plan(
        opened,
        n=n,
        labels=labels,
        counts=counts,
        conditions=conditions,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        seed=seed,
        given=given,
    )
    return Sample(opened, plan, make_records(opened, plan, range(plan.n)))


def fresh_samples(
    run: Run | Path | str | None = None,
    *,
    label: str | Sequence[str] | None = None,
    n: int | None = None,
    conditions: Mapping[str, Any] | None = None,
    guidance: float | None = None,
    steps: int | None = None,
    sampler: str | None = None,
    seed: int = 0,
) -> FreshSamples:
    """A torch dataset that makes records as they are asked for; arguments as `sample`, without `n` it never ends."""
    opened = as_run(run)
    labels = [label] if isinstance(label, str) else label
    total = _ENDLESS if n is None else n
    plan = make_plan(
        opened,
        n=total,
        labels=labels,
        conditions=conditions,
        guidance=guidance,
        steps=steps,
        sampler=sampler,
        seed=seed,
    )
    return FreshSamples(opened, plan)


class Sample:
    """Synthetic records in memory.

    Attributes:
        run: the model's run.
        plan: what decided the records.
        records: as columns.
    """

    def __init__(self, run: Run, plan: Plan, records: Records) -> None:
        self.run = run
        self.plan = plan
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    @property
    def labels(self) -> list[str] | None:
        """Name of each record's class, or None for unlabelled runs."""
        if self.records.label is None:
            return None
        return [self.run.schema.labels[index] for index in self.records.label]

    def numpy(self) -> dict[str, NDArray[Any]]:
        """The records' columns, and `label` (index into `run.schema.labels`) where there is one."""
        label = {} if self.records.label is None else {"label": self.records.label}
        return {**self.records.columns, **label}

    def arrow(self) -> pa.Table:
        """The table that `generate` would write as Parquet, with the metadata that `datasets` reads.

        Raises:
            UsageError: the modality has no Parquet writer.
        """
        return self._table

    def pandas(self) -> pd.DataFrame:
        """The same table as a frame."""
        frame: pd.DataFrame = self._table.to_pandas()
        return frame

    def datasets(self) -> datasets.Dataset:
        """The same table as a Hugging Face data set, with its features (images decode, labels have names).

        Raises:
            UsageError: the package `datasets` is not installed.
        """
        try:
            import datasets
        except ModuleNotFoundError as error:
            hint = "pip install 'synthgen[datasets]'"
            raise UsageError("the package datasets is not installed", hint=hint) from error
        return datasets.Dataset(self._table)

    def torch(self) -> RecordsDataset:
        """A torch data set of `(record, label)`; see `RecordsDataset`."""
        return RecordsDataset(self.records)

    @cached_property
    def _table(self) -> pa.Table:
        import pyarrow.parquet as pq

        modality = self.run.schema.modality
        if "parquet" not in registry.names("writers", modality):
            raise UsageError(f"the modality {modality} has no Parquet writer", hint="Use .numpy() or .torch().")
        writer: Writer = registry.create("writers", "parquet", modality)
        columns = row_columns(self.plan, range(self.plan.n))
        with tempfile.TemporaryDirectory() as folder:
            files = writer.write(Path(folder), 0, 1, self.records, columns, self.run.schema, file_metadata(self.plan))
            return pq.read_table(Path(folder) / files[0].path)

    def _repr_html_(self) -> str:
        """For notebooks: what it is, and the first records as pictures."""
        facts = {
            "records": f"{len(self):,}",
            "columns": ", ".join(self.numpy()),
            "run": self.run.path.name,
            "seed": self.plan.seed,
        }
        pictures = gallery(self.run.modality, self.records, self.run.schema)
        return facts_table(f"{len(self):,} synthetic {self.run.schema.modality} records", facts) + pictures


class RecordsDataset(TorchDataset[Any]):
    """Records as a torch data set.

    Each item is a record, or `(record, label)` where records are labelled; a record is a tensor where it is one column,
    else a dictionary of tensors. Columns keep their type and shape: images are uint8 `(H, W, C)`.

    Args:
        records: in memory.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return _item(self._records, index)


class FreshSamples(IterableDataset[Any]):
    """Records that are made as they are asked for, `plan.sampling.batch_size` at a time; items as in `RecordsDataset`.

    In a DataLoader with several workers, each worker makes its own records, and none twice. Record i is the same
    whatever the number of workers; only the order in which they come differs.

    Args:
        run: the model's run.
        plan: what decides the records.
    """

    def __init__(self, run: Run, plan: Plan) -> None:
        self._run = run
        self._plan = plan

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        size = self._plan.sampling.batch_size
        for block in count(first, step):
            ids = range(block * size, min(self._plan.n, (block + 1) * size))
            if not len(ids):
                return
            records = make_records(self._run, self._plan, ids)
            for index in range(len(records)):
                yield _item(records, index)


def _item(records: Records, index: int) -> Any:
    parts = {name: _tensor(column[index]) for name, column in records.columns.items()}
    record = next(iter(parts.values())) if len(parts) == 1 else parts
    return record if records.label is None else (record, int(records.label[index]))


def _tensor(value: Any) -> Any:
    """A tensor of numbers; text and what is missing as it is."""
    array = np.asarray(value)
    return value if array.dtype.kind in "OUS" else torch.as_tensor(array)
