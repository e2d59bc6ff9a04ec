"""Scaled dot-product attention by whichever way is quickest where it runs; the result is the same up to rounding.

    softmax(q k^T / sqrt D) v

On a GPU torch's fused kernels. On a CPU their backward pass in bf16 is ten times slower than in float32 (measured with
torch 2.15 on AVX-512: 32 tokens 207 ms against 20 by plain products, 192 tokens 193 against 90 in float32). So few
tokens go through plain matrix products, which a CPU does well in either precision, and many through the fused kernel in
float32 while gradients are needed. `benchmarks/utilisation.py` measures a whole step.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["attend"]

_FEW = 96
"""Tokens up to which the matrix of all pairs is no burden."""


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of `(B, heads, T, D)` queries to keys and values of the same shape; that shape."""
    if q.device.type != "cpu":
        return functional.scaled_dot_product_attention(q, k, v)
    if q.shape[-2] <= _FEW:
        pairs = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-2, -1)  # (B, heads, T, T)
        return pairs.softmax(dim=-1) @ v
    if q.dtype == torch.float32 or not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(q, k, v)
    with torch.autocast("cpu", enabled=False):
        return functional.scaled_dot_product_attention(q.float(), k.float(), v.float()).to(q.dtype)
