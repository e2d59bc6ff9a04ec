"""Wrong masks are found where they are wrong, by a model whose masks follow from its images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthgen_mask.classes import MaskClass, mask_schema, palette
from synthgen_mask.codec import MaskCodec

from synthgen.api import Records
from synthgen.data.source import ArraySource
from synthgen.evaluation.mask_errors import MaskJudge
from synthgen.evaluation.measuring import Setting
from synthgen.evaluation.scorer import Model
from synthgen.evaluation.suspects import label_judge

SIZE = 16


def pairs(n, seed):
    """Bright squares on dark ground, and their masks."""
    draws = np.random.default_rng(seed)
    mask = np.zeros((n, SIZE, SIZE), dtype=np.uint8)
    for one in mask:
        top, left = draws.integers(0, SIZE - 7, size=2)
        one[top : top + 7, left : left + 7] = 1
    image = np.where(mask[..., None] == 1, 200, 50) + draws.integers(-20, 21, size=(n, SIZE, SIZE, 1))
    return Records({"image": image.astype(np.uint8), "mask": mask})


@pytest.fixture(scope="module")
def model():
    """The denoiser is told nothing but what an image channel holds: bright is of class 1."""
    classes = [MaskClass(index, name, palette(index)) for index, name in enumerate(("ground", "square"))]
    schema = mask_schema((SIZE, SIZE), bands=1, classes=classes)
    records = pairs(60, 0)
    codec = MaskCodec(schema).fit([records])
    encoded = codec.encode(records).x
    bright = encoded[:, :1] > 0
    levels = torch.stack([encoded[:, 1:][~bright].mean(), encoded[:, 1:][bright].mean()])

    def denoiser(x, sigma, conditions):
        image = x[:, :1] * 0.25 / (0.25 + sigma[:, None, None, None] ** 2)
        certainty = torch.sigmoid(40 * image)
        return torch.cat([image, levels[0] + certainty * (levels[1] - levels[0])], dim=1)

    return Model(denoiser, codec, None, schema, 0.5), ArraySource(schema, records)


def test_disagreement_marks_the_pixels_that_are_wrong(model):
    judge = MaskJudge(model[0], Setting(0.5, 0.1, 3.0))
    records = pairs(4, 1)
    wrong = records["mask"].copy()
    wrong[0] = 0
    wrong[1, :3, :3] = 1 - wrong[1, :3, :3]
    found = judge.disagreement(Records({"image": records["image"], "mask": wrong}))
    assert found.shape == (4, SIZE, SIZE)
    changed = wrong != records["mask"]
    assert found[changed].mean() > 0.9
    assert found[~changed].mean() < 0.05


def test_records_with_wrong_masks_have_small_p_values_and_ignored_pixels_do_not_count(model):
    scorer = type("Fitted", (), {"setting": Setting(0.5, 0.1, 3.0)})()
    judge = label_judge(model[0], scorer, model[1], np.arange(60))
    records = pairs(10, 2)
    masks = records["mask"].copy()
    masks[0] = np.roll(masks[0], 4, axis=1)
    masks[1][masks[1] == 1] = 255  # not wrong, only unknown
    doubt = judge.doubt(Records({"image": records["image"], "mask": masks}))
    assert doubt.p[0] == pytest.approx(1 / 61)
    assert doubt.margin.argmax() == 0
    assert doubt.margin[0] > 0.1 > 10 * doubt.margin[1:].max()
