"""The codec: exact round trips, legal output from any values, weights that ignore what is unlabelled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthgen_mask.classes import MaskClass, mask_channels, mask_schema, palette
from synthgen_mask.codec import MaskCodec

from synthgen.api import Records
from synthgen.errors import DataError


def _codec(ids, *, bands=1, size=(4, 5), count=6, seed=0, labels=(), present=False):
    random = np.random.default_rng(seed)
    classes = [MaskClass(i, f"c{i}", palette(k)) for k, i in enumerate(ids)]
    schema = mask_schema(size, bands=bands, classes=classes, labels=labels, present=present)
    records = Records(
        {
            "image": random.integers(0, 256, (count, *size, bands), dtype=np.uint8),
            "mask": random.choice(np.array(ids, np.uint16 if max(ids) > 255 else np.uint8), (count, *size)),
        },
        random.integers(0, len(labels), count) if labels else None,
    )
    return MaskCodec(schema).fit([records]), records


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 400).filter(lambda i: i != 255), min_size=2, max_size=40, unique=True).map(sorted),
    st.sampled_from([1, 3, 4]),
    st.integers(0, 5),
)
def test_decoding_returns_every_pixel_and_class_id_exactly(ids, bands, seed):
    codec, records = _codec(ids, bands=bands, seed=seed)
    back = codec.decode(codec.encode(records).x, {})
    np.testing.assert_array_equal(back["image"], records["image"])
    np.testing.assert_array_equal(back["mask"], records["mask"])


@pytest.mark.parametrize(("classes", "channels"), [(2, 1), (3, 3), (11, 11), (16, 16), (17, 5), (33, 6)])
def test_the_shape_of_an_encoded_record_is_the_schemas(classes, channels):
    codec, records = _codec(range(classes), bands=3)
    assert mask_channels(classes) == channels
    assert tuple(codec.encode(records).x.shape[1:]) == codec.schema.shape == (3 + channels, 4, 5)


@pytest.mark.parametrize("classes", [2, 5, 19, 40])
def test_any_values_at_all_decode_to_legal_records(classes):
    ids = [3 * k for k in range(classes)]
    codec, _ = _codec(ids)
    x = torch.randn(8, *codec.schema.shape, generator=torch.Generator().manual_seed(0)) * 50
    x[0, :, 0, 0], x[1, :, 1, 1] = float("nan"), float("inf")
    back = codec.decode(x, {})
    assert back["image"].dtype == np.uint8
    assert set(np.unique(back["mask"])) <= set(ids)


@pytest.mark.parametrize("classes", [2, 5, 19, 40])
def test_the_likeliest_class_is_the_decoded_one_and_a_clean_mask_is_certain(classes):
    """In bits (19, 40) too, where most codes belong to no class: probabilities are of the legal ones alone."""
    codec, records = _codec(range(classes), count=12)
    x = codec.encode(records).x
    probabilities = codec.probabilities(x)
    assert probabilities.shape[1] == classes
    torch.testing.assert_close(probabilities.sum(1), torch.ones(12, 4, 5))
    np.testing.assert_array_equal(probabilities.argmax(1).numpy(), records["mask"])
    assert float(probabilities.max(1).values.min()) > 0.99
    noisy = codec.doubtful(codec.decode(x, {}), torch.zeros_like(x), below=0.999)
    assert (noisy["margin"] < 255).all()
    assert (noisy["mask"] == 255).all()


def test_ignored_pixels_weigh_nothing_in_the_mask_channels_and_all_in_the_image():
    codec, records = _codec([0, 1, 2], bands=3)
    records["mask"][0, 0, 0] = 255
    batch = codec.encode(records)
    assert batch.observed is not None
    assert (batch.observed[0, 3:, 0, 0] == 0).all()
    assert (batch.observed[0, :3, 0, 0] > 0).all()
    assert (batch.observed[1:] > 0).all()
    assert (batch.x[0, 3:, 0, 0] == 0).all()


def test_image_and_mask_carry_the_same_weight_whatever_their_number_of_channels():
    for classes in (2, 4, 12, 30):
        codec, records = _codec(range(classes), bands=3)
        observed = codec.encode(records).observed
        assert observed is not None
        assert observed[:, :3].sum() == pytest.approx(observed[:, 3:].sum().item(), rel=1e-5)
        assert observed.mean().item() == pytest.approx(1.0, rel=1e-5)


def test_image_channels_have_standard_deviation_one_half():
    codec, records = _codec([0, 1], bands=3, count=200)
    x = codec.encode(records).x[:, :3].double()
    torch.testing.assert_close(x.mean((0, 2, 3)), torch.zeros(3, dtype=torch.float64), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        x.var((0, 2, 3), unbiased=False), torch.full((3,), 0.25, dtype=torch.float64), atol=1e-4, rtol=0
    )


def test_the_label_and_the_classes_present_are_conditions():
    codec, records = _codec([0, 5, 9], labels=("a", "b"), present=True)
    conditions = codec.encode(records).conditions
    np.testing.assert_array_equal(conditions["label"].numpy(), records.label)
    wanted = np.stack([(records["mask"] == i).any((1, 2)) for i in (0, 5, 9)], axis=1)
    np.testing.assert_array_equal(conditions["present"].numpy(), wanted)
    assert codec.decode(codec.encode(records).x, conditions).label.tolist() == records.label.tolist()


def test_the_stored_state_restores_the_codec():
    codec, records = _codec([0, 7, 8])
    facts, tensors = codec.state()
    again = MaskCodec(codec.schema).load_state(facts, tensors)
    torch.testing.assert_close(again.encode(records).x, codec.encode(records).x, rtol=0, atol=0)


def test_a_state_of_another_schema_is_refused():
    facts, tensors = _codec([0, 7, 8])[0].state()
    with pytest.raises(DataError, match="another schema"):
        MaskCodec(_codec([0, 1, 2, 3])[0].schema).load_state(facts, tensors)
    with pytest.raises(DataError, match="incomplete"):
        MaskCodec(_codec([0, 7, 8])[0].schema).load_state({}, tensors)


def test_a_class_id_unknown_to_the_schema_is_an_error_with_the_pixels_by_id():
    codec, records = _codec([0, 7])
    records["mask"][:] = 3
    with pytest.raises(DataError, match=r"\[3\].*3: 120"):
        codec.encode(records)


def test_records_of_another_size_are_refused_with_both_sizes():
    codec, _ = _codec([0, 1])
    _, other = _codec([0, 1], size=(6, 8))
    with pytest.raises(DataError, match=r"8 x 6 pixels.*5 x 4"):
        codec.encode(other)


def test_masks_without_a_single_labelled_pixel_cannot_be_fitted():
    codec, records = _codec([0, 1])
    records["mask"][:] = 255
    with pytest.raises(DataError, match="no labelled pixel"):
        MaskCodec(codec.schema).fit([records])


def test_a_constant_image_channel_does_not_divide_by_zero():
    codec, records = _codec([0, 1])
    records["image"][:] = 9
    fitted = MaskCodec(codec.schema).fit([records])
    np.testing.assert_array_equal(fitted.decode(fitted.encode(records).x, {})["image"], records["image"])
