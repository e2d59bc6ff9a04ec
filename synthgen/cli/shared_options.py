"""Options that several commands share, each worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthgen.cli.completion import complete_names, complete_runs

__all__ = [
    "AnomalyLabelOption",
    "ConfigFileOption",
    "DataOption",
    "ForceOption",
    "GroupColumnOption",
    "GuidanceOption",
    "IdColumnOption",
    "ImageSizeOption",
    "LabelColumnOption",
    "ModalityOption",
    "OutOption",
    "RunOption",
    "SamplerOption",
    "SeedOption",
    "SetOption",
    "StepsOption",
    "StrideOption",
    "TimeColumnOption",
    "ValueColumnOption",
    "WindowOption",
    "parse_pairs",
]

_DATA = "How the data is read"

ModalityOption = Annotated[
    str | None,
    typer.Option(
        "--modality",
        "-m",
        metavar="NAME",
        help="image, timeseries, mask, vectors, ...: `synthgen list modalities`.",
        autocompletion=complete_names("modalities"),
    ),
]
RunOption = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="RUN",
        help="Directory of a trained run; the newest in runs/ when absent.",
        autocompletion=complete_runs,
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="PATH|NAME",
        help="File, folder or demo set (`synthgen list datasets`); the usual one when absent.",
    ),
]
LabelColumnOption = Annotated[
    str | None, typer.Option("--label-column", metavar="C", help="Column that holds the label; guessed when absent.")
]
GroupColumnOption = Annotated[
    str | None,
    typer.Option(
        "--group-column",
        metavar="C",
        help="Records with the same value never part at splitting.",
        rich_help_panel=_DATA,
    ),
]
IdColumnOption = Annotated[
    str | None,
    typer.Option("--id-column", metavar="C", help="Long tables: which series a row belongs to.", rich_help_panel=_DATA),
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option("--time-column", metavar="C", help="Long tables: what orders the rows.", rich_help_panel=_DATA),
]
ValueColumnOption = Annotated[
    list[str] | None,
    typer.Option("--value-column", metavar="C", help="Series: a channel; repeat for several.", rich_help_panel=_DATA),
]
WindowOption = Annotated[
    int | None,
    typer.Option("--window", metavar="L", help="Cut long series into windows of L steps.", rich_help_panel=_DATA),
]
StrideOption = Annotated[
    int | None,
    typer.Option("--stride", metavar="L", help="Steps from one window to the next.", rich_help_panel=_DATA),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option("--image-size", metavar="S", help="Resize images and masks to S x S.", rich_help_panel=_DATA),
]
AnomalyLabelOption = Annotated[
    list[str] | None,
    typer.Option("--anomaly-label", metavar="L", help="Label that means anomalous; repeat for several. Adds AUROC."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write; a new directory when absent.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Same seed, same result.")]
ConfigFileOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="TOML file; `synthgen config init` writes one.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="One configuration key, such as optim.lr=5e-4; repeat for several."
    ),
]
GuidanceOption = Annotated[
    float | None, typer.Option("--guidance", metavar="W", min=0, help="Classifier-free guidance weight; 1 is none.")
]
StepsOption = Annotated[
    int | None, typer.Option("--steps", metavar="K", min=1, help="Network evaluations a sample; the run's when absent.")
]
SamplerOption = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="S",
        help="Name from `synthgen list samplers`; the run's when absent.",
        autocompletion=complete_names("samplers"),
    ),
]


def parse_pairs(texts: list[str] | None, option: str, example: str) -> dict[str, str]:
    """`["a=1", "b=2"]` as a dictionary.

    Raises:
        UsageError: a text without `=`, or a name given twice.
    """
    from synthgen.errors import UsageError

    pairs: dict[str, str] = {}
    for text in texts or ():
        name, separator, value = text.rpartition("=")
        if not separator or not name:
            raise UsageError(f"{option} {text}: expected NAME=VALUE", hint=f"For example {option} {example}")
        if name in pairs:
            raise UsageError(f"{option} names {name} twice")
        pairs[name] = value
    return pairs
