from __future__ import annotations

import math

import torch

from synthgen.nn import ConditionEmbedding, FourierFeatures


def test_fourier_features_have_unit_variance_and_tell_near_noise_levels_apart():
    features = FourierFeatures(64)(torch.linspace(-2, 2, 4001))
    assert features.shape == (4001, 64)
    torch.testing.assert_close(features.square().mean(dim=1), torch.ones(4001))
    close = FourierFeatures(64)(torch.tensor([0.0, 0.01]))
    assert (close[0] - close[1]).norm() > 0.5


def test_conditions_add_up(conditions, told):
    torch.manual_seed(0)
    embedding = ConditionEmbedding(conditions, 8)
    both = embedding(told, told["label"])
    label = embedding({"label": told["label"]}, told["label"])
    context = embedding({"context": told["context"]}, told["label"])
    nothing = embedding({}, told["label"])
    torch.testing.assert_close(both - nothing, (label - nothing) + (context - nothing))


def test_a_nan_row_reaches_neither_its_neighbours_nor_the_gradient(conditions):
    embedding = ConditionEmbedding(conditions, 8)
    context = torch.tensor([[1.0, 2.0], [math.nan, 2.0], [1.0, 2.0]])
    out = embedding({"context": context}, context)
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out[0], out[2])
    out.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in embedding.parameters() if p.grad is not None)


def test_the_null_row_belongs_to_no_class(conditions):
    embedding = ConditionEmbedding(conditions[:1], 8)
    out = embedding({"label": torch.tensor([0, 1, 2, 3, -1])}, torch.zeros(5))
    assert torch.cdist(out, out).fill_diagonal_(1).min() > 1e-3
