"""Noise levels of groups of channels: usual where a modality has groups, given up for what needs one level a record."""

from __future__ import annotations

import pytest
from synthgen_mask.presets import choices

from synthgen import registry
from synthgen.config import resolve
from synthgen.data.channel_groups import channel_groups, yielding
from synthgen.errors import ConfigError


@pytest.fixture
def schema():
    return registry.create("datasets", "digits-on-photos", "mask").schema


def settled(schema, **asked):
    return resolve([{"modality": "mask"}, yielding(choices(schema, 300), {}, asked), asked])


def test_image_and_mask_have_levels_of_their_own_unless_one_is_needed(schema):
    assert channel_groups(settled(schema), schema) == {"image": 1, "mask": schema.shape[0] - 1}
    for asked in ({"loss": {"contrastive": 0.05}}, {"noise": {"adaptive": True}}, {"noise": {"clean": 0.0}}):
        assert channel_groups(settled(schema, **asked), schema) == {}
    assert settled(schema, loss={"contrastive": 0.0}).noise.clean > 0


def test_asking_for_both_is_an_error(schema):
    with pytest.raises(ConfigError, match=r"loss\.contrastive is for one noise level a record"):
        channel_groups(settled(schema, loss={"contrastive": 0.05}, noise={"clean": 0.2}), schema)
