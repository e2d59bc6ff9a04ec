"""The image codec: exact round trips, z-scores x 0.5 whatever the pieces, legal output from anything."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from synthgen_image.codec import ImageCodec
from synthgen_image.schema import image_schema

from synthgen.api import Records
from synthgen.errors import DataError, RunError

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def schema_of(images, labels=("a", "b")):
    _, height, width, channels = images.shape
    return image_schema(height=height, width=width, mode=MODES[channels], labels=labels)


@given(
    st.sampled_from([1, 3, 4]).flatmap(
        lambda c: hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5).map(lambda s: (*s, c)))
    )
)
def test_decode_gives_back_exactly_what_was_encoded(images):
    labels = np.arange(len(images)) % 2
    codec = ImageCodec(schema_of(images)).fit([Records({"image": images}, labels)])
    batch = codec.encode(Records({"image": images}, labels))
    assert batch.x.shape == (len(images), images.shape[3], *images.shape[1:3])
    assert batch.x.dtype == torch.float32
    again = codec.decode(batch.x, batch.conditions)
    np.testing.assert_array_equal(again["image"], images)
    np.testing.assert_array_equal(again.label, labels)


def test_channels_have_mean_zero_and_standard_deviation_one_half_whatever_the_pieces(pixels):
    images = pixels(40, 7, 9, 4) // np.array([1, 2, 5, 9], dtype=np.uint8)
    whole = Records({"image": images})
    pieces = [whole.take(slice(start, start + 7)) for start in range(0, 40, 7)]
    x = ImageCodec(schema_of(images)).fit(iter(pieces)).encode(whole).x
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(x.std((0, 2, 3), correction=0), torch.full((4,), 0.5), atol=1e-5, rtol=0)
    one = ImageCodec(schema_of(images)).fit([whole])
    by_piece = ImageCodec(schema_of(images)).fit(pieces).state()[1]
    assert all(torch.equal(tensor, by_piece[name]) for name, tensor in one.state()[1].items())


def test_a_constant_channel_stays_constant_and_finite(pixels):
    images = pixels(8, channels=4)
    images[..., 3] = 255
    codec = ImageCodec(schema_of(images)).fit([Records({"image": images})])
    x = codec.encode(Records({"image": images})).x
    assert x.isfinite().all()
    noisy = x + 0.05 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (codec.decode(noisy, {})["image"][..., 3] == 255).mean() > 0.99


def test_anything_decodes_to_legal_images(pixels):
    codec = ImageCodec(schema_of(pixels())).fit([Records({"image": pixels()})])
    values = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30, -1e30, 0.0])
    wild = values.reshape(6, 1, 1, 1).expand(6, 1, 6, 5)
    images = codec.decode(wild, {})["image"]
    assert images.dtype == np.uint8
    assert images[3].min() == 255
    assert images[4].max() == 0


def test_the_state_brings_back_the_same_codec(pixels):
    records = Records({"image": pixels(channels=3)})
    codec = ImageCodec(schema_of(records["image"])).fit([records])
    again = ImageCodec(schema_of(records["image"])).load_state(*codec.state())
    assert torch.equal(again.encode(records).x, codec.encode(records).x)


@pytest.mark.parametrize("tensors", [{}, {"mean": torch.zeros(2), "std": torch.ones(2)}])
def test_a_foreign_state_is_refused(pixels, tensors):
    with pytest.raises(RunError):
        ImageCodec(schema_of(pixels())).load_state({"scale": 0.5}, tensors)


def test_images_of_another_size_are_refused_in_words(pixels):
    codec = ImageCodec(schema_of(pixels()))
    with pytest.raises(DataError, match="7 x 7 x 1 uint8"):
        codec.encode(Records({"image": pixels(2, 7, 7)}))


def test_no_training_records_are_refused(pixels):
    with pytest.raises(DataError):
        ImageCodec(schema_of(pixels())).fit([])


def test_images_of_few_grey_levels_are_decoded_to_those_levels():
    levels = np.array([0, 16, 128, 255], np.uint8)
    images = levels[np.random.default_rng(0).integers(0, 4, (20, 8, 8, 1))]
    codec = ImageCodec(schema_of(images)).fit([Records({"image": images})])
    decoded = codec.decode(torch.randn(5, 1, 8, 8), {})["image"]
    assert set(np.unique(decoded)) <= set(levels.tolist())
    np.testing.assert_array_equal(codec.decode(codec.encode(Records({"image": images})).x, {})["image"], images)
