"""A trained model as a calibrated anomaly detector, beside the classical detectors fitted on the same training records.

    z[i, k] = (log e[i, k] - median_cal_k) / (1.4826 MAD_cal_k)          e: see `synthgen.evaluation.denoising`
    score_i = mean over k of z[i, k]

`denoising` is this score with the run's network, `kernel` the same with the denoiser that remembers the training
records (`synthgen.evaluation.kernel`), `fusion` the mean of the two. All are put on one scale with each other and with
the classical detectors by robust z on the calibration records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from synthgen import seeding
from synthgen.api import Records
from synthgen.errors import DataError
from synthgen.evaluation.calibration import MapCalibration, RobustZ
from synthgen.evaluation.denoising import ScoringCondition, conditional_errors, noise_levels
from synthgen.evaluation.detectors import Baselines
from synthgen.evaluation.kernel import KernelDenoiser

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Codec, Embedder, Modality, Schema, Source
    from synthgen.diffusion.denoiser import AnyDenoiser

__all__ = ["HIGHEST_NOISE", "LOWEST_NOISE", "Method", "Model", "Scored", "Scorer", "pieces"]

Method = Literal["denoising", "fusion", "kernel"]

LOWEST_NOISE, HIGHEST_NOISE = 0.25, 4.0
"""In units of the data's standard deviation. Below, simple records are restored well whatever they show; above, only
their mean counts. Chosen on digits with one class left out (`benchmarks/digits_one_class_out.py`)."""

_FIT_RECORDS = 5000  # most training records that the classical detectors see; their cost grows with the square
_FIT_VALUES = 2**24  # and most values in them
_CALIBRATION_RECORDS = 2000
_FEWEST_CALIBRATION_RECORDS = 8
_MAP_VALUES = 2**25  # residual values kept while maps are calibrated, 128 MiB
_PIECE_VALUES = 2**23  # residual values of one piece, 32 MiB
_TINY = 1e-12


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
    """(n, K) z-scores of the log denoising error at each noise level."""
    scores: dict[str, NDArray[np.float64]]
    """Detector -> (n,): `denoising`, `kernel`, `fusion` and the classical ones; higher is more anomalous."""
    residuals: NDArray[np.float32]
    """(n, K, *spatial)"""


def pieces(positions: NDArray[np.int64], schema: Schema, levels: int) -> list[NDArray[np.int64]]:
    """Positions in pieces whose residual maps fit in a fixed amount of memory."""
    size = int(np.clip(_PIECE_VALUES // (levels * int(np.prod(schema.shape))), 1, 512))
    return [positions[start : start + size] for start in range(0, len(positions), size)]


def _some(positions: NDArray[np.int64], most: int, seed: int, purpose: str) -> NDArray[np.int64]:
    if len(positions) <= most:
        return positions
    return np.sort(seeding.generator(seed, purpose).choice(positions, most, replace=False))


@dataclass(frozen=True)
class _Scale:
    """From log errors at K noise levels to one score in robust standard deviations of the calibration records."""

    level: RobustZ
    overall: RobustZ

    @classmethod
    def fit(cls, log_errors: NDArray[np.float64]) -> Self:
        level = RobustZ.fit(log_errors)
        return cls(level, RobustZ.fit(level(log_errors).mean(axis=1)))

    def __call__(self, log_errors: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.overall(self.level(log_errors).mean(axis=1))


class Scorer:
    """Anomaly scores of records by one model, calibrated on records that it never saw."""

    def __init__(
        self,
        model: Model,
        *,
        levels: int = 8,
        low: float = LOWEST_NOISE,
        high: float = HIGHEST_NOISE,
        repeats: int = 4,
        condition: ScoringCondition = "best",
        seed: int = 0,
        batch_size: int = 256,
    ) -> None:
        self.model = model
        self.sigmas = noise_levels(model.sigma_data, levels=levels, low=low, high=high)
        self._repeats, self._condition, self._seed, self._batch_size = repeats, condition, seed, batch_size

    def errors(self, denoiser: AnyDenoiser, records: Records) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Log denoising errors `(n, K)` and residual maps `(n, K, *spatial)`."""
        errors, maps = conditional_errors(
            denoiser,
            self.model.codec.encode(records),
            self.sigmas,
            self.model.schema,
            condition=self._condition,
            seed=self._seed,
            repeats=self._repeats,
            batch_size=self._batch_size,
        )
        return np.log(np.maximum(errors, _TINY)), maps

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
            embedder: not yet fitted; fitted on the training records, it adds `knn_features`.
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
        schema, levels = self.model.schema, len(self.sigmas)
        chosen = _some(calibration, _CALIBRATION_RECORDS, self._seed, "calibration")
        fitting = min(_FIT_RECORDS, _FIT_VALUES // int(np.prod(schema.shape)) + 1)
        training = source.read(_some(train, fitting, self._seed, "detectors"))
        kept_maps = max(2, _MAP_VALUES // (levels * int(np.prod(schema.shape[1:]))))
        self._kernel = self._remembering(training)
        logs, kernel_logs, maps, read, done = [], [], [], [], 0
        for piece in pieces(chosen, schema, levels):
            records = source.read(piece)
            piece_logs, piece_maps = self.errors(self.model.denoiser, records)
            logs.append(piece_logs)
            kernel_logs.append(self.errors(self._kernel, records)[0])
            maps.append(piece_maps[: max(0, kept_maps - done)])
            read.append(records)
            done += len(piece)
            if progress is not None:
                progress(done)
        calibrating = Records.concatenate(read)
        log_errors = np.concatenate(logs)
        usable = np.flatnonzero(np.isfinite(log_errors).all(axis=1))
        remembered = np.concatenate(kernel_logs)[usable]
        self._scale, self._kernel_scale = _Scale.fit(log_errors[usable]), _Scale.fit(remembered)
        self.maps = MapCalibration.fit(np.concatenate(maps))
        self._baselines = Baselines.fit(
            training,
            calibrating.take(usable),
            vectors=self.model.vectors,
            embedder=None if embedder is None else embedder.fit(training),
            seed=self._seed,
        )
        ours = _fused(self._scale(log_errors[usable]), self._kernel_scale(remembered))
        self.calibration = ours | dict(self._baselines.calibration)
        return self

    def score(self, records: Records) -> Scored:
        """Score a piece of records; a record with no observed value gets NaN from the model."""
        log_errors, residuals = self.errors(self.model.denoiser, records)
        remembered, _ = self.errors(self._kernel, records)
        ours = _fused(self._scale(log_errors), self._kernel_scale(remembered))
        return Scored(self._scale.level(log_errors), ours | self._baselines.score(records), residuals)

    def _remembering(self, training: Records) -> KernelDenoiser:
        batch = self.model.codec.encode(training)
        name = next((item.name for item in self.model.schema.conditions if item.kind == "class"), "label")
        return KernelDenoiser.fit(batch.x, batch.conditions.get(name), condition=name)


def _fused(denoising: NDArray[np.float64], kernel: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"denoising": denoising, "kernel": kernel, "fusion": (denoising + kernel) / 2}
