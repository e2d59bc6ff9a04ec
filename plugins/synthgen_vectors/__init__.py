"""The vectors modality: records that are a row of numbers each, in no order. Targets load on first use."""

from __future__ import annotations

from synthgen.api import Spec, hookimpl

__all__ = ["synthgen_datasets", "synthgen_modalities", "synthgen_networks", "synthgen_readers", "synthgen_writers"]

_NAME = "vectors"


@hookimpl
def synthgen_modalities() -> list[Spec]:
    """The modality itself."""
    return [Spec(_NAME, "rows of numbers, class labels, missing values", "synthgen_vectors.modality:Vectors")]


@hookimpl
def synthgen_datasets() -> list[Spec]:
    """Real data that comes with scikit-learn, so that everything can be tried offline."""
    demo = "synthgen_vectors.demo"
    return [
        Spec("breast-cancer", "569 tumours, 30 measurements, 2 classes", f"{demo}:breast_cancer", modality=_NAME),
        Spec("wine", "178 wines of 3 cultivars, 13 chemical measurements", f"{demo}:wine", modality=_NAME),
    ]


@hookimpl
def synthgen_readers() -> list[Spec]:
    """What can be read."""
    readers = "synthgen_vectors.readers"
    return [
        Spec("npz", "NumPy .npz with X (N, D) and y", f"{readers}:NpzReader", modality=_NAME),
        Spec("csv", "text table, a row a record", f"{readers}:CsvReader", modality=_NAME),
        Spec("parquet", "a row a record; also our own data sets", f"{readers}:ParquetReader", modality=_NAME),
    ]


@hookimpl
def synthgen_writers() -> list[Spec]:
    """Formats of a generated data set."""
    writers = "synthgen_vectors.writers"
    return [
        Spec("parquet", "a row a record, a column a number", f"{writers}:VectorParquet", modality=_NAME),
        Spec("csv", "the same as a text table", f"{writers}:VectorCsv", modality=_NAME),
    ]


@hookimpl
def synthgen_networks() -> list[Spec]:
    """The network for records without neighbourhood."""
    return [Spec("mlp", "residual multilayer perceptron, for vectors", "synthgen_vectors.network:MLP")]
