"""Optimiser and learning rate: decay on matrices only; warm-up, constant, linear cooldown to zero.

The cooldown matters: at equal loss, an unannealed run samples worse (Schaipp 2025, arXiv:2510.19376).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from synthgen.config import OptimConfig
from synthgen.training.muon import Muon

__all__ = ["build_optimizer", "rate_factor"]

_HIDDEN = 16


def build_optimizer(modules: Iterable[nn.Module], config: OptimConfig) -> torch.optim.Optimizer:
    """An optimiser over the modules' parameters, weight decay on those with two or more dimensions."""
    parameters = [parameter for module in modules for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    match config.name:
        case "adamw":
            return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
        case "adam":
            return torch.optim.Adam(groups, lr=config.lr, betas=config.betas, fused=True)
        case "muon":
            # Hidden matrices are orthogonalised; what has few rows or columns (input, output, embeddings) is not.
            hidden = [p for p in parameters if p.ndim >= 2 and min(p.shape[0], p[0].numel()) >= _HIDDEN]
            others = [p for p in parameters if p.ndim >= 2 and min(p.shape[0], p[0].numel()) < _HIDDEN]
            split = [
                {"params": hidden, "weight_decay": config.weight_decay, "orthogonal": True},
                {"params": others, "weight_decay": config.weight_decay, "orthogonal": False},
                {**groups[1], "orthogonal": False},
            ]
            return Muon(split, lr=config.lr, betas=config.betas)
        case "sgd":
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.betas[0], nesterov=True)


def rate_factor(progress: float, config: OptimConfig) -> float:
    """The learning rate as a share of its peak, at a progress of training in [0, 1]."""
    rise = min(1.0, progress / config.warmup) if config.warmup else 1.0
    fall = min(1.0, (1.0 - progress) / config.cooldown) if config.cooldown else 1.0
    return max(0.0, min(rise, fall))
