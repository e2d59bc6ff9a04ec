"""What a modality needs to complete a user's own records: something that fills, and a place for what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from synthgen.api.modality import Codec
    from synthgen.api.schema import Schema
    from synthgen.config import DataConfig

__all__ = ["Completion", "Filler"]


class Filler(Protocol):
    """A trained model that draws what is not known of a record given what is."""

    schema: Schema
    codec: Codec
    data: DataConfig
    """How the training data was read, and what the user says of this table."""
    named: Sequence[str]
    """Keys of `data` that the user set for this table: columns that have to be there."""

    def __call__(
        self,
        x: torch.Tensor,
        known: torch.Tensor,
        conditions: Mapping[str, torch.Tensor],
        *,
        ids: Sequence[int],
        block: int = 0,
    ) -> torch.Tensor:
        """Encoded records with what is not known drawn.

        Args:
            x: encoded records `(N, C, *spatial)`; what is not known is not read.
            known: boolean, x's shape.
            conditions: name -> tensor of N rows.
            ids: `(N,)` the same id, block and seed give the same noise.
            block: number of the window, when a record is longer than one.
        """
        ...


@dataclass(frozen=True)
class Completion:
    """A completed table.

    Args:
        table: for the user.
        facts: JSON-able counts and choices.
        quantiles: of several draws for each value that was drawn; None for a single draw.
        separator: between the cells when it is written as text.
        header: whether the text has a line with the columns' names.
        decimal: the decimal mark of the text.
        encoding: of the text.
    """

    table: pd.DataFrame
    facts: Mapping[str, Any] = field(default_factory=dict)
    quantiles: pd.DataFrame | None = None
    separator: str = ","
    header: bool = True
    decimal: str = "."
    encoding: str = "utf-8"
