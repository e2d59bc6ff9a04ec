"""What is given of a record: masks as they are asked for, read where they stand, and null when there are none."""

from __future__ import annotations

import pytest
import torch

from synthgen.nn import Grid, UNet
from synthgen.nn.context import CONTEXT, context_condition, draw_given, told


@pytest.mark.parametrize("shape", [(4000, 3, 20), (4000, 1, 20), (1000, 3, 9, 7)])
def test_masks_give_something_as_often_as_asked_never_all_and_of_every_kind(shape):
    given = draw_given(shape, probability=0.7, generator=torch.Generator().manual_seed(0))
    flat = given.flatten(1)
    assert not flat.all(dim=1).any()
    assert 0.5 < float(flat.any(dim=1).float().mean()) <= 0.72
    some = given[flat.any(dim=1)]
    line = some.all(dim=1).flatten(1, -2).all(dim=1) if len(shape) == 4 else some.all(dim=1)  # along the last axis
    along = line.float()
    beginnings = (along.diff(dim=1).clamp(min=0).sum(dim=1) == 0) & along.any(dim=1) & ~some[..., -1].flatten(1).any(1)
    assert float(beginnings.float().mean()) > 0.1
    share = some.flatten(1).float().mean(dim=1)
    assert float(share.min()) < 0.2
    assert float(share.max()) > 0.8
    if shape[1] > 1:
        channels = some.flatten(2)
        whole = (channels.all(dim=2) | ~channels.any(dim=2)).all(dim=1)
        assert float(whole.float().mean()) > 0.1


def test_the_same_generator_gives_the_same_masks():
    made = [draw_given((8, 2, 16), probability=0.5, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*made)


def test_what_is_not_given_is_not_told():
    x = torch.randn(2, 2, 6)
    given = torch.zeros(2, 2, 6, dtype=torch.bool)
    given[0, :, :3] = True
    other = torch.where(given, x, 99.0)
    torch.testing.assert_close(told(x, given), told(other, given), equal_nan=True)
    assert told(x, given)[1].isnan().all()  # nothing given: the null


@pytest.mark.parametrize(("network", "shape"), [(UNet, (2, 12)), (UNet, (2, 6, 6)), (Grid, (2, 12)), (Grid, (70, 12))])
def test_networks_read_what_is_given_and_nothing_given_is_no_context(network, shape, awaken):
    net = awaken(network(shape, (context_condition(shape),), width=8, patch=2))
    x, noise = torch.randn(2, *shape), torch.zeros(2)
    given = torch.zeros(2, *shape, dtype=torch.bool)
    given[0, :, :4] = True
    clean = torch.randn(2, *shape)
    without, with_some = net(x, noise, {}), net(x, noise, {CONTEXT: told(clean, given)})
    torch.testing.assert_close(with_some[1], without[1])
    assert not torch.allclose(with_some[0], without[0], atol=1e-4)
    changed = net(x, noise, {CONTEXT: told(clean + 1, given)})
    assert not torch.allclose(changed[0], with_some[0], atol=1e-4)


def test_the_grid_takes_other_lengths_than_it_was_built_for(awaken):
    net = awaken(Grid((2, 12), (context_condition((2, 12)),), width=8, patch=4))
    x = torch.randn(1, 2, 31)
    context = {CONTEXT: told(x, torch.rand(1, 2, 31) < 0.5)}
    assert net(x, torch.zeros(1), context).shape == x.shape
