"""What all networks promise."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from synthgen.api import Condition
from synthgen.diffusion import Denoiser, DenoisingLoss, drop, null
from synthgen.errors import UsageError
from synthgen.nn import DiT, Grid, UNet, ViT

SHAPES = [(1, 8, 8), (3, 7, 13), (14, 9, 32), (2, 1, 5), (6, 100), (1, 37), (3, 5)]


def networks(shape):
    return [UNet, DiT, Grid] if len(shape) == 2 else [UNet, ViT]


CASES = [(network, shape, patch) for shape in SHAPES for network in networks(shape) for patch in (1, 2, 4)]


@pytest.mark.parametrize(("network", "shape", "patch"), CASES)
def test_any_size_and_number_of_channels_comes_back_in_its_own_shape(network, shape, patch, conditions, told, awaken):
    net = awaken(network(shape, conditions, width=8, multipliers=(1, 2, 3), blocks=1, patch=patch))
    y = net(torch.randn(3, *shape), torch.tensor([-1.0, 0.0, 1.0]), told)
    assert y.shape == (3, *shape)
    assert y.is_contiguous()
    assert torch.isfinite(y).all()
    assert y.std() > 0


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 11)), (DiT, (2, 11)), (Grid, (2, 11))]
)
@pytest.mark.parametrize("autocast", [False, True])
def test_every_parameter_learns_and_gradients_are_finite_with_null_conditions(
    network, shape, autocast, conditions, told, awaken
):
    net = awaken(network(shape, conditions, width=8, patch=2)).train()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss, _ = DenoisingLoss()(
            Denoiser(net), torch.randn(3, *shape), torch.tensor([0.1, 1.0, 5.0]), torch.randn(3, *shape), None, told
        )
    loss.backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 12)), (DiT, (2, 12)), (Grid, (2, 12))]
)
def test_noise_level_and_every_condition_matter(network, shape, conditions, told, awaken):
    net = awaken(network(shape, conditions, width=8, patch=2))
    x, noise = torch.randn(1, *shape).expand(3, *shape), torch.zeros(3)
    known = {"label": torch.tensor([1, 1, 1]), "context": torch.tensor([[0.5, 0.5]] * 3)}

    def differ(noise, conditions):
        y = net(x, noise, conditions)
        return not torch.allclose(y[0], y[1], atol=1e-5)

    assert not differ(noise, known)
    assert differ(torch.tensor([0.0, 0.5, 0.0]), known)
    assert differ(noise, known | {"label": torch.tensor([1, 2, 1])})
    assert differ(noise, known | {"label": torch.tensor([1, -1, 1])})
    assert differ(noise, known | {"context": torch.tensor([[0.5, 0.5], [0.5, 0.6], [0.5, 0.5]])})
    assert differ(noise, known | {"context": torch.tensor([[0.5, 0.5], [math.nan, 0.5], [0.5, 0.5]])})


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 12)), (DiT, (2, 12)), (Grid, (2, 12))]
)
def test_a_missing_condition_is_the_null_condition(network, shape, conditions, awaken):
    net = awaken(network(shape, conditions, width=8))
    x, noise = torch.randn(2, *shape), torch.tensor([-0.5, 0.5])
    null = {"label": torch.tensor([-1, -1]), "context": torch.full((2, 2), math.nan)}
    torch.testing.assert_close(net(x, noise, {}), net(x, noise, null))
    torch.testing.assert_close(net(x, noise, {"label": null["label"]}), net(x, noise, null))


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 12)), (DiT, (2, 12)), (Grid, (2, 12))]
)
def test_a_row_does_not_depend_on_its_batch(network, shape, conditions, told, awaken):
    net = awaken(network(shape, conditions, width=8))
    x, noise = torch.randn(3, *shape), torch.tensor([-1.0, 0.0, 1.0])
    whole = net(x, noise, told)
    for i in range(3):
        alone = net(x[i : i + 1], noise[i : i + 1], {name: value[i : i + 1] for name, value in told.items()})
        torch.testing.assert_close(alone[0], whole[i], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 11)), (DiT, (2, 11)), (Grid, (2, 11))]
)
def test_bfloat16_autocast_agrees_with_float32(network, shape, conditions, told, awaken):
    """The two run through different layouts and, for series, different convolutions."""
    net = awaken(network(shape, conditions, width=8))
    x, noise = torch.randn(3, *shape), torch.tensor([-1.0, 0.0, 1.0])
    exact = net(x, noise, told)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = net(x, noise, told).float()
    assert (rough - exact).norm() / exact.norm() < 0.05


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (2, 6, 6)), (ViT, (2, 6, 6)), (UNet, (2, 11)), (DiT, (2, 11)), (Grid, (2, 11))]
)
def test_an_untrained_denoiser_predicts_nothing_from_its_network(network, shape, conditions, told):
    net = network(shape, conditions, width=8)
    assert not net(torch.randn(3, *shape), torch.zeros(3), told).any()


def test_an_unlabelled_schema_needs_no_conditions(awaken):
    for net in (UNet((1, 8), (), width=8), DiT((1, 8), (), width=8)):
        assert awaken(net)(torch.randn(2, 1, 8), torch.zeros(2), {}).std() > 0


def test_dropout_acts_in_training_only(conditions, told, awaken):
    for net in (UNet((2, 6, 6), conditions, width=8, dropout=0.5), DiT((2, 6), conditions, width=8, dropout=0.5)):
        awaken(net)
        x = torch.randn(3, *([2, 6, 6] if isinstance(net, UNet) else [2, 6]))
        noise = torch.zeros(3)
        torch.testing.assert_close(net(x, noise, told), net(x, noise, told))
        net.train()
        assert not torch.allclose(net(x, noise, told), net(x, noise, told))


def test_padding_is_told_from_data_by_the_channel_of_ones(awaken):
    """An image of zeros and one that is padded to the same size differ at their common pixels."""
    net = awaken(UNet((1, 8, 8), (), width=8, multipliers=(1, 2, 2)))
    small, large = net(torch.zeros(1, 1, 5, 8), torch.zeros(1), {}), net(torch.zeros(1, 1, 8, 8), torch.zeros(1), {})
    assert not torch.allclose(small, large[:, :, :5], atol=1e-4)


@pytest.mark.parametrize("network", [DiT, Grid])
def test_the_transformers_tell_channels_apart(network, awaken):
    net = awaken(network((3, 12), (), width=8, patch=4))
    y = net(torch.randn(1, 1, 12).expand(1, 3, 12), torch.zeros(1), {})
    assert not torch.allclose(y[:, 0], y[:, 1], atol=1e-5)


@pytest.mark.parametrize(("network", "length"), [(DiT, 12), (Grid, 12), (Grid, 400)])  # jointly, and axis by axis
def test_the_transformers_mix_channels_and_times(network, length, awaken):
    torch.manual_seed(0)
    net = awaken(network((3, length), (), width=8, patch=4, blocks=1))
    x = torch.randn(1, 3, length)
    changed = x.clone()
    changed[0, 0, 0] += 3
    moved = (net(changed, torch.zeros(1), {}) - net(x, torch.zeros(1), {})).abs()
    assert float((moved[0, 1] > 0).float().mean()) > 0.95  # another channel, all times


@pytest.mark.parametrize(
    ("network", "shape"), [(UNet, (3,)), (UNet, (1, 4, 4, 4)), (DiT, (1, 8, 8)), (Grid, (1, 8, 8)), (DiT, (4,))]
)
def test_shapes_that_a_network_cannot_take_are_refused(network, shape):
    with pytest.raises(UsageError, match="shape"):
        network(shape, ())


def test_odd_widths_work(conditions, told, awaken):
    for net, shape in (
        (UNet((2, 6, 6), conditions, width=13, heads=4), (2, 6, 6)),
        (DiT((2, 6), conditions, width=13), (2, 6)),
    ):
        assert torch.isfinite(awaken(net)(torch.randn(3, *shape), torch.zeros(3), told)).all()


DENSE = (Condition("label", "class", 4), Condition("topics", "multilabel", 5), Condition("outline", "dense", 2))


def dense_conditions(shape):
    generator = torch.Generator().manual_seed(1)
    outline = torch.randn(3, 2, *shape[1:], generator=generator)
    topics = (torch.rand(3, 5, generator=generator) < 0.5).float()
    return {"label": torch.tensor([0, 1, 2]), "topics": topics, "outline": outline}


@pytest.mark.parametrize(("network", "shape"), [(UNet, (2, 14, 15)), (UNet, (2, 31)), (DiT, (2, 11)), (Grid, (2, 11))])
@pytest.mark.parametrize("patch", [1, 2])
def test_a_dense_condition_acts_where_it_is(network, shape, patch, awaken):
    """Changing one corner of the map moves the answer most near that corner, whatever the weights start as."""
    told = dense_conditions(shape)
    corner = (slice(None), slice(None), *[slice(0, 1)] * (len(shape) - 1))
    far = (slice(None), slice(None), *[slice(-1, None)] * (len(shape) - 1))
    moved = {**told, "outline": told["outline"].clone()}
    moved["outline"][corner] += 1.0
    near = away = 0.0
    for seed in range(8):
        torch.manual_seed(seed)
        net = awaken(network(shape, DENSE, width=8, blocks=1, multipliers=(1,), attention=False, patch=patch))
        x, noise = torch.randn(3, *shape), torch.zeros(3)
        change = (net(x, noise, moved) - net(x, noise, told)).abs().detach()
        near, away = near + float(change[corner].mean()), away + float(change[far].mean())
    assert near > 2 * away


@pytest.mark.parametrize(("network", "shape"), [(UNet, (2, 6, 7)), (DiT, (2, 11)), (Grid, (2, 11))])
def test_a_missing_dense_or_multilabel_condition_is_null_and_learns(network, shape, awaken):
    net = awaken(network(shape, DENSE, width=8, patch=2)).train()
    told = dense_conditions(shape)
    told["outline"][0, 0].view(-1)[3] = math.nan  # one unknown value makes the whole record's map null
    told["topics"][1, 0] = math.nan
    x, noise = torch.randn(3, *shape), torch.zeros(3)
    net.eval()
    alone = net(x[:1], noise[:1], {name: value[:1] for name, value in told.items() if name != "outline"})
    torch.testing.assert_close(net(x, noise, told)[:1], alone, atol=1e-5, rtol=1e-4)
    alone = net(x[1:2], noise[:1], {name: value[1:2] for name, value in told.items() if name != "topics"})
    torch.testing.assert_close(net(x, noise, told)[1:2], alone, atol=1e-5, rtol=1e-4)
    net.train()(x, noise, told).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.any(), name


def test_guidance_drops_dense_and_multilabel_conditions_as_the_others():
    told = dense_conditions((2, 6, 7))
    dropped = drop(told, [replace(spec, dropout=1.0) for spec in DENSE], torch.Generator().manual_seed(0))
    for name, value in null(told).items():
        torch.testing.assert_close(dropped[name], value, equal_nan=True)
