"""Parts of a record that are kept while the others are drawn: the mask of an image, or the image of a mask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from synthgen import registry
from synthgen.api import Schema, Source
from synthgen.config import DataConfig
from synthgen.data.channel_groups import channel_groups
from synthgen.errors import DataError, UsageError
from synthgen.io.run import Run

__all__ = ["check_part", "known_channels", "known_parts", "open_part"]


def known_parts(run: Run) -> Mapping[str, int]:
    """Parts that can be given while the others are drawn, name -> channels; distilling unlearns it."""
    return {} if "distilled_from" in run.facts else channel_groups(run.config, run.schema)


def check_part(run: Run, part: str, path: Path | str) -> None:
    """Refuse what cannot be.

    Raises:
        UsageError: the run was not trained for it.
        DataError: there is nothing at the path.
    """
    if part not in known_parts(run):
        raise UsageError(
            f"{run.path} cannot keep the {part} of a record and draw the rest: it was trained with one noise level",
            hint="Runs of images and masks can, unless noise.clean is 0, as it is in private and distilled runs.",
        )
    if not Path(path).expanduser().exists() and str(path) not in registry.names("datasets", run.schema.modality):
        raise DataError(f"no data at {path}: there is no such file or folder")


def open_part(modality: str, data: DataConfig, run: str, part: str) -> Source:
    """Records of which all but one part is blank.

    Args:
        modality: name of the modality.
        data: how they are read.
        run: directory of the run whose records they shall be like.
        part: see `known_parts`.
    """
    schema = Schema.from_json((Path(run) / "schema.json").read_text(encoding="utf-8"))
    found = registry.modality(modality).open_part(data, schema, part)  # type: ignore[attr-defined]
    return cast(Source, found)


def known_channels(x: Tensor, part: str, groups: Mapping[str, int]) -> Tensor:
    """The encoded records `(N, C, *spatial)` with NaN in the channels of all other parts."""
    names = torch.tensor([name == part for name, size in groups.items() for _ in range(size)])
    return torch.where(names.reshape(-1, *[1] * (x.ndim - 2)), x, torch.nan)
