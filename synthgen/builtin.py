"""What the core itself provides, through the same hooks as everybody else. Registered first, as plugin `synthgen`."""

from __future__ import annotations

from collections.abc import Iterable

from synthgen.api import Spec, hookimpl

__all__ = ["synthgen_loggers", "synthgen_networks", "synthgen_samplers"]


@hookimpl
def synthgen_networks() -> Iterable[Spec]:
    """The networks of the core: one for any data of one or two dimensions, one for large images, two for series."""
    return [
        Spec("unet", "U-Net for series and images of any size", "synthgen.nn.unet:UNet"),
        Spec("vit", "patch transformer for large images, with x prediction", "synthgen.nn.vit:ViT"),
        Spec("dit", "diffusion transformer", "synthgen.nn.dit:DiT"),
        Spec("grid", "diffusion transformer for series: patches meet, rotary steps, context", "synthgen.nn.grid:Grid"),
    ]


@hookimpl
def synthgen_samplers() -> Iterable[Spec]:
    """The samplers; each works with every parameterisation, grid and guidance."""
    return [
        Spec(name, summary, f"synthgen.diffusion.samplers:{target}")
        for name, summary, target in (
            ("multistep", "exponential Adams predictor-corrector of order 1 to 3, the default", "MULTISTEP"),
            ("ddim", "first-order deterministic solver (DDIM)", "DDIM"),
            ("dpmpp-2m", "DPM-Solver++(2M), second-order multistep", "DPMPP_2M"),
            ("dpmpp-3m", "DPM-Solver++(3M), third-order multistep", "DPMPP_3M"),
            ("dpmpp-sde", "SDE-DPM-Solver++(2M), second-order multistep, stochastic", "DPMPP_SDE"),
            ("heun", "second-order Runge-Kutta, two evaluations a step, with churn (EDM)", "HEUN"),
            ("ancestral", "ancestral sampling, stochastic (DDPM)", "ANCESTRAL"),
            ("langevin", "predictor-corrector with Langevin steps (MCMC)", "LANGEVIN"),
            ("repaint", "ancestral steps taken several times each (RePaint)", "REPAINT"),
            ("consistency", "one or two evaluations, for a run that `distill` tuned", "CONSISTENCY"),
        )
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
