"""`SyntheticAugmenter`: over-sampling by a diffusion model, by imbalanced-learn's contract, in scikit-learn's manners.

    Pipeline([("more", SyntheticAugmenter(run="runs/mine")), ("model", classifier)])      # imblearn.pipeline.Pipeline

As every sampler of imbalanced-learn it acts in `fit_resample` only, so that test data stays real.
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from synthgen import registry
from synthgen.api import Records
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError, UsageError
from synthgen.generation.generating import as_run
from synthgen.generation.plan import make_plan
from synthgen.generation.worker import make_records
from synthgen.io.run import Run
from synthgen.seeding import derive_seed

__all__ = ["SyntheticAugmenter"]

_STRATEGIES = ("auto", "not majority", "minority", "all")
_LABEL = "label"


class SyntheticAugmenter(BaseEstimator):  # type: ignore[misc]
    """Adds synthetic records of the smaller classes until the classes are balanced.

    Args:
        run: a trained run (or its directory) whose records look like X; None: one is trained on X and y.
        sampling_strategy: as in imbalanced-learn. `auto`, `not majority` and `all`: every class up to the largest;
            `minority`: the smallest only; a mapping: class -> number of records wanted in all.
        modality: of X; None: of the run, or by X's shape: images `(N, H, W)` of uint8 or uint16, or `(N, H, W, C)`,
            series `(N, channels, time)`, tables `(N, columns)` or a DataFrame where a plugin for tables is installed.
        samples: records seen in training, repeats counted; None: the modality's choice.
        guidance: classifier-free guidance weight; None: the run's.
        random_state: seed of training and generation, an int or None for 0.

    Attributes:
        run_: the run that was used; below a temporary directory that goes with this object when it was trained here.
        sampling_strategy_: class -> number of synthetic records that were added.
    """

    _sampling_type = "over-sampling"

    def __init__(
        self,
        run: Run | Path | str | None = None,
        *,
        sampling_strategy: str | Mapping[Any, int] = "auto",
        modality: str | None = None,
        samples: int | None = None,
        guidance: float | None = None,
        random_state: int | None = None,
    ) -> None:
        self.run = run
        self.sampling_strategy = sampling_strategy
        self.modality = modality
        self.samples = samples
        self.guidance = guidance
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> SyntheticAugmenter:
        """Train, or open the run, and settle how many records of each class will be added.

        Args:
            X: records, see `modality`.
            y: `(N,)` classes.

        Raises:
            UsageError: a strategy or modality that there is not.
            DataError: X cannot be read as records of the modality, or the run does not know a class.
        """
        names = [str(value) for value in np.asarray(y)]
        if len(names) != len(X):
            raise DataError(f"X has {len(X)} records, y has {len(names)}")
        self.classes_ = {str(value): value for value in np.unique(np.asarray(y))}
        self.sampling_strategy_ = _wanted(self.sampling_strategy, Counter(names))
        self.run_ = self._train(X, names) if self.run is None else as_run(self.run)
        unknown = sorted(set(self.sampling_strategy_) - set(self.run_.schema.labels))
        if unknown:
            known = ", ".join(self.run_.schema.labels[:20]) or "no labels"
            raise DataError(f"the run does not know the class {unknown[0]}", hint=f"It knows: {known}.")
        return self

    def fit_resample(self, X: Any, y: Any) -> tuple[Any, Any]:
        """The real records, followed by the synthetic ones; of X's and y's types."""
        self.fit(X, y)
        if not self.sampling_strategy_:
            return X, y
        seed = derive_seed(self.random_state or 0, "augmenter")
        plan = make_plan(self.run_, n=None, counts=self.sampling_strategy_, guidance=self.guidance, seed=seed)
        made = make_records(self.run_, plan, range(plan.n))
        assert made.label is not None
        labels = [self.classes_[self.run_.schema.labels[index]] for index in made.label]
        return _joined(X, made), _labels_joined(y, labels)

    def _train(self, X: Any, names: list[str]) -> Run:
        from synthgen.training import train

        modality = self.modality or _modality_of(X)
        place = Path(tempfile.mkdtemp(prefix="synthgen-augmenter-"))
        weakref.finalize(self, shutil.rmtree, place, ignore_errors=True)
        data = _written(X, names, place)
        open_source(modality, DataConfig(path=str(data), label_column=None if data.suffix == ".npz" else _LABEL))
        choices: dict[str, Any] = {"train": {"seed": self.random_state or 0}}
        if self.samples is not None:
            choices["train"]["samples"] = self.samples
        if data.suffix != ".npz":
            choices["data"] = {"label_column": _LABEL}
        return train(choices, modality=modality, data=data, out=place / "run")


def _wanted(strategy: str | Mapping[Any, int], counts: Counter[str]) -> dict[str, int]:
    """Class -> number of synthetic records to add."""
    if isinstance(strategy, Mapping):
        asked = {str(name): int(total) for name, total in strategy.items()}
        for name, total in asked.items():
            if total < counts[name]:
                raise UsageError(f"sampling_strategy asks for {total} of class {name}, and there are {counts[name]}")
        return {name: total - counts[name] for name, total in asked.items() if total > counts[name]}
    if strategy not in _STRATEGIES:
        raise UsageError(f"unknown sampling_strategy {strategy!r}", hint=f"Known: {', '.join(_STRATEGIES)}.")
    largest, smallest = max(counts.values()), min(counts.values())
    chosen = [name for name in counts if strategy != "minority" or counts[name] == smallest]
    return {name: largest - counts[name] for name in chosen if counts[name] < largest}


def _modality_of(X: Any) -> str:
    """The modality that records of this shape usually have."""
    shape = np.shape(X)
    if len(shape) == 4 or (len(shape) == 3 and np.asarray(X).dtype in (np.uint8, np.uint16)):
        return "image"
    if len(shape) == 3:
        return "timeseries"
    tables = [name for name in registry.names("modalities") if name not in ("image", "timeseries", "mask")]
    if len(shape) == 2 and len(tables) == 1:
        return tables[0]
    raise UsageError(
        f"X of shape {shape} does not say its modality",
        hint=f"Give modality=, one of {', '.join(registry.names('modalities'))}; tables need a plugin.",
    )


def _written(X: Any, names: list[str], place: Path) -> Path:
    """X and its labels as a file that readers know: .npz for arrays, Parquet for tables."""
    if np.ndim(X) != 2:
        path = place / "data.npz"
        np.savez(path, X=np.asarray(X), y=np.array(names))
        return path
    frame = X.copy() if isinstance(X, pd.DataFrame) else pd.DataFrame(np.asarray(X)).add_prefix("x")
    if _LABEL in frame:
        raise DataError(f"X has a column called {_LABEL!r}", hint="Rename it, so that y can be written beside X.")
    path = place / "data.parquet"
    frame.assign(**{_LABEL: names}).to_parquet(path)
    return path


def _joined(X: Any, made: Records) -> Any:
    """Real and synthetic records one after the other, of X's type."""
    if np.ndim(X) != 2:
        shape = np.shape(X)[1:]
        for column in made.columns.values():
            if column[0].size == int(np.prod(shape)):
                return np.concatenate([np.asarray(X), column.reshape(-1, *shape).astype(np.asarray(X).dtype)])
        found = {name: column.shape[1:] for name, column in made.columns.items()}
        raise DataError(f"the run's records are {found}, those of X are {shape}")
    frame = _table_of(made)
    if not isinstance(X, pd.DataFrame):
        values = frame.to_numpy()
        if values.shape[1] != np.shape(X)[1]:
            raise DataError(f"the run's records have {values.shape[1]} columns, X has {np.shape(X)[1]}")
        return np.concatenate([np.asarray(X), values.astype(np.asarray(X).dtype)])
    missing = [name for name in X.columns if name not in frame]
    if missing:
        raise DataError(f"the run's records have no column {missing[0]!r}, which X has")
    return pd.concat([X, frame[list(X.columns)].astype(X.dtypes.to_dict())], ignore_index=True)


def _table_of(made: Records) -> pd.DataFrame:
    columns = {name: column.reshape(len(made), -1) for name, column in made.columns.items()}
    if all(column.shape[1] == 1 for column in columns.values()):
        return pd.DataFrame({name: column[:, 0] for name, column in columns.items()})
    return pd.DataFrame(np.concatenate(list(columns.values()), axis=1))


def _labels_joined(y: Any, labels: list[Any]) -> Any:
    if isinstance(y, pd.Series):
        return pd.concat([y, pd.Series(labels, name=y.name).astype(y.dtype)], ignore_index=True)
    known: NDArray[Any] = np.asarray(y)
    return np.concatenate([known, np.array(labels, dtype=known.dtype)])
