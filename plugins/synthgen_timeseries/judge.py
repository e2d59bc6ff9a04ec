"""What users would train on labelled series: MiniRocket with a ridge classifier, or tsai's FCN or InceptionTime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from synthgen.data.outcome import ClassificationOutcome, own_probability, softmax_of_margins
from synthgen.errors import DataError
from synthgen.seeding import derive_seed
from synthgen_timeseries.rocket import MiniRocket, network
from synthgen_timeseries.series import ChannelScale

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synthgen.api import Outcome, Records, Schema

__all__ = ["NetworkJudge", "RocketJudge"]

_ALPHAS = np.logspace(-3, 3, 10)
_STEPS = 200
_BATCH = 16
_LR = 1e-3


class _Classifier:
    """Standardises the channels on its training records and knows what to do when these hold a single class."""

    measure = "accuracy"

    def __init__(self, schema: Schema, *, seed: int) -> None:
        self._schema = schema
        self.classes = schema.labels
        self._seed = seed
        self._scale: ChannelScale | None = None
        self._only: int | None = None

    def fit(self, records: Records) -> Self:
        """Train from scratch.

        Raises:
            DataError: the records carry no labels.
        """
        if records.label is None:
            raise DataError("a classifier needs labelled records")
        self._scale = ChannelScale.fit([records])
        found = np.unique(records.label)
        self._only = int(found[0]) if len(found) == 1 else None
        if self._only is None:
            self._train(self._prepared(records), records.label)
        return self

    def evaluate(self, records: Records) -> Outcome:
        """Predictions beside the records' labels."""
        if records.label is None:
            raise DataError("a classifier can only be tested on labelled records")
        if self._only is None:
            predicted = self._predict(self._prepared(records))
        else:
            predicted = np.full(len(records), self._only, dtype=np.int64)
        return ClassificationOutcome(records.label, predicted, self._schema.labels)

    def calibrate(self, real: Records) -> Self:
        """Nothing: probabilities are compared with those of real records."""
        return self

    def agreement(self, records: Records) -> NDArray[np.float64]:
        """How probable the classifier finds each series' own label, `(N, K)`."""
        if records.label is None:
            raise DataError("a classifier can only be asked about labelled records")
        if self._only is not None:
            return own_probability(np.eye(len(self.classes))[np.full(len(records), self._only)], records.label)
        return own_probability(self._probability(self._prepared(records)), records.label)

    def _prepared(self, records: Records) -> NDArray[np.float32]:
        assert self._scale is not None
        return self._scale.standardise(records, self._schema.shape[1]).astype(np.float32)

    def _train(self, x: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        raise NotImplementedError

    def _predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.asarray(self._probability(x).argmax(1), dtype=np.int64)

    def _probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        raise NotImplementedError


class RocketJudge(_Classifier):
    """MiniRocket features, scaled, with a cross-validated ridge classifier: the recipe of Dempster et al. (2021).

    Args:
        schema: names of the classes, number of steps.
        seed: of the features.
        features: about how many; the paper's 10,000 take several times as long for a fraction of a percent.
    """

    def __init__(self, schema: Schema, *, seed: int, features: int = 2_016) -> None:
        super().__init__(schema, seed=seed)
        self._rocket = MiniRocket(seed=derive_seed(seed, "judge"), features=features)
        self._ridge: Any = make_pipeline(StandardScaler(with_mean=False), RidgeClassifierCV(_ALPHAS))

    def _train(self, x: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        self._ridge.fit(self._rocket.fit(x).transform(x), label)

    def _predict(self, x: NDArray[np.float32]) -> NDArray[np.int64]:
        return np.asarray(self._ridge.predict(self._rocket.transform(x)), dtype=np.int64)

    def _probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        margins = np.asarray(self._ridge.decision_function(self._rocket.transform(x)))
        return softmax_of_margins(margins, np.asarray(self._ridge.classes_), len(self.classes))


class NetworkJudge(_Classifier):
    """A convolutional network of tsai, some steps of AdamW with one learning-rate cycle.

    Args:
        schema: names of the classes, number of channels and steps.
        seed: of weights and batches.
        name: `"fcn"` (Wang et al. 2017) or `"inceptiontime"` (Ismail Fawaz et al. 2020).
        steps, batch: optimiser steps, and records of each.
        dtype: in which the network runs while training; bf16 halves the time on processors that have it.
    """

    def __init__(
        self,
        schema: Schema,
        *,
        seed: int,
        name: str = "fcn",
        steps: int = _STEPS,
        batch: int = _BATCH,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(schema, seed=seed)
        self._name, self._steps, self._batch, self._dtype = name, steps, batch, dtype
        self._network: torch.nn.Module | None = None

    def _train(self, x: NDArray[np.float32], label: NDArray[np.int64]) -> None:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng():
            torch.manual_seed(derive_seed(self._seed, "judge-weights"))
            net = network(self._name, channels=x.shape[1], classes=len(self._schema.labels)).to(device).train()
        inputs, targets = torch.from_numpy(x).to(device), torch.from_numpy(label).to(device)
        batches = torch.Generator().manual_seed(derive_seed(self._seed, "judge-batches"))
        optimiser = torch.optim.AdamW(net.parameters(), lr=_LR)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LR, total_steps=self._steps)
        for _ in range(self._steps):
            rows = torch.randint(len(inputs), (self._batch,), generator=batches).to(device)
            with torch.autocast(device.type, dtype=self._dtype, enabled=self._dtype != torch.float32):
                logits = net(inputs[rows])
            loss = functional.cross_entropy(logits.float(), targets[rows])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            cycle.step()
        self._network = net.eval()

    def _probability(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        assert self._network is not None
        device = next(self._network.parameters()).device
        with torch.no_grad():
            parts = [self._network(part.to(device)).softmax(1).cpu() for part in torch.split(torch.from_numpy(x), 256)]
        return torch.cat(parts).double().numpy()
