"""A contrastive encoder of series in the manner of TS2Vec, and the representation behind Context-FID.

Two overlapping crops of the same series go through a dilated convolutional network; at every time scale (halved by max
pooling) a step should recognise its own series among the batch, and its own step among the steps of its series.
Re-implemented from Yue et al. 2022, "TS2Vec: Towards universal representation of time series", arXiv 2106.10466, with
the settings of the Context-FID protocol: 320 features, hidden width 64, eleven blocks, batch 8, AdamW at 1e-3,
200 iterations up to 100,000 values and 600 beyond, weights averaged over all iterations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from synthgen.seeding import derive_seed

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import NDArray

__all__ = ["ContrastiveEncoder"]

_FEATURES = 320
_WIDTH = 64
_BLOCKS = 10
_BATCH = 8
_LR = 1e-3
_DROPOUT = 0.1
_KEPT = 0.5  # time steps that are not masked while training
_FEW_VALUES = 100_000
_ITERATIONS = (200, 600)
_PIECE = 256


class ContrastiveEncoder:
    """Representations `(N, 320)` of series `(N, C, L)`: the largest value over time of each feature.

    Args:
        seed: of weights, crops and masks.
        iterations: of training; None: 200 or 600, by the size of the data.
    """

    def __init__(self, *, seed: int, iterations: int | None = None) -> None:
        self._seed = seed
        self._iterations = iterations
        self._network: nn.Module | None = None

    def fit(self, x: NDArray[np.floating[Any]]) -> Self:
        """Train on `(N, C, L)`."""
        data = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1), dtype=np.float32))  # (N, L, C)
        iterations = self._iterations or _ITERATIONS[data.numel() > _FEW_VALUES]
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(derive_seed(self._seed, "contrastive"))
            network = _Network(data.shape[2]).train()
            averaged = AveragedModel(network)
            optimiser = torch.optim.AdamW(network.parameters(), lr=_LR)
            done = 0
            while done < iterations:
                for rows in torch.split(torch.randperm(len(data)), min(_BATCH, len(data))):
                    if done >= iterations or (len(rows) < _BATCH <= len(data)):
                        break
                    loss = _loss(*_two_views(network, data[rows]))
                    optimiser.zero_grad(set_to_none=True)
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
                    averaged.update_parameters(network)
                    done += 1
        self._network = averaged.eval()
        return self

    @torch.no_grad()
    def transform(self, x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """`(N, 320)` features of `(N, C, L)`."""
        assert self._network is not None
        data = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1), dtype=np.float32))
        parts = [self._network(piece).amax(dim=1) for piece in torch.split(data, _PIECE)]
        return np.asarray(torch.cat(parts).double().numpy())


class _Block(nn.Module):
    """Two dilated convolutions after GELU each, beside the identity."""

    def __init__(self, inputs: int, outputs: int, dilation: int, *, last: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, outputs, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv1d(outputs, outputs, 3, padding=dilation, dilation=dilation)
        self.beside = nn.Conv1d(inputs, outputs, 1) if last or inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(B, inputs, L)` to `(B, outputs, L)`."""
        out: torch.Tensor = self.second(functional.gelu(self.first(functional.gelu(x)))) + self.beside(x)
        return out


class _Network(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Linear(channels, _WIDTH)
        inner = [_Block(_WIDTH, _WIDTH, 2**level) for level in range(_BLOCKS)]
        self.blocks = nn.Sequential(*inner, _Block(_WIDTH, _FEATURES, 2**_BLOCKS, last=True))
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`(B, L, C)` to `(B, L, 320)`."""
        hidden = self.stem(x)
        if self.training:
            hidden = hidden * (torch.rand(hidden.shape[:2]) < _KEPT)[..., None]
        out: torch.Tensor = self.dropout(self.blocks(hidden.transpose(1, 2))).transpose(1, 2)
        return out


def _two_views(network: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Representations of the overlap of two random crops, `(B, l, 320)` each; each series is cut at its own place."""
    steps = x.shape[1]

    def between(low: int, high: int, size: tuple[int, ...] = ()) -> torch.Tensor:
        return torch.randint(low, high, size)

    length = int(between(min(2, steps), steps + 1))
    left = int(between(0, steps - length + 1))
    right = left + length
    outer_left, outer_right = int(between(0, left + 1)), int(between(right, steps + 1))
    offset = between(-outer_left, steps - outer_right + 1, (len(x),))
    first = network(_from(x, offset + outer_left, right - outer_left))[:, -length:]
    second = network(_from(x, offset + left, outer_right - left))[:, :length]
    return first, second


def _from(x: torch.Tensor, starts: torch.Tensor, length: int) -> torch.Tensor:
    """`length` steps of each series from its own start."""
    return x[torch.arange(len(x))[:, None], starts[:, None] + torch.arange(length)]


def _loss(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Mean over time scales of half the instance-wise plus half the temporal contrast."""
    total, scales = first.new_zeros(()), 0
    while first.shape[1] > 1:
        total = total + 0.5 * _contrast(torch.cat([first, second]).transpose(0, 1))
        total = total + 0.5 * _contrast(torch.cat([first, second], dim=1))
        first, second = (functional.max_pool1d(z.transpose(1, 2), 2).transpose(1, 2) for z in (first, second))
        scales += 1
    return (total + 0.5 * _contrast(torch.cat([first, second]).transpose(0, 1))) / (scales + 1)


def _contrast(z: torch.Tensor) -> torch.Tensor:
    """Softmax contrast of `(G, 2 K, D)`: row k of a group belongs to row k + K and to no other of its group."""
    size = z.shape[1]
    if size <= 2:
        return z.new_zeros(())
    similar = (z @ z.transpose(1, 2)).masked_fill(torch.eye(size, dtype=torch.bool), -torch.inf)
    partner = (torch.arange(size) + size // 2) % size
    return -functional.log_softmax(similar, dim=2)[:, torch.arange(size), partner].mean()
