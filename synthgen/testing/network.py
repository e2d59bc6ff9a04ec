"""`check_network`: shapes, options, null conditions, rows on their own, gradients everywhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from synthgen import registry
from synthgen.api import Condition
from synthgen.config import NetworkConfig
from synthgen.testing.conformance import demand, guarded

__all__ = ["check_network"]

_CONDITIONS = (Condition("label", "class", 3), Condition("level", "vector", 2))
_OPTIONS: dict[str, Any] = {**NetworkConfig(width=8, blocks=1).model_dump(exclude={"name"})}


def check_network(
    name: str, *, network: Callable[..., nn.Module] | None = None, shapes: Sequence[tuple[int, ...]] = ((2, 12),)
) -> None:
    """Run every check on a registered network.

    Args:
        name: as registered.
        network: check this class instead of the registered one.
        shapes: of one record, `(C, L)` or `(C, H, W)`; each that the network is meant for.

    Raises:
        ConformanceError: at the first broken promise.
    """

    def everything() -> None:
        chosen = registry.load("networks", name) if network is None else network
        for shape in shapes:
            guarded(f"records of shape {shape}", partial(_check_shape, chosen, shape))

    guarded(f"network {name}", everything)


def _check_shape(network: Callable[..., nn.Module], shape: tuple[int, ...]) -> None:
    try:
        built = network(shape, _CONDITIONS, **_OPTIONS)
        network(shape, (), **_OPTIONS)
    except TypeError as error:
        options = ", ".join(_OPTIONS)
        demand(False, f"it cannot be built: {error}; it must take (shape, conditions, *, {options})")
        return
    with torch.no_grad():
        for parameter in built.parameters():  # a head that starts at zero would hide everything else
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    built.eval()
    x = torch.randn((4, *shape), generator=torch.Generator().manual_seed(1))
    noise = torch.linspace(-1, 1, 4)
    told: dict[str, Tensor] = {"label": torch.tensor([0, 1, 2, -1]), "level": torch.zeros(4, 2)}
    y = built(x, noise, told)
    demand(y.shape == x.shape, f"forward gave {tuple(y.shape)} for x of {tuple(x.shape)}; the shape must stay")
    demand(bool(torch.isfinite(y).all()), "forward gave NaN or infinity")
    nulls = {"label": torch.full((4,), -1), "level": torch.full((4, 2), float("nan"))}
    close = torch.allclose(built(x, noise, {}), built(x, noise, nulls), atol=1e-5)
    demand(close, "a missing condition must mean null: class -1, vector NaN; embed with synthgen.nn.embed.Embedding")
    few = built(x[1:3], noise[1:3], {key: value[1:3] for key, value in told.items()})
    demand(torch.allclose(few, y[1:3], atol=1e-4), "a record depends on the others in its batch; use no batch norm")
    for what, other in (
        ("the noise level", built(x, noise + 1, told)),
        ("the label", built(x, noise, {**told, "label": torch.tensor([1, 2, 0, 0])})),
    ):
        demand(not torch.allclose(other, y), f"the output does not depend on {what}; add its embedding")
    built.train()
    built(x, noise, told).square().mean().backward()
    idle = [key for key, parameter in built.named_parameters() if parameter.requires_grad and parameter.grad is None]
    demand(not idle, f"no gradient reaches {', '.join(idle[:3])}; remove parameters that nothing uses")
