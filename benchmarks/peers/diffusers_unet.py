"""Hugging Face diffusers: a class-conditional `UNet2DModel`, trained as its unconditional-training guide does.

Variants: `lr`, `schedule` (`linear` or `squaredcos_cap_v2`), `sampler` (`ddim` or `dpm`), `steps`, `width`,
`precision`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.protocol import Task, batches, run


def contend(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    """Train on epsilon with AdamW, EMA and a learning rate that falls to zero."""
    chosen = {"lr": 1e-4, "schedule": "linear", "sampler": "ddim", "steps": 50, "width": 64, **task.variant}
    width = chosen["width"]
    network = UNet2DModel(
        sample_size=task.images.shape[-1],
        in_channels=task.images.shape[1],
        out_channels=task.images.shape[1],
        layers_per_block=2,
        block_out_channels=(width, 2 * width),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=task.classes,
        norm_num_groups=32 if width % 32 == 0 else 16,
    )
    noising = DDPMScheduler(num_train_timesteps=1000, beta_schedule=chosen["schedule"])
    optimiser = torch.optim.AdamW(network.parameters(), lr=chosen["lr"], weight_decay=1e-6)
    average = EMAModel(network.parameters(), decay=0.999, use_ema_warmup=True)
    for images, labels, gone in batches(task):
        noise = torch.randn_like(images)
        times = torch.randint(1000, (len(images),))
        with task.computing():
            predicted = network(noising.add_noise(images, noise, times), times, class_labels=labels).sample
        functional.mse_loss(predicted.float(), noise).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = chosen["lr"] * min(1.0, 20 * gone, 2.5 * (1 - gone))
        optimiser.step()
        optimiser.zero_grad()
        average.step(network.parameters())
    average.copy_to(network.parameters())
    network.eval()
    kind = DDIMScheduler if chosen["sampler"] == "ddim" else DPMSolverMultistepScheduler

    def sample(labels: torch.Tensor) -> torch.Tensor:
        scheduler = kind(num_train_timesteps=1000, beta_schedule=chosen["schedule"])
        scheduler.set_timesteps(chosen["steps"])
        x = torch.randn(len(labels), *task.images.shape[1:])
        for time in scheduler.timesteps:
            x = scheduler.step(network(x, time, class_labels=labels).sample, time, x).prev_sample
        return x

    return sample


if __name__ == "__main__":
    run(contend)
