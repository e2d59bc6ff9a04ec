from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from synthgen.api import Condition

CONDITIONS = (Condition("label", "class", 4), Condition("context", "vector", 2))


@pytest.fixture
def conditions() -> tuple[Condition, ...]:
    return CONDITIONS


@pytest.fixture
def told() -> dict[str, torch.Tensor]:
    """Three rows of conditions, one null in each."""
    return {"label": torch.tensor([0, 3, -1]), "context": torch.tensor([[0.3, -1.0], [math.nan, 0.0], [2.0, 0.1]])}


@pytest.fixture
def awaken():
    """Gives every parameter that starts at zero a random value, so that an untrained network reacts to its input."""

    def wake(network: nn.Module) -> nn.Module:
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            if not parameter.detach().any():
                parameter.data.normal_(std=0.2, generator=generator)
        return network.eval()

    return wake
