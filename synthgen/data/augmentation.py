"""Non-leaky augmentation: training sees transformed records and is told how they were transformed; sampling is told
nothing, which means "not at all", so no transformed record is ever generated.

Each transform acts on a record with a probability p of its own and writes its parameters into a vector; what did not
act writes zeros. The vector is a condition of the network. A record on which nothing acted has the null vector, as
every record has when the condition is left away: in sampling, held-out losses and scores.

A modality declares what is safe for its records with `augmentations(schema)`; even a transform that changes what a
record means (a mirrored 2 is no 2) is safe, since the network knows about it.

Source: Karras et al. 2022, arXiv:2206.00364, appendix F.2 (after Karras et al. 2020, arXiv:2006.06676), where p = 0.12.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synthgen import registry
from synthgen.api import Condition, Schema
from synthgen.config import RunConfig
from synthgen.errors import ConfigError

__all__ = ["Augmentation", "Transform", "augmentation_of", "flip", "quarter_turns", "scale", "shift"]

NAME = "augmentation"


@dataclass(frozen=True)
class Transform:
    """One way to change encoded records.

    Args:
        name: for messages.
        size: entries of its parameters.
        draw: `(n, generator)` -> parameters `(n, size)`, not all zero, of order one.
        apply: `(x, parameters)` -> x, of the same shape, each record by its row of parameters.
        values: whether it changes values; if not, it only moves them, and the weights of missing values move along.
    """

    name: str
    size: int
    draw: Callable[[int, torch.Generator], Tensor]
    apply: Callable[[Tensor, Tensor], Tensor]
    values: bool = False


class Augmentation:
    """Several transforms, one after the other.

    Args:
        transforms: in the order in which they act.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = tuple(transforms)
        self.size = sum(transform.size for transform in self.transforms)

    @property
    def condition(self) -> Condition:
        """The condition that tells the network."""
        return Condition(NAME, "vector", self.size, dropout=0.0)

    def __call__(
        self, x: Tensor, observed: Tensor | None, *, probability: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Transformed records and weights, and the vectors `(B, size)`; NaN where nothing acted.

        Args:
            x: encoded records `(B, C, *spatial)`.
            observed: weights of x's shape, or None.
            probability: of each transform.
            generator: source of the draws.
        """
        told = []
        acted = torch.zeros(len(x), dtype=torch.bool)
        for transform in self.transforms:
            parameters = torch.zeros(len(x), transform.size)
            rows = (torch.rand(len(x), generator=generator) < probability).nonzero().flatten()
            drawn = transform.draw(len(x), generator)[rows]
            if len(rows):
                parameters[rows] = drawn
                x = x.index_copy(0, rows, transform.apply(x[rows], drawn))
                if observed is not None and not transform.values:
                    observed = observed.index_copy(0, rows, transform.apply(observed[rows], drawn))
                acted[rows] = True
            told.append(parameters)
        vector = torch.cat(told, dim=1)
        return x, observed, torch.where(acted[:, None], vector, math.nan)


def augmentation_of(config: RunConfig, schema: Schema) -> Augmentation | None:
    """What a run's modality declares, when the run asks for it.

    Raises:
        ConfigError: it was asked for, and the modality declares none for such records.
    """
    if config.data.augment == 0:
        return None
    declared = getattr(registry.modality(config.modality), "augmentations", None)
    found: Augmentation | None = None if declared is None else declared(schema)
    if found is None or not found.transforms:
        raise ConfigError(
            f"data.augment is {config.data.augment:g}, but the modality {config.modality} declares no augmentation "
            "for such records",
            hint="Leave data.augment at 0.",
        )
    return found


def flip(axis: int, name: str) -> Transform:
    """Mirrors along an axis, -1 the last."""
    return Transform(name, 1, lambda n, _: torch.ones(n, 1), lambda x, _: x.flip(axis))


def quarter_turns() -> Transform:
    """Turns square images by 90, 180 or 270 degrees, exactly; parameters: which, as one of three."""

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return torch.eye(3)[torch.randint(0, 3, (n,), generator=generator)]

    def apply(x: Tensor, parameters: Tensor) -> Tensor:
        turns = parameters.argmax(dim=1) + 1
        shaped = turns.reshape(-1, *[1] * (x.ndim - 1))
        result = x
        for count in (1, 2, 3):
            result = torch.where(shaped == count, torch.rot90(x, count, (-2, -1)), result)
        return result

    return Transform("quarter-turn", 3, draw, apply)


def shift(axes: int, *, most: float = 0.125) -> Transform:
    """Moves by whole steps along each of the last axes, at most this share of the size; what is bared repeats the edge.

    Its parameters are the shifts over the largest one.
    """

    def draw(n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, axes, generator=generator) * 2 - 1

    def apply(x: Tensor, parameters: Tensor) -> Tensor:
        for place in range(axes):
            axis = x.ndim - axes + place
            length = x.shape[axis]
            steps = (parameters[:, place] * most * length).round().long()  # (B,)
            index = (torch.arange(length) - steps[:, None]).clamp(0, length - 1)  # (B, length)
            shape = [len(x)] + [1] * (x.ndim - 1)
            shape[axis] = length
            x = x.gather(axis, index.reshape(shape).expand_as(x))
        return x

    return Transform("shift", axes, draw, apply)


def scale(*, spread: float = 0.2) -> Transform:
    """Multiplies all values of a record by e^(spread z), z standard normal; the parameter is z."""

    def apply(x: Tensor, parameters: Tensor) -> Tensor:
        return x * torch.exp(spread * parameters.reshape(-1, *[1] * (x.ndim - 1)))

    return Transform("scale", 1, lambda n, g: torch.randn(n, 1, generator=g), apply, values=True)
