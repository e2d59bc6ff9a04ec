"""The (epsilon, delta) of a private training: how much noise it takes, what it says, and what would break it.

Sampling every record by itself with probability q and adding Gaussian noise of sigma times the clipping norm is a
subsampled Gaussian mechanism; Opacus adds up its Renyi divergences over the steps (Mironov et al. 2019,
arXiv:1908.10530). Sources: Abadi et al. 2016, arXiv:1607.00133.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from synthgen.config import RunConfig
from synthgen.errors import ConfigError

__all__ = [
    "Guarantee",
    "plan_guarantee",
    "refuse_batch_statistics",
    "refuse_company",
    "refuse_what_breaks_privacy",
    "wants_privacy",
]

_ORDERS = [1 + x / 10 for x in range(1, 100)] + list(range(12, 64)) + [2**k for k in range(6, 13)]
"""Of the divergences; the high ones serve few steps with much noise."""

_REFUSED: Mapping[str, tuple[Callable[[RunConfig], bool], str]] = {
    "train.minutes": (
        lambda config: config.train.minutes is not None,
        "the number of steps must be fixed beforehand; set train.samples",
    ),
    "data.balance": (
        lambda config: config.data.balance > 0,
        "it follows from the labels of the records, and the accounting needs every record to be drawn alike",
    ),
    "train.context": (
        lambda config: config.train.context > 0,
        "the loss of one record would not be the one that was accounted for",
    ),
    "noise.independent": (
        lambda config: config.noise.independent > 0 or config.noise.clean > 0,
        "the loss of one record would not be the one that was accounted for",
    ),
    "data.augment": (lambda config: config.data.augment > 0, "it is not accounted for"),
    "train.data_curriculum": (
        lambda config: config.train.data_curriculum > 0,
        "it follows from the records, and the accounting needs every record to be drawn alike",
    ),
    "train.sample_grids": (lambda config: config.train.sample_grids, "nothing is published while training"),
    "optim.accumulate": (
        lambda config: config.optim.accumulate > 1,
        "gradients are taken record by record already; memory does not grow with optim.batch_size",
    ),
    "noise.adaptive": (lambda config: config.noise.adaptive, "the density would follow from the losses of the records"),
    "loss.contrastive": (
        lambda config: config.loss.contrastive > 0,
        "one record's loss would hold the others of its batch",
    ),
    "ema.choose": (
        lambda config: config.ema.choose != "held-out",
        "the width would follow from the records; the middle one of ema.widths stays",
    ),
    "ema.snapshots": (lambda config: config.ema.snapshots > 0, "the middle one of ema.widths stays"),
    "noise.covariance": (lambda config: config.noise.covariance, "it would follow from the records"),
    "train.loggers": (lambda config: bool(config.train.loggers), "nothing is published while training"),
    "train.precision": (
        lambda config: config.train.precision in ("bf16", "fp16"),
        "gradients are clipped in fp32",
    ),
}


@dataclass(frozen=True)
class Guarantee:
    """What was promised and how.

    Args:
        epsilon, delta: the guarantee; epsilon is what was spent, not above what was asked for.
        noise_multiplier: sigma.
        clip: C, the largest norm of one record's gradient.
        sample_rate: q.
        steps: T.
        records: N.
    """

    epsilon: float
    delta: float
    noise_multiplier: float
    clip: float
    sample_rate: float
    steps: int
    records: int

    @property
    def statement(self) -> str:
        """The guarantee in a sentence or three."""
        return (
            f"Trained with ({self.epsilon:.3g}, {self.delta:.2g})-differential privacy for adding or removing one of "
            f"{self.records:,} training records (DP-SGD, noise multiplier {self.noise_multiplier:.3g}, clipping norm "
            f"{self.clip:g}, sampling rate {self.sample_rate:.3g}, {self.steps:,} steps, accounted for with Renyi "
            "divergences). It covers the run and everything generated from it; it does not cover what was computed "
            "from the private records afterwards, such as a report or anomaly scores."
        )


def wants_privacy(overrides: Mapping[str, Any]) -> bool:
    """Whether a guarantee is asked for.

    Raises:
        ConfigError: a part of one is, without epsilon.
    """
    asked = dict(overrides.get("train", {}))
    if asked.get("dp_epsilon") is not None:
        return True
    for key in ("dp_delta", "dp_public", "dp_range"):
        if asked.get(key):
            raise ConfigError(
                f"train.{key} without train.dp_epsilon guarantees nothing", hint="Add --dp-epsilon, or leave it out."
            )
    return False


def refuse_company(overrides: Mapping[str, Any], *, others: bool, processes: int) -> None:
    """Refuse what a private training cannot be told together with.

    Args:
        overrides: the user's own choices.
        others: whether weights of another run were given.
        processes: of the launch.

    Raises:
        ConfigError: other weights, pictures made from another run's, or several processes.
    """
    if others:
        raise ConfigError(
            "differential privacy starts from fresh weights: those of another run may hold the same records"
        )
    if dict(overrides.get("train", {})).get("upsample_from"):
        raise ConfigError(
            "differential privacy does not cover pictures that are made from those of another run",
            hint="Leave train.upsample_from away.",
        )
    if processes > 1:
        raise ConfigError("training with differential privacy is one process", hint="Start it without torchrun.")


def refuse_what_breaks_privacy(config: RunConfig) -> None:
    """Check the configuration.

    Raises:
        ConfigError: naming the key that would break the guarantee, and why.
    """
    if config.train.dp_delta is None:
        raise ConfigError(
            "a guarantee needs train.dp_delta as well", hint="Usual is 1 / (10 x records): --dp-delta 1e-5."
        )
    for key, (refused, reason) in _REFUSED.items():
        if refused(config):
            raise ConfigError(f"{key} cannot be used with differential privacy: {reason}")


def refuse_batch_statistics(network: nn.Module) -> None:
    """Check the network.

    Raises:
        ConfigError: it has layers whose output for one record depends on the others of its batch.
    """
    for name, module in network.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            raise ConfigError(
                f"the network normalises over the batch ({name}), so that one record's gradient holds others",
                hint="Use a network with group or layer normalisation, such as unet or dit.",
            )


def plan_guarantee(
    *, epsilon: float, delta: float, records: int, batch_size: int, samples: int, clip: float
) -> Guarantee:
    """How much noise so many steps need.

    Raises:
        ConfigError: Opacus is not installed, delta is not below 1 / records, or no amount of noise suffices.
    """
    try:
        from opacus.accountants import RDPAccountant
        from opacus.accountants.utils import get_noise_multiplier
    except ImportError as error:
        raise ConfigError(
            "differential privacy needs Opacus for its accounting", hint='pip install "synthgen[dp]"'
        ) from error
    if delta >= 1 / records:
        raise ConfigError(
            f"train.dp_delta={delta:g} is not below 1 / {records:,}: it would allow publishing whole records",
            hint=f"Choose --dp-delta {0.1 / records:.1g} or less.",
        )
    rate = min(1.0, batch_size / records)
    steps = max(1, math.ceil(samples / batch_size))
    try:
        multiplier = get_noise_multiplier(
            target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="rdp", alphas=_ORDERS
        )
    except ValueError as error:
        raise ConfigError(
            f"no amount of noise reaches epsilon {epsilon:g} in {steps:,} steps ({error})",
            hint="Train for fewer --samples, or allow a larger --dp-epsilon.",
        ) from error
    accountant = RDPAccountant()
    accountant.history.append((multiplier, rate, steps))
    spent = float(accountant.get_epsilon(delta, alphas=_ORDERS))
    return Guarantee(spent, delta, float(multiplier), clip, rate, steps, records)
