"""The training loop: a generator that yields its state after each step, so that the caller logs, saves and stops.

One step, for a batch x_0 with conditions c (Karras et al. 2022):

    sigma ~ density (stratified),  n ~ N(0, I),  c dropped to null now and then
    loss = mean w(sigma) |D(x_0 + sigma n; sigma, c) - x_0|^2 e^{-u(sigma)} + u(sigma)

Time is counted in records seen. All random numbers of a step come from (seed, step).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from synthgen.api import Batch, Condition
from synthgen.config import RunConfig
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.guidance import drop
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.errors import TrainingError
from synthgen.nn.ema import PowerEma
from synthgen.seeding import derive_seed
from synthgen.training.encoded import EncodedData
from synthgen.training.monitor import draw_sigma
from synthgen.training.optim import build_optimizer, rate_factor
from synthgen.training.precision import autocast
from synthgen.training.state import optimizer_tensors, restore_optimizer

__all__ = ["Step", "Trainer"]

_BAD_STEPS_IN_A_ROW = 5
_ROLLBACKS = 3


@dataclass
class Step:
    """What one training step left: counters and the figures worth logging; `loss` is the weighted error of D."""

    samples: int
    progress: float
    seconds: float
    loss: float
    gradient_norm: float
    learning_rate: float
    skipped: int
    message: str = ""


@dataclass
class _Good:
    """The last state known to be good, for a roll-back."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    samples: int = 0


class Trainer:
    """Everything that changes while training.

    Args:
        config: of the run; `noise.sigma_max` and one of `train.samples`, `train.minutes` are set.
        denoiser: on its device.
        data: the encoded training split.
        conditions: of the schema, for condition dropout.
        precision: `fp32` or `bf16`.
    """

    def __init__(
        self,
        config: RunConfig,
        denoiser: Denoiser,
        data: EncodedData,
        conditions: tuple[Condition, ...],
        *,
        device: torch.device,
        precision: str = "fp32",
    ) -> None:
        self.config = config
        self.denoiser = denoiser
        self.data = data
        self.conditions = conditions
        self.device = device
        self.precision = precision
        self.loss = DenoisingLoss(config.loss.weight, config.loss.uncertainty, config.noise.sigma_data).to(device)
        self.optimizer = build_optimizer([denoiser.network, self.loss], config.optim)
        self.ema = PowerEma(denoiser.network, config.ema.widths)
        self.batch_size = min(config.optim.batch_size, max(8, len(data)))
        self.step_index = 0
        self.samples = 0
        self.seconds = 0.0
        self.rate_scale = 1.0
        self.skipped = 0
        self.rollbacks = 0
        self._good = _Good()
        self._bad_in_a_row = 0

    @property
    def progress(self) -> float:
        """Share of the budget that is used, in [0, 1]."""
        budget = self.config.train
        if budget.minutes is not None:
            return min(1.0, self.seconds / (60 * budget.minutes))
        return min(1.0, self.samples / max(1, budget.samples or 1))

    def steps(self) -> Iterator[Step]:
        """Train until the budget is used, yielding after each step.

        Raises:
            TrainingError: the loss keeps being non-finite after several roll-backs.
        """
        self.denoiser.train()
        while self.progress < 1.0:
            started = time.perf_counter()
            rate = self.config.optim.lr * self.rate_scale * rate_factor(self.progress, self.config.optim)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            batch = self.data.step(self.samples, self.batch_size)
            loss, norm = self._gradients(batch, self.precision)
            message = ""
            if math.isfinite(loss) and math.isfinite(norm):
                self._bad_in_a_row = 0
                self.optimizer.step()
                self.samples += self.batch_size
                self.ema.update(self.samples, self.batch_size)
            else:
                self.samples += self.batch_size
                message = self._after_bad_step()
            self.step_index += 1
            self.seconds += time.perf_counter() - started
            yield Step(self.samples, self.progress, self.seconds, loss, norm, rate, self.skipped, message)

    def trial(self, precision: str) -> None:
        """One step's work in the given precision without any effect, for timing."""
        self._gradients(self.data.step(0, self.batch_size), precision)
        self.optimizer.zero_grad(set_to_none=True)

    def remember(self) -> None:
        """Note the present weights as good, to roll back to."""
        weights = {name: value.detach().clone() for name, value in self.denoiser.network.state_dict().items()}
        self._good = _Good(weights, self.samples)

    def checkpoint(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, float]]:
        """Tensors by group, and counters."""
        tensors = {
            "network": dict(self.denoiser.network.state_dict()),
            "loss": dict(self.loss.state_dict()),
            "optimizer": optimizer_tensors(self.optimizer),
            "ema": self.ema.state_dict(),
        }
        counters = {name: getattr(self, name) for name in _COUNTERS}
        return tensors, counters

    def restore(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, float]) -> None:
        """The inverse of `checkpoint`."""
        self.denoiser.network.load_state_dict(tensors["network"])
        self.loss.load_state_dict(tensors.get("loss", {}))
        restore_optimizer(self.optimizer, tensors.get("optimizer", {}))
        self.ema.load_state_dict(tensors["ema"])
        for name in _COUNTERS:
            setattr(self, name, counters[name])

    def _gradients(self, batch: Batch, precision: str) -> tuple[float, float]:
        seed = derive_seed(self.config.train.seed, "step", step=self.step_index)
        generator = torch.Generator().manual_seed(seed)
        sigma = draw_sigma(self.config.noise, len(batch.x), generator)
        noise = torch.randn(batch.x.shape, generator=generator)
        conditions = drop(batch.conditions, self.conditions, generator)
        self.optimizer.zero_grad(set_to_none=True)
        observed = None if batch.observed is None else batch.observed.to(self.device)
        cuda = [self.device.index or 0] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=cuda):  # dropout draws from the global generator
            torch.manual_seed(seed)
            with autocast(self.device, precision):
                loss, error = self.loss(
                    self.denoiser,
                    batch.x.to(self.device),
                    sigma.to(self.device),
                    noise.to(self.device),
                    observed,
                    {name: values.to(self.device) for name, values in conditions.items()},
                )
            loss.backward()
        norm = nn.utils.clip_grad_norm_(
            [p for group in self.optimizer.param_groups for p in group["params"]], self.config.optim.clip
        )
        return float(error.mean()), float(norm)  # without the learned weight: comparable with the held-out loss

    def _after_bad_step(self) -> str:
        self.skipped += 1
        self._bad_in_a_row += 1
        if self._bad_in_a_row < _BAD_STEPS_IN_A_ROW:
            return "a step with a non-finite loss or gradient was skipped"
        if self.rollbacks >= _ROLLBACKS or not self._good.weights:
            raise TrainingError(
                f"the loss is not finite after {self.samples:,} records and {self.rollbacks} roll-backs",
                hint="Lower optim.lr, set train.precision=fp32, and look for extreme values: synthgen inspect.",
            )
        self.rollbacks += 1
        self._bad_in_a_row = 0
        self.rate_scale /= 2
        self.denoiser.network.load_state_dict(self._good.weights)
        self.optimizer.state.clear()
        return (
            f"{_BAD_STEPS_IN_A_ROW} steps in a row were not finite: went back to the weights after "
            f"{self._good.samples:,} records and halved the learning rate"
        )


_COUNTERS = ("step_index", "samples", "seconds", "rate_scale", "skipped", "rollbacks")
