"""Tables as a modality: the hooks. Imported by every synthgen command, so it imports `synthgen.api` alone."""

from __future__ import annotations

from synthgen.api import Spec, hookimpl

__all__ = [
    "synthgen_datasets",
    "synthgen_metrics",
    "synthgen_modalities",
    "synthgen_networks",
    "synthgen_readers",
    "synthgen_writers",
]

_NAME = "tabular"
_HERE = "synthgen_tabular"


@hookimpl
def synthgen_modalities() -> list[Spec]:
    """The modality itself."""
    summary = "tables: continuous, integer and categorical columns, missing values"
    return [Spec(_NAME, summary, f"{_HERE}.modality:Tabular")]


@hookimpl
def synthgen_datasets() -> list[Spec]:
    """Real data that comes with scikit-learn."""
    return [
        Spec("wine", "178 wines, 13 measurements, 3 cultivars", f"{_HERE}.demo:wine", modality=_NAME),
        Spec("breast-cancer", "569 tumours, 30 measurements, 2 kinds", f"{_HERE}.demo:breast_cancer", modality=_NAME),
        Spec("diabetes", "442 patients, 10 columns, a numeric target", f"{_HERE}.demo:diabetes", modality=_NAME),
    ]


@hookimpl
def synthgen_readers() -> list[Spec]:
    """What can be read."""
    return [Spec("table", "CSV, TSV or Parquet, a row a record", f"{_HERE}.files:TableReader", modality=_NAME)]


@hookimpl
def synthgen_writers() -> list[Spec]:
    """What can be written."""
    return [
        Spec("parquet", "a row a record, typed columns", f"{_HERE}.files:ParquetWriter", modality=_NAME),
        Spec("csv", "a row a record, as text", f"{_HERE}.files:CsvWriter", modality=_NAME),
    ]


@hookimpl
def synthgen_networks() -> list[Spec]:
    """The network of the modality; `network.name=tabular-mlp`."""
    return [Spec("tabular-mlp", "residual multilayer perceptron", f"{_HERE}.network:TabularMLP")]


@hookimpl
def synthgen_metrics() -> list[Spec]:
    """Two more rows of the report."""
    metrics = f"{_HERE}.metrics"
    return [
        Spec("column_shapes", "how alike each column is distributed", f"{metrics}:COLUMN_SHAPES", modality=_NAME),
        Spec("pair_trends", "how alike columns go together", f"{metrics}:PAIR_TRENDS", modality=_NAME),
    ]
