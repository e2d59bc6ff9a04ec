"""A trained model as a calibrated anomaly detector, beside the classical detectors fitted on the same training records.

    z[i, k] = (v[i, k] - median_cal_k) / (1.4826 MAD_cal_k)      v: what the family measures, log e for denoising errors
    score_i = sqrt( mean over k of softplus(2 z[i, k])^2 / 4 )   of |z| for a two-sided family

A record is odd where it is restored worse than normal records; that it is restored better at another noise level is no
excuse, so the mean counts what lies above, smoothly, and the squares let the worst levels lead. On eight sets of
ADBench this beats the plain mean of z by 0.3 points of AUROC, and more where anomalies lie between normal records
(`benchmarks/README.md`).

The score of a family (`synthgen.evaluation.families`) comes from the run's network, `kernel` is the denoising error
with the denoiser that remembers records (`synthgen.evaluation.kernel`), `fusion` the mean of the two and
`fusion_knn` the mean of these and the distance to the nearest neighbours. All are put on one scale with each other and
with the classical detectors by robust z on the calibration records.

The denoiser that remembers learns nothing, so it may keep the calibration records too: each is scored without itself,
from one record less than a new record is (the jackknife; Barber et al. 2021, "Predictive inference with the
jackknife+"). Records of groups, and windows of a series, are more alike than new ones would be: of those it keeps the
training records only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch

from synthgen import seeding
from synthgen.api import Records
from synthgen.errors import DataError
from synthgen.evaluation.blocks import blocks_of
from synthgen.evaluation.calibration import MapCalibration, RobustZ, conformal_p
from synthgen.evaluation.denoising import ScoringCondition, told
from synthgen.evaluation.detectors import Baselines
from synthgen.evaluation.families import FAMILIES
from synthgen.evaluation.families import family as find_family
from synthgen.evaluation.kernel import OWN, KernelDenoiser
from synthgen.evaluation.measuring import Measured, Setting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Batch, Codec, Embedder, Modality, Schema, Source
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["HIGHEST_NOISE", "LOWEST_NOISE", "CalibratedScorer", "Method", "Model", "Scale", "Scored", "pieces"]

Method = Literal["model", "fusion", "kernel", "fusion_knn"]

LOWEST_NOISE, HIGHEST_NOISE = 0.2, 3.0
"""In units of the data's standard deviation. Above, only the distance to the mean counts; how low helps depends on the
data. Chosen on eight sets of ADBench (`benchmarks/adbench.py`)."""

_FIT_RECORDS = 5000  # most training records that the classical detectors see; their cost grows with the square
_FIT_VALUES = 2**24  # and most values in them
_CALIBRATION_RECORDS = 2000
_FEWEST_CALIBRATION_RECORDS = 8
_KEPT_RECORDS = 100
_MAP_VALUES = 2**25  # residual values kept while maps are calibrated, 128 MiB
_PIECE_VALUES = 2**23  # residual values of one piece, 32 MiB
_CALL_VALUES = 2**18  # encoded values of one network call, as far as that leaves 32 to 2,048 rows


@dataclass(frozen=True)
class Model:
    """What scoring needs of a run: the denoiser, the codec that was fitted with it, and the modality."""

    denoiser: AnyDenoiser
    codec: Codec
    modality: Modality
    schema: Schema
    sigma_data: float

    def vectors(self, records: Records) -> NDArray[np.float32]:
        """Encoded records as plain vectors `(N, D)`: every channel on one scale, gaps filled, all of one length."""
        return np.asarray(self.codec.encode(records).x.flatten(1).cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True)
class Scored:
    """One piece of scored records."""

    z: NDArray[np.float64]
    """(n, K) z-scores of what the family measured; by noise level for denoising errors."""
    scores: dict[str, NDArray[np.float64]]
    """Detector -> (n,): the family, `kernel`, `fusion` and the classical ones; higher is more anomalous."""
    residuals: NDArray[np.float32]
    """(n, M, *spatial)"""


def pieces(positions: NDArray[np.int64], schema: Schema, levels: int) -> list[NDArray[np.int64]]:
    """Positions in pieces whose residual maps fit in a fixed amount of memory."""
    size = int(np.clip(_PIECE_VALUES // (levels * int(np.prod(schema.shape))), 1, 512))
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _some(positions: NDArray[np.int64], most: int, seed: int, purpose: str) -> NDArray[np.int64]:
    if len(positions) <= most:
        return positions
    return np.sort(seeding.generator(seed, purpose).choice(positions, most, replace=False))


@dataclass(frozen=True)
class Scale:
    """From K measured values to one score in robust standard deviations of the calibration records."""

    level: RobustZ
    overall: RobustZ
    two_sided: bool

    @classmethod
    def fit(cls, values: NDArray[np.float64], *, two_sided: bool = False) -> Self:
        """Learn both from calibration values `(n, K)`."""
        level = RobustZ.fit(values)
        return cls(level, RobustZ.fit(_together(level(values), two_sided)), two_sided)

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores `(n,)` of values `(n, K)`."""
        return self.overall(_together(self.level(values), self.two_sided))


