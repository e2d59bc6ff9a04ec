"""Optimiser and learning rate by name: decay on matrices only; warm-up, then one of three schedules.

    cooldown   peak, then linearly to zero over the last share of training (default)
    cosine     half a cosine from the peak to zero
    constant   peak to the end; for runs whose end is not known

The fall to zero matters: at equal loss, an unannealed run samples worse (Schaipp 2025, arXiv:2510.19376).

    adamw      Loshchilov & Hutter 2019, arXiv:1711.05101         rmsprop   Tieleman & Hinton 2012, lecture 6.5
    adam       Kingma & Ba 2015, arXiv:1412.6980                  sgd       with Nesterov's momentum
    muon       `synthgen.training.muon`                           lamb      `synthgen.training.lamb`
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from synthgen.config import OptimConfig, merge
from synthgen.training.lamb import Lamb
from synthgen.training.muon import Muon

__all__ = ["WHOLE_MATRICES", "build_optimizer", "rate_factor", "usual_optimizer"]

WHOLE_MATRICES = ("muon", "lamb")
"""Optimisers whose step for a matrix takes all of it, so that it cannot be cut over processes."""

_HIDDEN = 16


def build_optimizer(modules: Iterable[nn.Module], config: OptimConfig) -> torch.optim.Optimizer:
    """An optimiser over the modules' trainable parameters, weight decay on those with two or more dimensions."""
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
        case "rmsprop":
            return torch.optim.RMSprop(groups, lr=config.lr, alpha=config.betas[1])
        case "lamb":
            return Lamb([{**groups[0], "trust": True}, {**groups[1], "trust": False}], lr=config.lr, betas=config.betas)
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
            return torch.optim.SGD(groups, lr=config.lr, momentum=config.betas[0], nesterov=config.betas[0] > 0)


def rate_factor(progress: float, config: OptimConfig) -> float:
    """The learning rate as a share of its peak, at a progress of training in [0, 1]."""
    rise = min(1.0, progress / config.warmup) if config.warmup else 1.0
    match config.schedule:
        case "cooldown":
            fall = min(1.0, (1.0 - progress) / config.cooldown) if config.cooldown else 1.0
        case "cosine":
            past = max(0.0, progress - config.warmup) / (1.0 - config.warmup)
            fall = 0.5 * (1.0 + math.cos(math.pi * past))
        case "constant":
            fall = 1.0
    return max(0.0, min(rise, fall))


def usual_optimizer(usual: Mapping[str, Any], *asked: Mapping[str, Any]) -> Mapping[str, Any]:
    """A modality's usual choices, without its optimiser and rate where another optimiser or sharding is asked for.

    A learning rate that suits one optimiser may break another: Muon's 0.004 is four times too much for AdamW.

    Args:
        usual: nested, as `Modality.configure` gives them.
        asked: what the preset and the user say, nested.
    """
    said = merge({}, *asked)
    optim = dict(usual.get("optim", {}))
    name = optim.get("name", OptimConfig().name)
    wanted = said.get("optim", {}).get("name")
    cut = said.get("train", {}).get("sharding") == "fsdp" and wanted is None
    if wanted not in (None, name) or (cut and name in WHOLE_MATRICES):
        return {**usual, "optim": {key: value for key, value in optim.items() if key not in ("name", "lr")}}
    return usual
