"""denoising-diffusion-pytorch: its classifier-free-guidance module, trained as its README shows, with its EMA.

Variants: `lr`, `objective`, `steps`, `width`, `guidance`, `precision`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from denoising_diffusion_pytorch.classifier_free_guidance import GaussianDiffusion, Unet
from ema_pytorch import EMA

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.protocol import Task, batches, run


def contend(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    """Train with Adam and EMA; images in [0, 1] as it wants them."""
    chosen = {
        "lr": 1e-4,
        "objective": "pred_noise",
        "steps": 100,
        "width": 64,
        "guidance": 1.01,
        **task.variant,
    }  # at 1 it fails
    network = Unet(
        dim=chosen["width"],
        num_classes=task.classes,
        cond_drop_prob=0.1,
        dim_mults=(1, 2),
        channels=task.images.shape[1],
    )
    diffusion = GaussianDiffusion(
        network,
        image_size=task.images.shape[-1],
        timesteps=1000,
        sampling_timesteps=chosen["steps"],
        objective=chosen["objective"],
        ddim_sampling_eta=0.0,
    )
    optimiser = torch.optim.Adam(diffusion.parameters(), lr=chosen["lr"], betas=(0.9, 0.99))
    average = EMA(diffusion, beta=0.995, update_every=10)
    for images, labels, gone in batches(task):
        with task.computing():
            loss = diffusion((images + 1) / 2, classes=labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(diffusion.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = chosen["lr"] * min(1.0, 20 * gone, 2.5 * (1 - gone))
        optimiser.step()
        optimiser.zero_grad()
        average.update()
    trained = average.ema_model.eval()

    def sample(labels: torch.Tensor) -> torch.Tensor:
        return trained.sample(classes=labels, cond_scale=chosen["guidance"]) * 2 - 1

    return sample


if __name__ == "__main__":
    run(contend)
