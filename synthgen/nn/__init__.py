"""Networks and their parts, tensors only: the U-Net, the transformers, embeddings, averages of weights.

A network is called as `network(x, noise, conditions)` with x `(B, C, *spatial)`, noise `(B,)` and conditions by name,
and returns a tensor of x's shape; `synthgen.diffusion.Denoiser` puts the preconditioning around it.
"""

from __future__ import annotations

from synthgen.nn.dit import DiT
from synthgen.nn.ema import PowerEma
from synthgen.nn.embed import ConditionEmbedding, DenseConditions, FourierFeatures
from synthgen.nn.grid import Grid
from synthgen.nn.unet import UNet
from synthgen.nn.vit import ViT

__all__ = ["ConditionEmbedding", "DenseConditions", "DiT", "FourierFeatures", "Grid", "PowerEma", "UNet", "ViT"]
