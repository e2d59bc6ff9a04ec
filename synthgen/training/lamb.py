"""LAMB: Adam's direction, with each matrix moved by a share of its own size. For batches of thousands of records.

    r = m_hat / (sqrt(v_hat) + eps) + wd w
    w <- w - lr (|w| / |r|) r          trust ratio |w| / |r| for matrices, 1 for vectors and where either norm is 0

Source: You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", arXiv:1904.00962,
algorithm 2 with phi the identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from synthgen.training.adam import adam_direction

__all__ = ["Lamb"]


class Lamb(torch.optim.Optimizer):
    """LAMB over parameter groups.

    Args:
        groups: parameter groups with `weight_decay` and `trust`: whether the trust ratio scales their updates.
        lr: learning rate; with a trust ratio, roughly the share by which a matrix may change in a step.
        betas: decay rates of the two moments.
        eps: added to the root of the second moment.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.99),
        eps: float = 1e-6,
    ) -> None:
        super().__init__(list(groups), {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "trust": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update from the gradients at hand."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self._update(parameter, group)
                    ratio = _trust(parameter, update) if group["trust"] else 1.0
                    parameter.add_(update, alpha=-group["lr"] * ratio)

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> Tensor:
        assert parameter.grad is not None
        state = self.state[parameter]
        update = adam_direction(parameter.grad, state, betas=group["betas"], eps=group["eps"])
        return update.add_(parameter, alpha=group["weight_decay"])


def _trust(parameter: Tensor, update: Tensor) -> float:
    size, step = float(parameter.norm()), float(update.norm())
    return size / step if size > 0 and step > 0 else 1.0
