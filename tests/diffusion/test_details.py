"""Fine detail beside x: the bands of the transform, noise of unit size in each, and networks that read them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from synthgen.api import Schema
from synthgen.config import resolve
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.details import DETAILS, bands, details, details_condition
from synthgen.io.run import build_denoiser
from synthgen.training.precision import autocast


@pytest.mark.parametrize("shape", [(2, 40), (1, 3), (3, 9, 14)])
def test_each_band_is_what_one_more_smoothing_takes_away(shape: tuple[int, ...]) -> None:
    """Against scipy's correlation with the dilated filter, which repeats the edge too."""
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    rest = x.numpy()
    for octave, band in enumerate(bands(x, 4)):
        weights = np.zeros(2 * 2**octave + 1)
        weights[[0, 2**octave, -1]] = 0.25, 0.5, 0.25
        smooth = rest
        for axis in range(2, x.ndim):
            smooth = ndimage.correlate1d(smooth, weights, axis=axis, mode="nearest")
        np.testing.assert_allclose(band.numpy(), rest - smooth, atol=1e-12)
        rest = smooth


def test_a_straight_line_has_no_detail_but_at_its_ends() -> None:
    line = torch.linspace(0, 1, 64)[None, None]
    for octave, band in enumerate(bands(line, 3)):
        reach = 2 ** (octave + 1)
        assert float(band[..., reach:-reach].abs().max()) < 1e-6


@pytest.mark.parametrize("shape", [(1, 4_096), (1, 96, 96)])
@pytest.mark.parametrize("sigma", [1e-3, 30.0])
def test_white_noise_has_unit_deviation_in_every_octave(shape: tuple[int, ...], sigma: float) -> None:
    noise = sigma * torch.randn(16, *shape, generator=torch.Generator().manual_seed(1))
    found = details(noise, torch.full((16, *[1] * len(shape)), sigma), 4).sinh()  # before asinh
    inner = found[(...,) + (slice(16, -16),) * (len(shape) - 1)]
    assert found.shape == (16, 4, *shape[1:])
    torch.testing.assert_close(inner.transpose(0, 1).flatten(1).std(dim=1), torch.ones(4), atol=0.05, rtol=0)


def test_every_channel_has_details_of_its_own_level() -> None:
    x = torch.randn(3, 2, 32)
    levels = torch.tensor([[0.1, 2.0]]).expand(3, 2)[..., None]
    found = details(x, levels, 2)
    first = details(x[:, :1], torch.full((3, 1, 1), 0.1), 2)
    second = details(x[:, 1:], torch.full((3, 1, 1), 2.0), 2)
    torch.testing.assert_close(found, torch.stack([first, second], dim=2).flatten(1, 2))


class _Kept(nn.Module):
    """A network that keeps what it was told."""

    def forward(self, x: Tensor, noise: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        self.seen = conditions.get(DETAILS)
        return torch.zeros_like(x)


def test_the_network_reads_them_at_the_level_of_the_record() -> None:
    network = _Kept()
    x, sigma = torch.randn(2, 1, 16), torch.tensor([0.01, 5.0])
    Denoiser(network, octaves=3)(x, sigma, {})
    assert network.seen is not None
    torch.testing.assert_close(network.seen, details(x, sigma[:, None, None], 3))
    Denoiser(network)(x, sigma, {})
    assert network.seen is None


def test_noise_below_the_resolution_of_bf16_is_seen() -> None:
    """What a network is told of noise of a thousandth of the signal survives bf16 beside x, and not in x."""
    time = torch.linspace(0, 2 * math.pi, 1_024)
    clean = 2 * torch.sin(time)[None, None]
    noise = 1e-3 * torch.randn(1, 1, 1_024, generator=torch.Generator().manual_seed(2))
    told = details(clean + noise, torch.full((1, 1, 1), 1e-3), 1).to(torch.bfloat16)
    finest = bands(noise, 1)[0].flatten()
    blurred = bands((clean + noise).to(torch.bfloat16).float(), 1)[0].flatten()
    inner = slice(4, -4)

    def correlation(a: Tensor) -> float:
        return float(torch.corrcoef(torch.stack([a[inner], finest[inner]]))[0, 1])

    assert correlation(told.float().flatten()) > 0.95
    assert correlation(blurred) < 0.5


@pytest.mark.parametrize("name", ["unet", "dit", "grid", "image unet", "vit"])
def test_every_network_takes_and_heeds_them(name: str) -> None:
    modality, shape = ("timeseries", (2, 24)) if name in ("unet", "dit", "grid") else ("image", (3, 8, 8))
    schema = Schema(modality, shape, ())
    network = {"name": name.split()[-1], "width": 16, "blocks": 1, "patch": 2 if name == "vit" else 1}
    config = resolve([{"modality": modality, "network": network, "noise": {"details": 2}}])
    denoiser = build_denoiser(config, schema)
    plain = build_denoiser(resolve([config.model_dump() | {"noise": {"details": 0}}]), schema)
    assert sum(p.numel() for p in denoiser.parameters()) > sum(p.numel() for p in plain.parameters())
    with torch.no_grad():
        for parameter in denoiser.parameters():
            if not parameter.any():
                parameter.normal_(std=0.1)
    x, sigma = torch.randn(3, *shape), torch.tensor([0.01, 1.0, 20.0])
    with autocast(torch.device("cpu"), "bf16"):
        found = denoiser(x, sigma, {})
    assert found.shape == x.shape
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
    denoiser.octaves = 0  # the network is told nothing of them
    with autocast(torch.device("cpu"), "bf16"):
        assert not torch.allclose(denoiser(x, sigma, {}), found, rtol=0.05)
    assert details_condition(shape, 2).size == 2 * shape[0]
