"""Adam's direction, which LAMB scales matrix by matrix and Muon leaves to everything that is no matrix.

    m <- b1 m + (1 - b1) g     v <- b2 v + (1 - b2) g^2     direction = m_hat / (sqrt(v_hat) + eps)
    m_hat = m / (1 - b1^t), v_hat alike

Source: Kingma & Ba 2015, "Adam: a method for stochastic optimization", arXiv:1412.6980, algorithm 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["adam_direction"]


def adam_direction(gradient: Tensor, state: dict[str, Any], *, betas: tuple[float, float], eps: float) -> Tensor:
    """The direction for this gradient, of its shape; `state` is filled at the first call and updated at each."""
    if not state:
        state["step"] = torch.zeros(())
        state["mean"], state["square"] = torch.zeros_like(gradient), torch.zeros_like(gradient)
    first, second = betas
    state["step"] += 1
    count = float(state["step"])
    state["mean"].lerp_(gradient, 1 - first)
    state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    root = (state["square"] / (1 - second**count)).sqrt_().add_(eps)
    direction: Tensor = state["mean"] / (1 - first**count) / root
    return direction
