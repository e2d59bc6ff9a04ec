"""The four scores by which papers compare generators of series, on windows `(N, C, L)` scaled to [0, 1].

    Context-FID      Fréchet distance of contrastive representations         Jeha et al. 2022 (PSA-GAN)
    correlational    distance of the channels' correlations                  Liao et al. 2020 (SigCWGAN)
    discriminative   how well a small recurrent network tells the two apart  Yoon et al. 2019 (TimeGAN)
    predictive       error of a network trained on synthetic, met with real  Yoon et al. 2019 (TimeGAN)

The settings are those of the code that published tables were made with (Yuan and Qiao 2024, Diffusion-TS): GRU of one
layer with half as many units as channels (at least 2), started as TensorFlow 1 starts it, Adam at 1e-3, batches of 128.
The scores are weak judges, kept as they are so that numbers can be compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from synthgen.data.gaussians import frechet_distance
from synthgen.errors import DataError
from synthgen.seeding import derive_seed, generator
from synthgen_timeseries.contrastive import ContrastiveEncoder

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Windows = NDArray[np.floating[Any]]

__all__ = ["context_fid", "correlational", "discriminative", "predictive"]

_BATCH = 128
_LR = 1e-3
_JUDGING = 2_000
_PREDICTING = 5_000
_TESTED = 0.2
_PIECE = 2_048


def context_fid(real: Windows, synthetic: Windows, *, seed: int, encoder: ContrastiveEncoder | None = None) -> float:
    """Fréchet distance between representations of real and synthetic windows.

    Args:
        real, synthetic: `(N, C, L)`.
        seed: of the encoder.
        encoder: a fitted one; None: one is trained on `real`, as the protocol has it.
    """
    chosen = encoder or ContrastiveEncoder(seed=seed).fit(real)
    return frechet_distance(chosen.transform(real), chosen.transform(synthetic))


def correlational(real: Windows, synthetic: Windows, *, share: float | None = 0.2, seed: int = 0) -> float:
    """Sum over pairs of channels of the difference of their correlation, over 10; not normalised, 0 for one channel.

    Args:
        real, synthetic: `(N, C, L)`.
        share: of the windows drawn with replacement for one value, a fifth in the protocol; None: all, as they are.
        seed: of the draw.
    """
    rng = generator(seed, "correlational")
    sides = []
    for x in (real, synthetic):
        chosen = x if share is None else x[rng.integers(0, len(x), max(2, int(share * len(x))))]
        sides.append(_correlations(np.asarray(chosen, dtype=np.float64)))
    lower = np.tril_indices(len(sides[0]))
    return float(np.abs(sides[0] - sides[1])[lower].sum() / 10)


def _correlations(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """`(C, C)` over windows and steps."""
    centred = x - x.mean(axis=(0, 2), keepdims=True)
    spread = np.maximum(centred.std(axis=(0, 2), keepdims=True), 1e-12)
    scaled = (centred / spread).transpose(1, 0, 2).reshape(x.shape[1], -1)
    return np.asarray(scaled @ scaled.T / scaled.shape[1])


def discriminative(real: Windows, synthetic: Windows, *, seed: int, iterations: int = _JUDGING) -> float:
    """|accuracy - 1/2| of a GRU that tells real from synthetic on a fifth that it was not trained on, 0 to 0.5.

    Raises:
        DataError: fewer than five windows on a side.
    """
    if min(len(real), len(synthetic)) < 5:
        raise DataError(f"{min(len(real), len(synthetic))} series a side are too few for a discriminative score")
    rng = generator(seed, "discriminative")
    parts = []
    for x in (real, synthetic):
        order = rng.permutation(len(x))
        tested = max(1, len(x) - int((1 - _TESTED) * len(x)))
        parts.append((_steps_first(x[order[tested:]]), _steps_first(x[order[:tested]])))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(derive_seed(seed, "discriminative-weights"))
        network = _Recurrent(real.shape[1], max(real.shape[1] // 2, 2))
        optimiser = torch.optim.Adam(network.parameters(), lr=_LR)
        for _ in range(iterations):
            batches = [x[torch.randperm(len(x))[:_BATCH]] for x, _ in parts]
            genuine, fake = (network(batch)[:, -1, 0] for batch in batches)
            loss = functional.softplus(-genuine).mean() + functional.softplus(fake).mean()
            _step(loss, optimiser)
    with torch.no_grad():
        genuine, fake = (torch.cat([network(p)[:, -1, 0] for p in torch.split(x, _PIECE)]) for _, x in parts)
    right = int((genuine > 0).sum()) + int((fake <= 0).sum())
    return abs(right / (len(genuine) + len(fake)) - 0.5)


def predictive(real: Windows, synthetic: Windows, *, seed: int, iterations: int = _PREDICTING) -> float:
    """Mean absolute error on real windows of a GRU that was trained on synthetic ones to predict one step ahead.

    It predicts the last channel from the others; a single channel from its own past.

    Raises:
        DataError: series of a single step.
    """
    if real.shape[2] < 2:
        raise DataError("series of a single step have no next one to predict")
    channels = real.shape[1]
    inputs = slice(0, 1) if channels == 1 else slice(0, channels - 1)
    x, y = (_steps_first(side[:, inputs]) for side in (synthetic, real))
    wanted, truth = (_steps_first(side[:, -1:]) for side in (synthetic, real))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(derive_seed(seed, "predictive-weights"))
        network = _Recurrent(x.shape[2], max(channels // 2, 2))
        optimiser = torch.optim.Adam(network.parameters(), lr=_LR)
        for _ in range(iterations):
            rows = torch.randperm(len(x))[:_BATCH]
            _step((torch.sigmoid(network(x[rows, :-1])) - wanted[rows, 1:]).abs().mean(), optimiser)
    with torch.no_grad():
        parts = zip(torch.split(y, _PIECE), torch.split(truth, _PIECE), strict=True)
        errors = [(torch.sigmoid(network(a[:, :-1])) - b[:, 1:]).abs().mean(dim=(1, 2)) for a, b in parts]
    return float(torch.cat(errors).double().mean())


class _Recurrent(nn.Module):
    """A GRU and a linear map at every step, `(B, L, inputs)` to `(B, L, 1)`."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = nn.GRU(inputs, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)
        for name, weight in self.cell.named_parameters():
            for gate in torch.split(weight, hidden) if weight.ndim > 1 else ():
                nn.init.xavier_uniform_(gate)
            if weight.ndim == 1:
                nn.init.zeros_(weight)
            if name.startswith("bias_ih"):
                nn.init.ones_(weight[: 2 * hidden])
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits at every step."""
        out: torch.Tensor = self.head(self.cell(x)[0])
        return out


def _step(loss: torch.Tensor, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


def _steps_first(x: Windows) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1), dtype=np.float32))
