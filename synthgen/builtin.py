"""What the core itself provides, through the same hooks as everybody else. Registered first, as plugin `synthgen`."""

from __future__ import annotations

from collections.abc import Iterable

from synthgen.api import Spec, hookimpl

__all__ = ["synthgen_loggers", "synthgen_networks", "synthgen_samplers"]


@hookimpl
def synthgen_networks() -> Iterable[Spec]:
    """The two networks that serve any data of one or two dimensions."""
    return [
        Spec("unet", "U-Net for series and images of any size", "synthgen.nn.unet:UNet"),
        Spec("dit", "diffusion transformer", "synthgen.nn.dit:DiT"),
    ]


@hookimpl
def synthgen_samplers() -> Iterable[Spec]:
    """The samplers; each works with every parameterisation, grid and guidance."""
    return [
        Spec("multistep", "exponential multistep solver of order 1 to 3", "synthgen.diffusion.samplers:MULTISTEP"),
        Spec("ddim", "first-order deterministic solver (DDIM)", "synthgen.diffusion.samplers:DDIM"),
        Spec("heun", "second-order Runge-Kutta, two evaluations a step (EDM)", "synthgen.diffusion.samplers:HEUN"),
        Spec("ancestral", "ancestral sampling, stochastic (DDPM)", "synthgen.diffusion.samplers:ANCESTRAL"),
    ]


@hookimpl
def synthgen_loggers() -> Iterable[Spec]:
    """Places for training metrics beside `metrics.jsonl`; each needs its own package."""
    module = "synthgen.training.loggers"
    return [
        Spec("tensorboard", "TensorBoard scalars below RUN/tensorboard", f"{module}:tensorboard", "", ("tensorboard",)),
        Spec("wandb", "Weights & Biases", f"{module}:wandb", "", ("wandb",)),
        Spec("mlflow", "MLflow, at MLFLOW_TRACKING_URI", f"{module}:mlflow", "", ("mlflow-skinny",)),
    ]
