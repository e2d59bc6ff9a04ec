"""The only place that imports tsai, inside functions: MiniRocket features, and the FCN and InceptionTime networks.

MiniRocket (Dempster et al. 2021) convolves a series with 84 fixed kernels at several dilations and keeps the share of
positive values above biases drawn from the data: cheap features on which a linear model is a strong classifier.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MiniRocket", "network"]

_SHORTEST = 9  # the kernels' length
_KERNELS = 84
_DILATIONS = 16
_TRANSFORM_CELLS = 2**21  # of one convolution's output: fits in cache
_FIT_CELLS = 2**26


class MiniRocket:
    """MiniRocket features of `(N, C, L)` arrays, biases fitted on the first array.

    Args:
        seed: of kernels' channel combinations and biases.
        features: about how many, at least 84.
    """

    def __init__(self, *, seed: int, features: int = 2_016) -> None:
        self._seed = seed % 2**32
        self._features = features
        self._model: Any = None

    def fit(self, x: NDArray[np.floating[Any]]) -> Self:
        """Draw the biases from these series."""
        from tsai.models.MINIROCKET_Pytorch import MiniRocketFeatures

        data = _long_enough(x)
        chunk = _chunk(data, _FIT_CELLS)
        with _numpy_state_kept():
            self._model = MiniRocketFeatures(
                data.shape[1],
                data.shape[2],
                num_features=self._features,
                max_dilations_per_kernel=_DILATIONS,
                random_state=self._seed,
            )
            with torch.no_grad():
                self._model.fit(data, chunk)
        return self

    def transform(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Features `(N, D)`."""
        from tsai.models.MINIROCKET_Pytorch import get_minirocket_features

        data = _long_enough(x)
        with torch.no_grad():
            features = get_minirocket_features(data, self._model, chunksize=_chunk(data, _TRANSFORM_CELLS))
        return np.asarray(features[:, :, 0], dtype=np.float32)


def network(name: str, *, channels: int, classes: int) -> torch.nn.Module:
    """tsai's network `"fcn"` or `"inceptiontime"`, mapping `(B, C, L)` to logits `(B, classes)`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tsai loads fastai, which compiles functions with the deprecated torch.jit
        if name == "fcn":
            from tsai.models.FCN import FCN as Network
        else:
            from tsai.models.InceptionTime import InceptionTime as Network
    module: torch.nn.Module = Network(channels, classes)
    return module


def _long_enough(x: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    missing = max(0, _SHORTEST - x.shape[2])
    return np.ascontiguousarray(np.pad(x, ((0, 0), (0, 0), (0, missing))), dtype=np.float32)


def _chunk(data: NDArray[np.float32], cells: int) -> int:
    return int(np.clip(cells // (_KERNELS * data.shape[1] * data.shape[2]), 1, 1024))


@contextmanager
def _numpy_state_kept() -> Iterator[None]:
    """tsai seeds numpy's global generator; whoever relies on it must not notice."""
    state = np.random.get_state()
    try:
        yield
    finally:
        np.random.set_state(state)
