"""Counter-based random numbers: every draw is a pure function of (seed, purpose, sample, step).

A Philox counter (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") has 256 bits:

    [ block | step | sample_id | purpose ]      keyed by the seed

The generator itself advances only `block`, so the streams of two samples, steps or purposes can never overlap,
and sample i is the same whatever the batch size, the shard size, the number of workers or the point of resumption.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["derive_seed", "generator", "standard_normal", "uniform"]

_MASK64 = (1 << 64) - 1


def generator(seed: int, purpose: str, *, sample_id: int = 0, step: int = 0) -> np.random.Generator:
    """A numpy generator for one stream.

    Args:
        seed: the user's seed, any integer.
        purpose: what the numbers are for, such as `"noise"`, `"label"` or `"sde"`.
        sample_id: index of the record in its data set, >= 0.
        step: index within the record's own history, such as the sampler's step, >= 0.
    """
    import numpy as np

    counter = [0, step & _MASK64, sample_id & _MASK64, zlib.crc32(purpose.encode())]
    return np.random.Generator(np.random.Philox(key=seed & ((1 << 128) - 1), counter=counter))


def standard_normal(
    seed: int, purpose: str, sample_ids: Sequence[int], shape: Sequence[int], *, step: int = 0
) -> NDArray[np.float32]:
    """Independent N(0, 1) values, float32 of shape `(len(sample_ids), *shape)`, one stream for each sample."""
    import numpy as np

    values = np.empty((len(sample_ids), *shape), dtype=np.float32)
    for row, sample_id in enumerate(sample_ids):
        stream = generator(seed, purpose, sample_id=int(sample_id), step=step)
        stream.standard_normal(dtype=np.float32, out=values[row])
    return values


def uniform(seed: int, purpose: str, sample_ids: Sequence[int], *, step: int = 0) -> NDArray[np.float64]:
    """One U(0, 1) value for each sample, float64 of shape `(len(sample_ids),)`."""
    import numpy as np

    return np.array([generator(seed, purpose, sample_id=int(i), step=step).random() for i in sample_ids])


def derive_seed(seed: int, purpose: str, *, step: int = 0) -> int:
    """A 63-bit seed for a library that takes only one integer (torch, scikit-learn take the low 32 bits)."""
    return int(generator(seed, purpose, step=step).integers(0, 1 << 63))
