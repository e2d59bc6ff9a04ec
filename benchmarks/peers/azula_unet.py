"""azula: its U-Net behind its Karras denoiser, trained by its own denoising loss, sampled by its samplers.

Variants: `lr`, `width`, `sampler` (`heun` or `ddim`), `steps`, `precision`.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from azula.denoise import KarrasDenoiser
from azula.nn.layers import SineEncoding
from azula.nn.unet import UNet
from azula.noise import VPSchedule
from azula.sample import DDIMSampler, HeunSampler
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.protocol import Task, batches, run


class Backbone(nn.Module):
    """azula's U-Net, modulated by the noise level and the class, in the manner of its tutorials."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        features = 4 * width
        self.level = nn.Sequential(SineEncoding(features), nn.Linear(features, features), nn.SiLU())
        self.label = nn.Embedding(classes, features)
        self.unet = UNet(
            channels,
            channels,
            hid_channels=(width, 2 * width),
            hid_blocks=(2, 2),
            mod_features=features,
            norm="group",
        )

    def forward(self, x: torch.Tensor, level: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        """The network's output for noisy x, log noise-to-signal ratio and class."""
        modulation = self.level(level.expand(len(x))) + self.label(label)
        return self.unet(x, modulation)


def contend(task: Task) -> Callable[[torch.Tensor], torch.Tensor]:
    """Train with Adam and an exponential average of the weights."""
    chosen = {"lr": 1e-3, "width": 64, "sampler": "heun", "steps": 18, **task.variant}
    denoiser = KarrasDenoiser(Backbone(task.images.shape[1], task.classes, chosen["width"]), VPSchedule())
    optimiser = torch.optim.Adam(denoiser.parameters(), lr=chosen["lr"])
    average = copy.deepcopy(denoiser).requires_grad_(False)
    step = 0
    for images, labels, gone in batches(task):
        with task.computing():
            loss = denoiser.loss(images, torch.rand(len(images)), label=labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        for group in optimiser.param_groups:
            group["lr"] = chosen["lr"] * min(1.0, 20 * gone, 2.5 * (1 - gone))
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        torch._foreach_lerp_(list(average.parameters()), list(denoiser.parameters()), max(1e-3, 1 / step))
    average.eval()
    kind = HeunSampler if chosen["sampler"] == "heun" else DDIMSampler
    sampler = kind(average, steps=chosen["steps"], silent=True)

    def sample(labels: torch.Tensor) -> torch.Tensor:
        return sampler(sampler.init((len(labels), *task.images.shape[1:])), label=labels)

    return sample


if __name__ == "__main__":
    run(contend)
