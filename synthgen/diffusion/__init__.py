"""Diffusion in the sigma coordinate: noise levels, denoisers, guidance, samplers and the loss. Tensors only.

    x_sigma = x_0 + sigma n,   n ~ N(0, I)             data plus noise; the signal is never scaled
    D(x_sigma; sigma) = E[x_0 | x_sigma]               what a denoiser estimates
    score = (D(x; sigma) - x) / sigma^2                Tweedie's formula
    dx / dsigma = (x - D(x; sigma)) / sigma            the probability-flow ODE that samplers solve

Source: Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", arXiv:2206.00364.
"""

from __future__ import annotations

from synthgen.diffusion.adaptive import AdaptiveDensity
from synthgen.diffusion.denoiser import Denoiser, score
from synthgen.diffusion.gaussian import GaussianBase
from synthgen.diffusion.guidance import AutoGuided, Ensemble, Guided, Thresholded, drop, null
from synthgen.diffusion.imputation import KNOWN, GroupsGiven, Kept, Reconstructed, Replaced
from synthgen.diffusion.levels import CLEAN, LEVELS, draw_levels, levels_condition
from synthgen.diffusion.likelihood import bits_per_dimension, log_likelihood, rademacher
from synthgen.diffusion.loss import DenoisingLoss
from synthgen.diffusion.samplers import (
    ANCESTRAL,
    CONSISTENCY,
    DDIM,
    DPMPP_2M,
    DPMPP_3M,
    DPMPP_SDE,
    HEUN,
    LANGEVIN,
    MULTISTEP,
    REPAINT,
    Sampler,
    Settings,
)
from synthgen.diffusion.sigma import coefficients, grid, information_grid, sigma_of_quantile, stratified_quantiles
from synthgen.diffusion.weights import LossWeight

__all__ = [
    "ANCESTRAL",
    "CLEAN",
    "CONSISTENCY",
    "DDIM",
    "DPMPP_2M",
    "DPMPP_3M",
    "DPMPP_SDE",
    "HEUN",
    "KNOWN",
    "LANGEVIN",
    "LEVELS",
    "MULTISTEP",
    "REPAINT",
    "AdaptiveDensity",
    "AutoGuided",
    "Denoiser",
    "DenoisingLoss",
    "Ensemble",
    "GaussianBase",
    "GroupsGiven",
    "Guided",
    "Kept",
    "LossWeight",
    "Reconstructed",
    "Replaced",
    "Sampler",
    "Settings",
    "Thresholded",
    "bits_per_dimension",
    "coefficients",
    "draw_levels",
    "drop",
    "grid",
    "information_grid",
    "levels_condition",
    "log_likelihood",
    "null",
    "rademacher",
    "score",
    "sigma_of_quantile",
    "stratified_quantiles",
]
