"""Power-function averages of the weights, several widths at once.

    theta_hat(T) = (gamma+1)/T^(gamma+1)  int_0^T  t^gamma theta(t) dt                    (Karras et al. 2024, sec. 3.1)
    update:  theta_hat <- beta theta_hat + (1 - beta) theta,   beta = (1 - batch/samples)^(gamma+1)
    width:   sigma_rel = (gamma+1)^(1/2) (gamma+2)^(-1) (gamma+3)^(-1/2)

The average reaches back over a fixed *share* of training, so it has no trace of the initial weights (the first beta is
0) and suits a run of a minute as well as one of a week. Time is measured in samples seen.

Source: Karras et al. 2024, "Analyzing and improving the training dynamics of diffusion models", arXiv:2312.02696.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from synthgen.errors import RunError, UsageError
from synthgen.nn.sharded import as_cut, as_parts_of, local, whole

__all__ = ["PowerEma", "exponent_of_width"]

_WIDEST = 1 / math.sqrt(12)  # sigma_rel at gamma = 0, the plain mean over all of training


def exponent_of_width(width: float) -> float:
    """The exponent gamma whose average has the relative width sigma_rel, found by bisection.

    Raises:
        UsageError: the width is not in (0, 0.288].
    """
    if not 0 < width <= _WIDEST:
        raise UsageError(f"an average of relative width {width} does not exist", hint="Choose it in (0, 0.288].")
    low, high = 0.0, 1.0 / width  # sigma_rel falls with gamma and is below 1/gamma
    for _ in range(80):
        gamma = (low + high) / 2
        if math.sqrt(gamma + 1) / ((gamma + 2) * math.sqrt(gamma + 3)) > width:
            low = gamma
        else:
            high = gamma
    return (low + high) / 2


class PowerEma:
    """Tracks averages of a module's parameters; of parameters cut over processes, each keeps its own part.

    Args:
        module: whose parameters are averaged; read again at each update.
        widths: relative widths sigma_rel, each in (0, 0.288].
    """

    def __init__(self, module: nn.Module, widths: Sequence[float]) -> None:
        self.widths = tuple(float(width) for width in widths)
        self._names = [name for name, _ in module.named_parameters()]
        self._parameters = [parameter for _, parameter in module.named_parameters()]
        self._exponents = {width: exponent_of_width(width) for width in self.widths}
        self._averages = {
            width: [local(parameter.detach()).float().clone() for parameter in self._parameters]
            for width in self.widths
        }

    @torch.no_grad()
    def update(self, samples_seen: int, batch_size: int) -> None:
        """Take in the weights after a step.

        Args:
            samples_seen: records seen in training, this step's included.
            batch_size: records in this step, all ranks and accumulations together.
        """
        for width, average in self._averages.items():
            beta = max(0.0, 1 - batch_size / samples_seen) ** (self._exponents[width] + 1)
            weights = [local(parameter.detach()).float() for parameter in self._parameters]
            torch._foreach_lerp_(average, weights, 1 - beta)

    def state(self, width: float) -> dict[str, Tensor]:
        """A whole copy of one average as a state for the module's `load_state_dict`."""
        named = zip(self._names, self._averages[width], self._parameters, strict=True)
        return {name: whole(as_cut(value.clone(), parameter)) for name, value, parameter in named}

    def state_dict(self) -> dict[str, Tensor]:
        """All averages as flat tensors named `<width>/<parameter>`."""
        return {f"{width!r}/{name}": value for width in self.widths for name, value in self.state(width).items()}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state_dict`.

        Raises:
            RunError: widths, names or shapes are not those of this average.
        """
        expected = {
            f"{width!r}/{name}": (value, parameter)
            for width in self.widths
            for name, value, parameter in zip(self._names, self._averages[width], self._parameters, strict=True)
        }
        wrong = sorted(expected.keys() ^ state.keys()) or sorted(
            key for key, (_, parameter) in expected.items() if parameter.shape != state[key].shape
        )
        if wrong:
            raise RunError(f"the stored weight averages do not fit this network: {wrong[0]} and {len(wrong) - 1} more")
        for key, (value, parameter) in expected.items():
            value.copy_(local(as_parts_of(state[key], parameter)))
