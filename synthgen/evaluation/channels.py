"""Which channel of a record is odd, and where: residuals channel by channel, against those of calibration records.

Errors of a channel tell how much worse than usual it is restored, and cells `(C, *S)` tell where. Both come from the
same two evaluations at each noise level. Only records with a tensor channel for each channel of the schema have them:
series and images, not masks or the columns of vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from synthgen.evaluation.calibration import MapCalibration
from synthgen.evaluation.denoising import restore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records
    from synthgen.evaluation.denoising import Restoration
    from synthgen.evaluation.scorer import CalibratedScorer

__all__ = ["ChannelMaps", "has_channels"]

_RECORDS = 100
_VALUES = 2**25  # of residuals kept while calibrating, 128 MiB


def has_channels(scorer: CalibratedScorer) -> bool:
    """Whether there are several channels, each with a tensor channel of its own."""
    schema = scorer.model.schema
    return 1 < len(schema.channels) == schema.shape[0]


@dataclass(frozen=True)
class ChannelMaps:
    """Calibrated residuals by channel.

    Args:
        scorer: fitted; its denoiser and noise levels are used.
        mean, spread: `(K, C)` of log errors of calibration records.
        cells: calibration of the residuals `(K, C, *S)`.
    """

    scorer: CalibratedScorer
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    cells: MapCalibration

    @classmethod
    def fit(cls, scorer: CalibratedScorer) -> Self:
        """Calibrate on at most 100 of the scorer's own calibration records."""
        levels, shape = scorer.setting.levels, scorer.model.schema.shape
        most = int(np.clip(_VALUES // (levels * int(np.prod(shape))), 2, _RECORDS))
        assert scorer.some_calibrating is not None, "the scorer is not fitted"
        found = _restored(scorer, scorer.some_calibrating.take(slice(0, most)))
        logs = _logs(found)
        spread = logs.std(axis=0)
        assert found.cells is not None
        cells = MapCalibration.fit(found.cells, apart=1)
        return cls(scorer, logs.mean(axis=0), np.where(spread > 0, spread, 1.0), cells)

    def __call__(self, records: Records) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """How odd each channel is `(n, C)`, mean z over noise levels, and each cell of it `(n, C, *S)`, smoothed."""
        found = _restored(self.scorer, records)
        assert found.cells is not None
        return ((_logs(found) - self.mean) / self.spread).mean(axis=1), self.cells(found.cells)


def _logs(found: Restoration) -> NDArray[np.float64]:
    return np.log(np.maximum(found.channels.astype(np.float64), 1e-12))


def _restored(scorer: CalibratedScorer, records: Records) -> Restoration:
    return restore(
        scorer.model.denoiser,
        scorer.model.codec.encode(records),
        scorer.setting.sigmas,
        seed=scorer.setting.seed,
        repeats=2,
        batch_size=scorer.setting.batch_size,
        cells=True,
    )
