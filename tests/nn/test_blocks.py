from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from synthgen.nn.blocks import Attention, Convolution, ResidualBlock, coarsen, divisor, group_norm, refine


@given(n=st.integers(1, 500), at_most=st.integers(1, 64))
def test_divisor_is_the_largest(n, at_most):
    d = divisor(n, at_most)
    assert n % d == 0
    assert d <= at_most
    assert not any(n % larger == 0 for larger in range(d + 1, min(n, at_most) + 1))


@given(channels=st.integers(1, 300))
def test_group_norm_exists_for_any_number_of_channels(channels):
    assert group_norm(channels)(torch.randn(1, channels, 2)).shape == (1, channels, 2)


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (4, 4), (2, 2)])
def test_a_series_as_a_flat_image_has_the_convolution_of_a_series(kernel, stride):
    convolution = Convolution(3, 5, spatial=1, kernel=kernel, stride=stride)
    x = torch.randn(2, 3, 16)
    expected = nn.functional.conv1d(
        x, convolution.weight[:, :, 0], convolution.bias, stride=stride, padding=kernel // 2 if stride == 1 else 0
    )
    torch.testing.assert_close(convolution(x), expected)
    flat = x.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(convolution(flat).squeeze(2), expected)


@pytest.mark.parametrize(
    ("shape", "spatial"), [((2, 3, 8), 1), ((2, 3, 1, 8), 1), ((2, 3, 8, 6), 2), ((2, 3, 2, 2), 2)]
)
def test_coarsen_undoes_refine(shape, spatial):
    x = torch.randn(shape)
    fine = refine(x, spatial)
    assert fine.numel() == x.numel() * 2**spatial
    torch.testing.assert_close(coarsen(fine, spatial), x)


def test_blocks_start_as_their_skip():
    x, embedding = torch.randn(2, 8, 4, 4), torch.randn(2, 16)
    block = ResidualBlock(8, 8, embedding=16, spatial=2, dropout=0.0)
    torch.testing.assert_close(block(x, embedding), x)
    torch.testing.assert_close(Attention(8, heads=2)(x), x)


def test_attention_is_that_of_torch():
    torch.manual_seed(0)
    ours, theirs = Attention(8, heads=2), nn.MultiheadAttention(8, 2, batch_first=True)
    nn.init.normal_(ours.out.weight)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.qkv.weight,
            "in_proj_bias": ours.qkv.bias,
            "out_proj.weight": ours.out.weight,
            "out_proj.bias": ours.out.bias,
        }
    )
    x = torch.randn(3, 8, 5)
    tokens = ours.norm(x).transpose(1, 2)
    torch.testing.assert_close(ours(x) - x, theirs(tokens, tokens, tokens)[0].transpose(1, 2), atol=1e-5, rtol=1e-4)


def test_dropout_loses_whole_feature_maps_at_its_rate():
    torch.manual_seed(0)
    block = ResidualBlock(8, 400, embedding=4, spatial=2, dropout=0.25)
    seen = []
    block.conv_out.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    block(torch.randn(16, 8, 4, 4), torch.randn(16, 4))
    lost = (seen[0] == 0).flatten(2)
    assert torch.equal(lost.all(dim=2), lost.any(dim=2))
    assert lost.float().mean().item() == pytest.approx(0.25, abs=0.03)
