"""The training loop: a generator that yields its state after each step, so that the caller logs, saves and stops.

One step, for a batch x_0 with conditions c (Karras et al. 2022):

    sigma ~ density (stratified),  n ~ N(0, I),  c dropped to null now and then
    loss = mean w(sigma) |D(x_0 + sigma n; sigma, c) - x_0|^2 e^{-u(sigma)} + u(sigma)

With `train.context` part of a record is given now and then, see `synthgen.nn.context`; where the modality declares
groups of channels, they may have noise levels of their own, see `synthgen.diffusion.levels`.

With `optim.accumulate` the batch goes through the network in parts whose gradients add up: everything is drawn for the
whole batch first, so the step is the same (dropout draws its masks part by part). Several processes
(`synthgen.distributed`) share a batch in the same manner; see `synthgen.training.gradients`.

Time is counted in records seen. All random numbers of a step come from (seed, step).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from synthgen.api import Batch, Condition
from synthgen.config import NoiseConfig, RunConfig
from synthgen.data.augmentation import Augmentation
from synthgen.diffusion.denoiser import Denoiser
from synthgen.diffusion.guidance import blurred, drop, without
from synthgen.diffusion.levels import CLEAN, LEVELS, by_channel, draw_levels
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.distributed import Ranks
from synthgen.errors import ConfigError, TrainingError
from synthgen.nn.context import CONTEXT, draw_given, told
from synthgen.nn.ema import PowerEma
from synthgen.nn.sharded import fill, whole
from synthgen.seeding import derive_seed
from synthgen.training.draw import Draw, Objective, TrainingData
from synthgen.training.gradients import Gradients
from synthgen.training.instability import GradientWatch
from synthgen.training.monitor import adaptive_density, draw_sigma
from synthgen.training.noise_scale import NoiseScale
from synthgen.training.objective import loss_weight
from synthgen.training.optim import build_optimizer, rate_factor
from synthgen.training.precision import loss_scaler
from synthgen.training.state import optimizer_tensors, restore_optimizer

__all__ = ["Step", "Trainer"]

_BAD_STEPS_IN_A_ROW = 5
_ROLLBACKS = 3
_PARTS = 4  # of a batch, for the gradient noise scale
_ALONE = 0.7  # of the records with a group given come without conditions: who gives an image knows no more of it
_FIRST_LEVELS = 0.25  # of the noise levels, where a curriculum begins


@dataclass
class Step:
    """What one training step left: counters and the figures worth logging; `loss` is the weighted error of D."""

    samples: int
    progress: float
    seconds: float
    loss: float
    gradient_norm: float
    gradient_z: float
    learning_rate: float
    skipped: int
    message: str = ""


class Trainer:
    """Everything that changes while training.

    Args:
        config: of the run; `noise.sigma_max` and one of `train.samples`, `train.minutes` are set.
        denoiser: on its device.
        data: the encoded training split.
        conditions: of the schema, for condition dropout.
        precision: `fp32`, `bf16` or `fp16`.
        augmentation: acts on training records with probability `data.augment` each, told to the network.
        ranks: the processes that share each batch.

    Raises:
        ConfigError: more processes than records in a batch.
    """

    def __init__(
        self,
        config: RunConfig,
        denoiser: Denoiser,
        data: TrainingData,
        conditions: tuple[Condition, ...],
        *,
        device: torch.device,
        precision: str = "fp32",
        augmentation: Augmentation | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.config = config
        self.denoiser = denoiser
        self.data = data
        self.conditions = conditions
        self.device = device
        self.precision = precision
        self.augmentation = augmentation
        self.ranks = Ranks() if ranks is None else ranks
        self.loss = DenoisingLoss(
            loss_weight(config),
            uncertainty=config.loss.learns_uncertainty,
            frequency=config.loss.frequency,
            contrastive=config.loss.contrastive,
            groups=denoiser.groups,
            classes=_classes(conditions) if config.loss.classwise else None,
        ).to(device)
        self.adaptive = adaptive_density(config.noise) if config.noise.adaptive else None
        own = Objective(denoiser, self.loss)
        shared = self.ranks.together(own, config.train.sharding)
        self.optimizer = build_optimizer([denoiser.network, self.loss], config.optim)
        self.scaler = loss_scaler(device)
        self.ema = PowerEma(denoiser.network, config.ema.widths)
        self.batch_size = min(config.optim.batch_size, max(8, len(data)))
        if self.batch_size < self.ranks.size:
            raise ConfigError(
                f"{self.ranks.size} processes cannot share a batch of {self.batch_size}",
                hint="Start fewer processes, or set a larger optim.batch_size.",
            )
        self.gradients = Gradients(
            own,
            shared,
            self.optimizer,
            self.ranks,
            device,
            parts=config.optim.accumulate,
            alone=config.train.sharding == "ddp",
        )
        self.step_index = 0
        self.samples = 0
        self.seconds = 0.0
        self.waited = 0.0  # seconds in which the next batch was not there yet
        self.rate_scale = 1.0
        self.skipped = 0
        self.rollbacks = 0
        self.bad_in_a_row = 0
        self.good_samples = 0
        self.watch = GradientWatch()
        self.noise_scale = NoiseScale()
        self._good: dict[str, dict[str, Tensor]] = {}

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
        if self.step_index == 0:
            self.remember()
        while self.progress < 1.0:
            started = time.perf_counter()
            rate = self.config.optim.lr * self.rate_scale * rate_factor(self.progress, self.config.optim)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            batch = self.data.step(self.samples, self.batch_size, self.progress)
            self.waited += time.perf_counter() - started
            loss, norm, seen = self._gradients(batch, self.precision)
            message, z = self.gradients.remark(), 0.0
            self.samples += self.batch_size
            if math.isfinite(loss) and math.isfinite(norm):
                self.bad_in_a_row = 0
                self.optimizer.step()
                self.ema.update(self.samples, self.batch_size)
                if self.adaptive is not None:
                    self.adaptive.update(*seen)
                z = self.watch.z(norm)
                if self.watch.is_spike(z):
                    message = f"a gradient's norm was {norm:.3g}, {z:.0f} standard deviations above usual"
            elif self.precision == "fp16" and math.isfinite(loss) and self.scaler.get_scale() > 1:
                self.skipped += 1  # fp16 overflowed: the scaler halves its scale
            else:
                message = self._after_bad_step()
            if self.precision == "fp16":
                self.scaler.update()
            self.step_index += 1
            self.seconds = self.ranks.highest(self.seconds + time.perf_counter() - started)
            yield Step(self.samples, self.progress, self.seconds, loss, norm, z, rate, self.skipped, message)

    def trial(self, precision: str) -> None:
        """One step's work in the given precision without any effect, for timing."""
        self._gradients(self.data.step(0, self.batch_size, 0.0), precision)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler = loss_scaler(self.device)

    def measure_noise_scale(self, batches: int) -> None:
        """Take the gradient noise scale at the present weights; nothing else changes.

        Args:
            batches: how many to spend on it; each costs about one step.
        """
        part = self.batch_size // _PARTS
        cut = self.ranks.size > 1 and self.config.train.sharding == "fsdp"
        if batches < 1 or part < 1 or cut:
            return
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        independent = self.config.noise.model_copy(update={"stratified": False})
        precision = "fp32" if self.precision == "fp16" else self.precision
        groups, parts = [], -(-self.gradients.parts * self.ranks.size // _PARTS)
        for index in range(batches):
            batch = self.data.step(self.samples + index * self.batch_size, part * _PARTS, self.progress)
            seed = derive_seed(self.config.train.seed, "noise-scale", step=self.step_index * 1024 + index)
            draw = self._draw(batch, torch.Generator().manual_seed(seed), independent)
            squares, mean = [], [torch.zeros_like(p) for p in parameters]
            for one in draw.parts(_PARTS):
                self.optimizer.zero_grad(set_to_none=False)
                self.gradients.add(one, seed, precision, self.scaler, parts=parts, count=len(one.x) * self.ranks.size)
                gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
                squares.append(_square(gradients))
                torch._foreach_add_(mean, gradients, alpha=1 / _PARTS)
            groups.append((squares, _square(mean)))
        self.optimizer.zero_grad(set_to_none=True)
        self.noise_scale.add(groups, part)

    def remember(self) -> None:
        """Note the present weights and their averages as good, to roll back to."""
        self._good = {
            name: {key: value.detach().clone() for key, value in module.state_dict().items()}
            for name, module in self._modules().items()
        }
        self._good["ema"] = self.ema.state_dict()
        self.good_samples = self.samples

    def checkpoint(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """Tensors by group, of which some may be cut over the processes, and JSON-able counters."""
        tensors = {name: dict(module.state_dict()) for name, module in self._modules().items()}
        tensors |= {f"good {name}": state for name, state in self._good.items()}
        tensors |= {"optimizer": optimizer_tensors(self.optimizer), "ema": self.ema.state_dict()}
        if self.adaptive is not None:
            tensors["adaptive"] = self.adaptive.state_dict()
        counters: dict[str, Any] = {name: getattr(self, name) for name in _COUNTERS}
        counters |= {
            "watch": asdict(self.watch),
            "noise_scale": asdict(self.noise_scale),
            "parts": self.gradients.parts,
            "scaler": self.scaler.state_dict(),
        }
        return tensors, counters

    def restore(self, tensors: dict[str, dict[str, Tensor]], counters: dict[str, Any]) -> None:
        """The inverse of `checkpoint`."""
        for name, module in self._modules().items():
            fill(module, tensors.get(name, {}))
        if "good ema" in tensors:
            for name in (*self._modules(), "ema"):
                good = tensors.get(f"good {name}", {})
                self._good[name] = {key: value.to(self.device) for key, value in good.items()}
        restore_optimizer(self.optimizer, tensors.get("optimizer", {}))
        self.ema.load_state_dict(tensors["ema"])
        if self.adaptive is not None:
            self.adaptive.load_state_dict(tensors["adaptive"])
        for name in _COUNTERS:
            setattr(self, name, counters[name])
        self.gradients.parts = max(self.gradients.parts, counters.get("parts", 1))
        self.watch = GradientWatch(**counters["watch"])
        self.noise_scale = NoiseScale(**counters["noise_scale"])
        self.scaler.load_state_dict(counters["scaler"])

    def _modules(self) -> dict[str, nn.Module]:
        """What may have weights; a loss without any leaves no group in a checkpoint."""
        return {"network": self.denoiser.network, "loss": self.loss}

    def _gradients(self, batch: Batch, precision: str) -> tuple[float, float, tuple[Tensor, Tensor]]:
        """Leave the clipped gradients of a batch.

        Returns:
            Its mean weighted error, the norm before clipping, and its noise levels with the unweighted error at each.
        """
        ranks = self.ranks
        seed = derive_seed(self.config.train.seed, "step", step=self.step_index)
        draw = self._draw(batch, torch.Generator().manual_seed(seed), self.config.noise)
        own = draw.rows(ranks.rows(len(draw.x))) if ranks.size > 1 else draw
        if not ranks.leads:  # dropout's masks differ from process to process
            seed = derive_seed(self.config.train.seed, f"step of process {ranks.rank}", step=self.step_index)
        errors = ranks.joined(self.gradients.of(own, seed, precision, self.scaler, count=len(draw.x)), len(draw.x))
        if precision == "fp16":
            self.scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(
            [p for group in self.optimizer.param_groups for p in group["params"]], self.config.optim.clip
        )
        return float(errors.mean()), float(whole(norm)), (draw.sigma, errors / self.loss.weight(draw.sigma))

    def _draw(self, batch: Batch, generator: torch.Generator, noise: NoiseConfig) -> Draw:
        sigma = draw_sigma(noise, len(batch.x), generator, top=self._noise_top, density=self.adaptive)
        normal = torch.randn(batch.x.shape, generator=generator)
        conditions = drop(blurred(batch.conditions, self.conditions, generator), self.conditions, generator)
        x, observed = batch.x, batch.observed
        if self.augmentation is not None:
            x, observed, vector = self.augmentation(
                x, observed, probability=self.config.data.augment, generator=generator
            )
            conditions[self.augmentation.condition.name] = vector
        if self.config.train.context:
            given = draw_given(x.shape, probability=self.config.train.context, generator=generator)
            weights = torch.ones_like(x) if observed is None else observed
            given = given & (weights > 0)  # what is missing in the data cannot be given
            conditions[CONTEXT], observed = told(x, given), weights * ~given
        groups = self.denoiser.groups
        if groups:
            conditions[LEVELS] = draw_levels(
                sigma,
                partial(draw_sigma, noise, len(sigma), generator, top=self._noise_top),
                len(groups),
                independent=noise.independent,
                clean=noise.clean,
                generator=generator,
            )
            given_groups = conditions[LEVELS] == CLEAN
            alone = given_groups.any(dim=1) & (torch.rand(len(sigma), generator=generator) < _ALONE)
            conditions = without(conditions, alone, spare=(LEVELS, CONTEXT))
            noisy = by_channel(~given_groups, groups, x.ndim)  # what is given costs nothing
            observed = noisy.to(x.dtype).expand_as(x) if observed is None else observed * noisy
        return Draw(x, sigma, normal, observed, conditions)

    @property
    def _noise_top(self) -> float:
        """Share of the noise levels in use, from the highest down (Kim et al. 2024, arXiv:2403.10348)."""
        share = self.config.train.noise_curriculum
        return 1.0 if share == 0 else min(1.0, _FIRST_LEVELS + (1 - _FIRST_LEVELS) * self.progress / share)

    def _after_bad_step(self) -> str:
        self.skipped += 1
        self.bad_in_a_row += 1
        if self.bad_in_a_row < _BAD_STEPS_IN_A_ROW:
            return "a step with a non-finite loss or gradient was skipped"
        if self.rollbacks >= _ROLLBACKS or not self._good:
            raise TrainingError(
                f"the loss is not finite after {self.samples:,} records and {self.rollbacks} roll-backs",
                hint="Lower optim.lr, set train.precision=fp32, and look for extreme values: synthgen inspect.",
            )
        self.rollbacks += 1
        self.bad_in_a_row = 0
        self.rate_scale /= 2
        for name, module in self._modules().items():
            fill(module, self._good[name])
        self.ema.load_state_dict(self._good["ema"])  # they took in the steps that led here
        self.optimizer.state.clear()
        return (
            f"{_BAD_STEPS_IN_A_ROW} steps in a row were not finite: went back to the weights after "
            f"{self.good_samples:,} records and halved the learning rate"
        )


def _classes(conditions: Sequence[Condition]) -> tuple[str, int] | None:
    """Name and size of the first condition that is a class."""
    return next(((one.name, one.size) for one in conditions if one.kind == "class"), None)


def _square(gradients: list[Tensor]) -> float:
    return float(torch.stack(torch._foreach_norm(gradients)).square().sum())


_COUNTERS = (
    "step_index",
    "samples",
    "seconds",
    "rate_scale",
    "skipped",
    "rollbacks",
    "bad_in_a_row",
    "good_samples",
)
