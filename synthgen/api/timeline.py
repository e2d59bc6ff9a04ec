"""A user's own series of any length with the place of each time step in the table that they came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["Timelines"]


@dataclass(frozen=True)
class Timelines:
    """What a modality returns from `timelines(data, schema, options)`, so that time steps can be scored.

    Args:
        names: of the N series.
        series: `(C, T_i)` each; NaN is missing.
        rows: `(T_i,)` each, the row of the table that holds a step.
        table: as the user wrote it.
        time: column of the time stamps; "" without one.
        a_row_a_step: each step has a row of its own.
    """

    names: tuple[str, ...]
    series: tuple[NDArray[np.float64], ...]
    rows: tuple[NDArray[np.int64], ...]
    table: pd.DataFrame
    time: str = ""
    a_row_a_step: bool = True