def _together(z: NDArray[np.float64], two_sided: bool) -> NDArray[np.float64]:
    """One value for each row of `(n, K)`."""
    above = np.abs(z) if two_sided else np.logaddexp(0.0, 2.0 * z) / 2.0
    return np.asarray(np.sqrt(np.square(above).mean(axis=1)))


class CalibratedScorer:
    """Anomaly scores of records by one model, calibrated on records that it never saw.

    Args:
        model: denoiser, codec and modality of a run.
        family: what is measured, see `synthgen.evaluation.families`.
        levels, low, high, repeats: noise levels in units of sigma_data, and noises at each.
        condition: what the model is told about a record.
        seed: of noises, forest and draws.
        batch_size: rows of one network call; None: by the size of a record.
    """

    def __init__(
        self,
        model: Model,
        *,
        family: str = "denoising",
        levels: int = 8,
        low: float = LOWEST_NOISE,
        high: float = HIGHEST_NOISE,
        repeats: int = 4,
        condition: ScoringCondition = "best",
        seed: int = 0,
        batch_size: int | None = None,
    ) -> None:
        self.model = model
        self.family = find_family(family)
        chosen = int(np.clip(_CALL_VALUES // int(np.prod(model.schema.shape)), 32, 2048))
        rows = batch_size if batch_size is not None else chosen
        self.setting = Setting(model.sigma_data, low, high, levels, repeats, seed, rows)
        self._condition, self._seed = condition, seed
        self.blocks: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        """(n_cal,) block of each calibration record; see `synthgen.evaluation.blocks`."""
        self.calibration: dict[str, NDArray[np.float64]] = {}
        """Detector -> (n_cal,) scores of the calibration records."""
        self.some_calibrating: Records | None = None
        """A few of those records, once fitted."""

    @property
    def evaluations(self) -> int:
        """Network evaluations a record, without those that find its class."""
        return self.family.evaluations(self.setting)

    @property
    def calibration_size(self) -> int:
        """Calibration blocks: how finely p-values are resolved."""
        return len(np.unique(self.blocks))

    def column(self, method: Method) -> str:
        """The name of a method's scores among the detectors."""
        return self.family.name if method == "model" else method

    def p_values(self, column: str, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Conformal p-values of scores of one detector."""
        return conformal_p(self.calibration[column], scores, blocks=self.blocks)

    def fit(
        self,
        source: Source,
        *,
        train: NDArray[np.int64],
        calibration: NDArray[np.int64],
        embedder: Embedder | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Self:
        """Fit the classical detectors on `train` and calibrate everything on `calibration` (positions in `source`).

        At most 5,000 training and 2,000 calibration records are used, drawn by the seed.

        Args:
            source: the run's data.
            train: what the model was trained on.
            calibration: what it never saw.
            embedder: not yet fitted; fitted on the training records, it adds detectors on features.
            progress: called with the number of calibration records done.

        Raises:
            DataError: fewer than 8 calibration records.
        """
        if len(calibration) < _FEWEST_CALIBRATION_RECORDS:
            raise DataError(
                f"{len(calibration)} records are left to calibrate scores on; "
                f"{_FEWEST_CALIBRATION_RECORDS} is the least that gives p-values",
                hint="Train with a larger data.calibration share, or on more records.",
            )
        schema, levels = self.model.schema, self.setting.levels
        chosen = _some(calibration, _CALIBRATION_RECORDS, self._seed, "calibration")
        fitting = min(_FIT_RECORDS, _FIT_VALUES // int(np.prod(schema.shape)) + 1)
        training = source.read(_some(train, fitting, self._seed, "detectors"))
        kept_maps = max(2, _MAP_VALUES // (levels * int(np.prod(schema.shape[1:]))))
        measured, maps, read, done = [], [], [], 0
        for piece in pieces(chosen, schema, levels):
            records = source.read(piece)
            found = self._measure(self.model.denoiser, self.model.codec.encode(records))
            measured.append(found.values)
            maps.append(found.maps[: max(0, kept_maps - done)])
            read.append(records)
            done += len(piece)
            if progress is not None:
                progress(done)
        values = np.concatenate(measured)
        usable = np.flatnonzero(np.isfinite(values).all(axis=1))
        calibrating = Records.concatenate(read).take(usable)
        self.some_calibrating = calibrating.take(slice(0, _KEPT_RECORDS))
        remembered = self._remember(training, calibrating, independent=source.groups is None)
        self._scale = Scale.fit(values[usable], two_sided=self.family.two_sided)
        self._kernel_scale = Scale.fit(remembered)
        self.maps = MapCalibration.fit(np.concatenate(maps))
        self._baselines = Baselines.fit(
            training,
            calibrating,
            vectors=self.model.vectors,
            embedder=None if embedder is None else embedder.fit(training),
            seed=self._seed,
        )
        ours, kernel = self._scale(values[usable]), self._kernel_scale(remembered)
        self.calibration = self._fused(ours, kernel, self._baselines.calibration)
        groups = None if source.groups is None else np.asarray(source.groups)[chosen[usable]]
        self.blocks = blocks_of(self.model.codec.encode(calibrating).x.cpu().numpy(), groups)
        return self

    def score(self, records: Records) -> Scored:
        """Score a piece of records; a record with no observed value gets NaN from the model."""
        batch = self.model.codec.encode(records)
        found = self._measure(self.model.denoiser, batch)
        ours, kernel = self._scale(found.values), self._kernel_scale(self._remembered(batch))
        scores = self._fused(ours, kernel, self._baselines.score(records))
        return Scored(self._scale.level(found.values), scores, found.maps)

    def _measure(self, denoiser: AnyDenoiser, batch: Batch) -> Measured:
        return self.family.measure(denoiser, batch, self._told(denoiser, batch), self.setting)

    def _remember(self, training: Records, calibrating: Records, *, independent: bool) -> NDArray[np.float64]:
        """Fit the denoiser that remembers; the values of the calibration records, each without itself."""
        kept = Records.concatenate([training, calibrating]) if independent else training
        self._kernel = self._remembering(kept)
        measured = []
        for piece in pieces(np.arange(len(calibrating)), self.model.schema, self.setting.levels):
            own = {OWN: torch.from_numpy(piece + len(training))} if independent else None
            measured.append(self._remembered(self.model.codec.encode(calibrating.take(piece)), own))
        return np.concatenate(measured)

    def _remembered(self, batch: Batch, own: Mapping[str, torch.Tensor] | None = None) -> NDArray[np.float64]:
        measure = FAMILIES["denoising"].measure
        return measure(self._kernel, batch, self._told(self._kernel, batch, own), self.setting).values

    def _told(
        self, denoiser: AnyDenoiser, batch: Batch, beside: Mapping[str, torch.Tensor] | None = None
    ) -> Mapping[str, torch.Tensor] | None:
        return told(
            denoiser,
            batch,
            self.setting.sigmas,
            self.model.schema,
            condition=self._condition,
            seed=self._seed,
            batch_size=self.setting.batch_size,
            beside=beside,
        )

    def _remembering(self, training: Records) -> KernelDenoiser:
        batch = self.model.codec.encode(training)
        return KernelDenoiser.fit(batch.x, batch.conditions.get("label"), condition="label")

    def _fused(
        self, ours: NDArray[np.float64], kernel: NDArray[np.float64], others: Mapping[str, NDArray[np.float64]]
    ) -> dict[str, NDArray[np.float64]]:
        """The scores of all detectors from the z of each."""
        fused = {"fusion": (ours + kernel) / 2, "fusion_knn": (ours + kernel + others["knn"]) / 3}
        return {self.family.name: ours, "kernel": kernel, **fused, **others}
