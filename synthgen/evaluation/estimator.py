"""`synthgen.Scorer`: the anomaly score with scikit-learn's manners, on arrays instead of files.

    scorer = synthgen.Scorer(modality="vectors").fit(x_train)
    scorer.predict(x)            # 1 normal, -1 anomalous, with a false-alarm rate of alpha
    scorer.p_values(x)           # calibrated
    scorer.score_samples(x)      # higher for normal records, as scikit-learn has it

It clones, takes part in a `Pipeline` and remembers nothing on disk: the run that `fit` trains lies in a temporary
directory and is read into memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from synthgen.config import DataConfig, merge
from synthgen.data.opening import open_source
from synthgen.errors import DataError
from synthgen.evaluation.calibration import check_alpha
from synthgen.evaluation.scorer import CalibratedScorer, Method, Model, pieces
from synthgen.io.run import Run
from synthgen.training import train

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Records, Source
    from synthgen.evaluation.denoising import ScoringCondition

__all__ = ["Scorer"]

_GROUPS = "scorer_groups"
_HOLDOUT = 0.02  # nothing is reported on it here; the calibration records are what counts


class Scorer(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """An anomaly detector: trains a diffusion model on normal records and calibrates it on some that it leaves out.

    Args:
        modality: of the records: `vectors` `(N, D)`, `timeseries` `(N, C, L)` or `(N, L)`, `image` `(N, H, W)` or
            `(N, H, W, C)`, or a plugin's that reads `.npz`.
        method: `"model"`, `"kernel"`, `"fusion"` or `"fusion_knn"`, see `synthgen.score`.
        family: what the model measures, see `synthgen.evaluation.families`.
        alpha: false-alarm rate of `predict`.
        calibration: share of the records given to `fit` that only calibrate.
        samples, minutes: of training; None: by the number of records.
        condition: what the model is told while scoring.
        overrides: configuration of the training as nested dictionaries.
        run: a trained run; `fit` then calibrates it on the records it is given and trains nothing.
        seed: of everything random.

    Attributes:
        run_: facts of the trained run (`run.json`).
        n_features_in_: values of a record.
        calibrated_: the scorer behind it.
        offset_: `decision_function` is `score_samples - offset_`.
    """

    def __init__(
        self,
        modality: str = "vectors",
        *,
        method: Method = "fusion",
        family: str = "denoising",
        alpha: float = 0.05,
        calibration: float = 0.2,
        samples: int | None = None,
        minutes: float | None = None,
        condition: ScoringCondition = "best",
        overrides: Mapping[str, Any] | None = None,
        run: str | Path | None = None,
        seed: int = 0,
    ) -> None:
        self.modality = modality
        self.method = method
        self.family = family
        self.alpha = alpha
        self.calibration = calibration
        self.samples = samples
        self.minutes = minutes
        self.condition = condition
        self.overrides = overrides
        self.run = run
        self.seed = seed

    def fit(self, X: Any, y: Any = None, groups: Any = None) -> Self:
        """Train on records that are normal and calibrate on a part of them.

        Args:
            X: records as an array with the record axis first.
            y: class labels to condition the model on; None: unlabelled. It does not say what is anomalous.
            groups: `(N,)`, what each record comes from, such as a machine or the long series that windows were cut
                from. A group trains or calibrates as a whole and counts once, see `synthgen.evaluation.blocks`; without
                them windows that overlap are taken for independent, and p-values come out too small.

        Raises:
            DataError: too few records to train and calibrate on.
            UsageError: `alpha` below what the calibration records can resolve.
        """
        array = np.asarray(X)
        with tempfile.TemporaryDirectory(prefix="synthgen-scorer-") as folder:
            path = Path(folder) / "records.npz"
            given = {"y": y, _GROUPS: groups}
            np.savez(
                path,
                allow_pickle=False,
                X=array,
                **{name: np.asarray(value) for name, value in given.items() if value is not None},
            )
            data = {} if groups is None else {"group_column": _GROUPS}
            if self.run is None:
                run = train(self._configuration(data), modality=self.modality, data=path, out=Path(folder) / "run")
                source = run.source()
                calibrating = run.split.calibration
                fitting = np.setdiff1d(np.arange(len(source)), calibrating)
            else:
                run = Run.open(self.run)
                source = open_source(run.schema.modality, DataConfig(path=str(path), **data))
                calibrating, fitting = self._parted(source)
            model = Model(run.denoiser(), run.codec(), run.modality, run.schema, run.config.noise.sigma_data)
            self.calibrated_ = CalibratedScorer(
                model, family=self.family, condition=self.condition, seed=self.seed
            ).fit(source, train=fitting, calibration=calibrating)
        self.run_ = dict(run.facts)
        self._column = self.calibrated_.column(self.method)
        check_alpha(self.alpha, self.calibrated_.calibration_size)
        self.n_features_in_ = int(np.prod(array.shape[1:]))
        self._shape = array.shape[1:]
        # the smallest score whose p-value is at most alpha
        ordered = np.unique(self.calibrated_.calibration[self._column])
        alarming = self.calibrated_.p_values(self._column, np.nextafter(ordered, np.inf)) <= self.alpha
        self.offset_ = -float(ordered[alarming][0])
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the anomaly score, `(N,)`: the lower, the more anomalous."""
        return -self._scores(X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """`score_samples - offset_`: negative where `predict` says anomalous."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """1 for normal records, -1 for those with a p-value of at most `alpha`, int64 `(N,)`."""
        return np.where(self.p_values(X) <= self.alpha, -1, 1).astype(np.int64)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Conformal p-values `(N,)`: valid for any number of calibration records as long as normals stay alike."""
        scores = self._scores(X)
        return self.calibrated_.p_values(self._column, scores)

    def detectors(self, X: Any) -> dict[str, NDArray[np.float64]]:
        """Scores of every detector, the classical ones among them, by name; higher is more anomalous."""
        check_is_fitted(self, "run_")
        records = self._records(X)
        schema, levels = self.calibrated_.model.schema, self.calibrated_.setting.levels
        parts = [self.calibrated_.score(records.take(piece)).scores for piece in pieces(_all(records), schema, levels)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _scores(self, X: Any) -> NDArray[np.float64]:
        return self.detectors(X)[self._column]

    def _records(self, X: Any) -> Records:
        """Arrays become records by the modality's own reader."""
        array = np.asarray(X)
        if array.shape[1:] != self._shape:
            raise DataError(f"records of shape {array.shape[1:]} do not fit a scorer that was fitted on {self._shape}")
        with tempfile.TemporaryDirectory(prefix="synthgen-scorer-") as folder:
            np.savez(Path(folder) / "records.npz", X=array)
            source = open_source(
                self.calibrated_.model.schema.modality, DataConfig(path=str(Path(folder) / "records.npz"))
            )
            return source.read(np.arange(len(source)))

    def _parted(self, source: Source) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Records that calibrate, and those that the classical detectors fit; whole groups."""
        groups = np.arange(len(source)) if source.groups is None else np.asarray(source.groups)
        names, group_of = np.unique(groups, return_inverse=True)
        order = np.random.default_rng(self.seed).permutation(len(names))
        calibrates = np.isin(group_of, order[: round(self.calibration * len(names))])
        return np.flatnonzero(calibrates), np.flatnonzero(~calibrates)

    def _configuration(self, data: Mapping[str, Any]) -> dict[str, Any]:
        chosen: dict[str, Any] = {
            "data": {"calibration": self.calibration, "holdout": _HOLDOUT, **data},
            # a precision chosen by a timed probe would not give the same scores twice
            "train": {"seed": self.seed, "samples": self.samples, "minutes": self.minutes, "precision": "fp32"},
            # with it a fault in one channel of a series shows as much in those that go with it
            "noise": {"covariance": False},
        }
        chosen["train"] = {key: value for key, value in chosen["train"].items() if value is not None}
        return merge(chosen, self.overrides or {})


def _all(records: Records) -> NDArray[np.int64]:
    return np.arange(len(records), dtype=np.int64)
