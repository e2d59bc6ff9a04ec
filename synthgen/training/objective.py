"""The weight of the denoising error that a configuration asks for."""

from __future__ import annotations

from synthgen.config import RunConfig
from synthgen.diffusion.weights import LossWeight

__all__ = ["loss_weight"]


def loss_weight(config: RunConfig) -> LossWeight:
    """The weight by its name and constants, see `synthgen.diffusion.weights`."""
    loss, noise = config.loss, config.noise
    return LossWeight(
        loss.weight,
        noise.sigma_data,
        snr_gamma=loss.snr_gamma,
        p2_gamma=loss.p2_gamma,
        p2_k=loss.p2_k,
        parameterisation=noise.parameterisation,
    )
