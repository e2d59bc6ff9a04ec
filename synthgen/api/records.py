"""Examples on their two sides: decoded, as columns of arrays, and encoded, as a batch of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synthgen.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

__all__ = ["Batch", "Records"]


@dataclass
class Records:
    """Decoded examples as columns: what readers produce, writers write and judges judge.

    Columns by modality: image `image uint8 or uint16 (N, H, W, C)`; timeseries `values float32 (N, C, L)`,
    `observed bool (N, C, L)`, `length int32 (N,)`; mask `image uint8 (N, H, W, C)`, `mask uint8 or uint16 (N, H, W)`.

    Args:
        columns: name -> array; all share the leading size N.
        label: int64 `(N,)`, index into `Schema.labels`; None for unlabelled data.
    """

    columns: dict[str, NDArray[Any]]
    label: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        sizes = {name: len(column) for name, column in self.columns.items()}
        if self.label is not None:
            sizes["label"] = len(self.label)
        if len(set(sizes.values())) != 1:
            raise DataError(f"columns of unequal length: {sizes}")

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    def take(self, indices: NDArray[Any] | Sequence[int] | slice) -> Records:
        """The records at `indices` (integers, booleans or a slice), in that order."""
        chosen = indices if isinstance(indices, slice) else _as_index(indices)
        label = None if self.label is None else self.label[chosen]
        return Records({name: column[chosen] for name, column in self.columns.items()}, label)

    @staticmethod
    def concatenate(parts: Sequence[Records]) -> Records:
        """All parts one after the other; labelled only when every part is."""
        import numpy as np

        names = list(parts[0].columns)
        labels = [part.label for part in parts]
        known = [label for label in labels if label is not None]
        return Records(
            {name: np.concatenate([part.columns[name] for part in parts]) for name in names},
            np.concatenate(known) if len(known) == len(parts) else None,
        )


def _as_index(indices: Any) -> NDArray[Any]:
    import numpy as np

    array = np.asarray(indices)
    return array if array.dtype == bool else array.astype(np.int64)


@dataclass
class Batch:
    """Encoded examples, ready for the network.

    Args:
        x: float32 `(B, C, *spatial)`, roughly zero mean and standard deviation `sigma_data` (0.5).
        observed: loss weights of x's shape, 0 where the value is missing; None when everything is observed.
        conditions: condition name -> tensor, see `Condition`.
    """

    x: torch.Tensor
    observed: torch.Tensor | None
    conditions: dict[str, torch.Tensor]
