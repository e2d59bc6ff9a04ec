"""Non-leaky augmentation: exact transforms, told to the network, absent in sampling."""

from __future__ import annotations

import pytest
import torch

from synthgen import registry
from synthgen.config import resolve
from synthgen.data.augmentation import Augmentation, Transform, augmentation_of, flip, quarter_turns, scale, shift
from synthgen.errors import ConfigError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_every_record_is_what_its_vector_says():
    x = torch.randn(64, 2, 6, 6, generator=generator(1))
    augmentation = Augmentation([flip(-1, "flip-x"), quarter_turns(), shift(2, most=0.5), scale()])
    y, _, vector = augmentation(x, None, probability=0.5, generator=generator())
    assert 0 < int(vector.isnan().all(dim=1).sum()) < 16
    for one, other, told in zip(x, y, vector, strict=True):
        if told.isnan().all():
            assert torch.equal(one, other)
            continue
        expected = one.flip(-1) if told[0] else one
        turns = int(told[1:4].argmax()) + 1 if told[1:4].any() else 0
        expected = torch.rot90(expected, turns, (-2, -1))
        down, right = (round(float(3 * part)) for part in told[4:6])
        rows, columns = ((torch.arange(6) - steps).clamp(0, 5) for steps in (down, right))
        expected = expected[:, rows][:, :, columns] * torch.exp(0.2 * told[6])
        torch.testing.assert_close(other, expected)


def test_probability_zero_changes_nothing_and_tells_nothing():
    x = torch.randn(8, 1, 5)
    y, _, vector = Augmentation([shift(1), scale()])(x, None, probability=0.0, generator=generator())
    assert torch.equal(x, y)
    assert bool(vector.isnan().all())


def test_weights_of_missing_values_move_along_but_are_not_scaled():
    x = torch.arange(12.0).reshape(2, 1, 6)
    observed = (x != 2).float()
    y, weights, _ = Augmentation([flip(-1, "reverse"), scale()])(x, observed, probability=1.0, generator=generator())
    assert weights[0, 0].tolist() == [1, 1, 1, 0, 1, 1]
    assert not torch.equal(y, x.flip(-1))


def test_a_transform_acts_as_often_as_asked():
    transform = Transform("mark", 1, lambda n, g: torch.ones(n, 1), lambda x, p: x + 1, values=True)
    y, _, _ = Augmentation([transform])(torch.zeros(4000, 1, 1), None, probability=0.12, generator=generator())
    assert float(y.mean()) == pytest.approx(0.12, abs=0.02)


@pytest.mark.parametrize("name", ["image", "timeseries", "mask"])
def test_every_modality_of_ours_declares_augmentations_for_its_demo_set(name):
    modality = registry.modality(name)
    source = registry.create("datasets", modality.demo, name)
    codec = modality.codec(source.schema).fit([source.read(torch.arange(16).numpy())])
    batch = codec.encode(source.read(torch.arange(16).numpy()))
    config = resolve([{"modality": name, "data": {"augment": 1.0}}])
    augmentation = augmentation_of(config, source.schema)
    y, observed, vector = augmentation(batch.x, batch.observed, probability=1.0, generator=generator())
    assert y.shape == batch.x.shape
    assert (observed is None) == (batch.observed is None)
    assert vector.shape == (16, augmentation.condition.size)
    assert not torch.equal(y, batch.x)


def test_a_modality_that_declares_none_is_named(monkeypatch):
    schema = registry.create("datasets", "digits", "image").schema
    monkeypatch.delattr(type(registry.modality("image")), "augmentations")
    with pytest.raises(ConfigError, match="image declares no augmentation"):
        augmentation_of(resolve([{"modality": "image", "data": {"augment": 0.1}}]), schema)
