"""Where weights come from other than from chance: another run's, some of them frozen, or changed by adapters only."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from synthgen.config import RunConfig
from synthgen.errors import ConfigError, RunError
from synthgen.nn.lora import add_adapters
from synthgen.training.optim import WHOLE_MATRICES

__all__ = ["Taken", "adapt", "check_sharding", "freeze", "take_weights"]

_NAMED = 4
_CLASS_TABLE = ".table.weight"


@dataclass(frozen=True)
class Taken:
    """What another run's weights filled.

    Args:
        taken: names of weights that were taken whole.
        partly: class tables of which the rows of known classes were taken.
        fresh: names that keep their random start.
        unused: names of the other run that this network has no place for.
    """

    taken: tuple[str, ...]
    partly: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]

    def sentence(self) -> str:
        """For people."""
        parts = [f"{len(self.taken)} weights were taken over"]
        for what, names in (
            ("are new or of another shape and start fresh", self.fresh),
            ("were filled for the classes that both runs have", self.partly),
            ("of the other run fit nowhere", self.unused),
        ):
            if names:
                listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
                parts.append(f"{len(names)} {what} ({listed})")
        return "; ".join(parts)


@torch.no_grad()
def take_weights(
    network: nn.Module, weights: Mapping[str, Tensor], *, labels: Sequence[str] = (), others: Sequence[str] = ()
) -> Taken:
    """Fill a network with another run's weights as far as names and shapes agree; class tables go by class name.

    Args:
        network: of this run.
        weights: of the other run.
        labels: class names of this run.
        others: class names of the other run.

    Raises:
        RunError: nothing fits.
    """
    own = network.state_dict()
    taken, partly = [], []
    for name, weight in weights.items():
        place = own.get(name)
        if place is None:
            continue
        by_class = name.endswith(_CLASS_TABLE) and len(place) == len(labels) + 1 and len(weight) == len(others) + 1
        if by_class and tuple(labels) != tuple(others) and place.shape[1:] == weight.shape[1:]:
            place[-1] = weight[-1]  # the null
            for row, label in enumerate(labels):
                if label in others:
                    place[row] = weight[list(others).index(label)]
            partly.append(name)
        elif place.shape == weight.shape:
            place.copy_(weight)
            taken.append(name)
    if not taken:
        raise RunError("no weight of the other run fits this network", hint="Train with the network of that run.")
    fresh = tuple(sorted(own.keys() - {*taken, *partly}))
    unused = tuple(sorted(name for name in weights if name not in {*taken, *partly}))
    return Taken(tuple(taken), tuple(partly), fresh, unused)


def freeze(network: nn.Module, patterns: Iterable[str]) -> int:
    """Stop training parameters whose names match a pattern such as `down.*`; how many numbers that are.

    Raises:
        ConfigError: a pattern that matches nothing, or nothing is left to train.
    """
    frozen = 0
    for pattern in patterns:
        matching = [p for name, p in network.named_parameters() if fnmatch.fnmatchcase(name, pattern)]
        if not matching:
            parts = sorted({name.split(".")[0] for name, _ in network.named_parameters()})
            raise ConfigError(
                f"train.freeze: no parameter matches {pattern!r}", hint=f"Parts of the network: {', '.join(parts)}."
            )
        frozen += sum(p.numel() for p in matching if p.requires_grad)
        for parameter in matching:
            parameter.requires_grad_(False)
    if not any(p.requires_grad for p in network.parameters()):
        raise ConfigError("train.freeze leaves nothing to train", hint="Freeze fewer parts.")
    return frozen


def adapt(network: nn.Module, rank: int, *, trainable: Iterable[str] = ()) -> int:
    """Freeze a network but for new low-rank adapters and the parameters named; how many numbers are left to train.

    Args:
        network: filled with another run's weights.
        rank: of the adapters.
        trainable: names of parameters that have no trained value and must be learnt.
    """
    kept = set(trainable)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name in kept)
    add_adapters(network, rank)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def check_sharding(config: RunConfig) -> None:
    """Refuse what does not work with weights that are cut over processes.

    Raises:
        ConfigError: an optimiser that needs whole matrices, adapters, or fp16.
    """
    if config.train.sharding != "fsdp":
        return
    if config.optim.name in WHOLE_MATRICES:
        raise ConfigError(
            f"optim.name={config.optim.name} needs whole matrices, and train.sharding=fsdp cuts them",
            hint="Take optim.name=adamw, or train.sharding=ddp.",
        )
    if config.train.lora_rank or config.train.precision == "fp16":
        raise ConfigError("train.sharding=fsdp does not go with train.lora_rank or fp16", hint="Take ddp.")
