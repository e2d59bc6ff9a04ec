"""Diffusion in the sigma coordinate: noise levels, denoisers, guidance, samplers and the loss. Tensors only.

    x_sigma = x_0 + sigma n,   n ~ N(0, I)             data plus noise; the signal is never scaled
    D(x_sigma; sigma) = E[x_0 | x_sigma]               what a denoiser estimates
    score = (D(x; sigma) - x) / sigma^2                Tweedie's formula
    dx / dsigma = (x - D(x; sigma)) / sigma            the probability-flow ODE that samplers solve

Source: Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", arXiv:2206.00364.
"""

from __future__ import annotations

from synthgen.diffusion.denoiser import Denoiser, score
from synthgen.diffusion.guidance import Guided, drop, null
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.diffusion.samplers import ANCESTRAL, DDIM, HEUN, MULTISTEP, Sampler
from synthgen.diffusion.sigma import coefficients, grid, sigma_of_quantile, stratified_quantiles

__all__ = [
    "ANCESTRAL",
    "DDIM",
    "HEUN",
    "MULTISTEP",
    "Denoiser",
    "DenoisingLoss",
    "Guided",
    "Sampler",
    "coefficients",
    "drop",
    "grid",
    "null",
    "score",
    "sigma_of_quantile",
    "stratified_quantiles",
]
