"""Attention: every way through it gives what torch's own gives, forwards and backwards."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from synthgen.nn.attention import attend


@pytest.mark.parametrize("tokens", [1, 6, 96, 97, 130])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_way_agrees_with_attention_in_double_precision(tokens: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    qkv = torch.randn(3, 2, 4, tokens, 8, generator=generator).to(dtype).requires_grad_()
    exact = qkv.detach().double().requires_grad_()
    wanted = functional.scaled_dot_product_attention(*exact)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        found = attend(*qkv)
    found.float().square().sum().backward()
    wanted.square().sum().backward()
    assert found.dtype == dtype
    assert qkv.grad is not None
    assert exact.grad is not None
    close = 1e-5 if dtype == torch.float32 else 3e-2
    torch.testing.assert_close(found.double(), wanted, atol=close, rtol=close)
    torch.testing.assert_close(qkv.grad.double(), exact.grad, atol=2 * close, rtol=2 * close)


@pytest.mark.parametrize("tokens", [6, 130])
def test_without_gradients_the_result_is_the_same(tokens: int) -> None:
    qkv = torch.randn(3, 2, 4, tokens, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    with torch.no_grad():
        found = attend(*qkv)
    torch.testing.assert_close(found, functional.scaled_dot_product_attention(*qkv), atol=2e-2, rtol=2e-2)
