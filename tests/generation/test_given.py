"""Generation from given records: a function of (plan, i), as close as the strength says, and named in every row."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from synthgen import Given
from synthgen.errors import DataError, DatasetError, UsageError
from synthgen.generation import generate, generate_records, verify
from synthgen.generation.given import tail
from synthgen.generation.plan import Plan, make_plan
from synthgen.generation.regions import boxes


@pytest.fixture(scope="module")
def digits(tiny_run):
    """Seven held-out digits, and the file that holds them."""
    return tiny_run.source().read(tiny_run.split.holdout[:7])


@pytest.fixture
def archive(digits, tmp_path):
    path = tmp_path / "seven.npz"
    np.savez(path, X=digits["image"], y=digits.label)
    return path


def test_the_share_of_the_grid_that_is_left_is_the_strength():
    sigmas = torch.tensor([80.0, 8.0, 1.0, 0.1, 0.01, 0.0])
    assert tail(sigmas, 0.4).tolist() == sigmas[3:].tolist()
    assert tail(sigmas, 1.0).tolist() == sigmas.tolist()
    assert tail(sigmas, 0.01).tolist() == sigmas[4:].tolist()


def test_the_weaker_the_noise_the_closer_to_what_was_given(tiny_run, digits, archive):
    distances = []
    for strength in (0.1, 0.5, 1.0):
        made = generate_records(tiny_run, given=Given(archive, strength), steps=10)
        distances.append(np.abs(made["image"].astype(float) - digits["image"]).mean())
        assert made.label.tolist() == digits.label.tolist()
    assert distances[0] < 10
    assert distances == sorted(distances)
    assert distances[2] > 3 * distances[0]


def test_record_i_comes_from_given_record_i_mod_m_whatever_the_shards(tiny_run, archive, tmp_path):
    one = generate(tiny_run, n=20, given=archive, out=tmp_path / "one")
    four = generate(tiny_run, n=20, given=archive, shards=4, workers=2, out=tmp_path / "four")
    table = pd.read_parquet(tmp_path / "one" / "data")
    assert table["source_id"].tolist() == [i % 7 for i in range(20)]
    first, second = (dataset.open(tiny_run).read(np.arange(20)) for dataset in (one, four))
    assert np.abs(first["image"].astype(int) - second["image"]).max() <= 1
    assert first.label.tolist() == second.label.tolist()
    assert not np.array_equal(first["image"][0], first["image"][7])  # the same given record, other noise


def test_labels_are_those_of_the_given_records_unless_others_are_asked_for(tiny_run, digits, archive):
    assert make_plan(tiny_run, n=None, given=archive).n == 7
    plan = make_plan(tiny_run, n=9, given=archive)
    names = tiny_run.schema.labels
    assert plan.label_ids(names, range(9)).tolist() == [*digits.label, *digits.label[:2]]
    assert make_plan(tiny_run, n=7, labels=("3",), given=archive).label_counts(names) == {"3": 7}


def test_data_without_labels_needs_a_word_on_them(tiny_run, digits, tmp_path):
    np.savez(tmp_path / "bare.npz", X=digits["image"])
    with pytest.raises(UsageError, match="carries no labels"):
        make_plan(tiny_run, n=7, given=tmp_path / "bare.npz")
    made = generate_records(tiny_run, labels=("3",), given=tmp_path / "bare.npz")
    assert made.label.tolist() == [3] * 7


@pytest.mark.parametrize("strength", [0.0, -1.0, 1.5])
def test_an_impossible_strength_is_refused(strength, tiny_run, archive):
    with pytest.raises(UsageError, match="strength is"):
        make_plan(tiny_run, n=7, given=Given(archive, strength))


def test_records_that_do_not_fit_the_run_are_refused_before_anything_is_written(tiny_run, tmp_path):
    np.savez(tmp_path / "colours.npz", X=np.zeros((4, 8, 8, 2), np.uint8), y=np.arange(4))
    with pytest.raises(DataError):
        generate(tiny_run, given=tmp_path / "colours.npz", out=tmp_path / "d")
    with pytest.raises(DataError, match="no data at"):
        generate(tiny_run, given=tmp_path / "nothing", out=tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_plan_of_an_older_version_reads_and_keeps_its_bytes(tiny_run, archive):
    plain = make_plan(tiny_run, n=4)
    assert "given" not in json.loads(plain.to_json())
    assert Plan.from_json(plain.to_json()) == plain
    given = make_plan(tiny_run, n=4, given=archive)
    assert Plan.from_json(given.to_json()) == given


def test_changed_given_records_are_another_data_set(tiny_run, digits, archive, tmp_path):
    generate(tiny_run, given=archive, out=tmp_path / "d")
    np.savez(archive, X=255 - digits["image"], y=digits.label)
    with pytest.raises(DatasetError, match="another plan"):
        generate(tiny_run, given=archive, out=tmp_path / "d")


def test_card_and_provenance_say_what_was_given_and_a_lost_shard_is_made_again(tiny_run, archive, tmp_path):
    out = tmp_path / "d"
    dataset = generate(tiny_run, given=Given(archive, 0.5), shards=2, out=out)
    facts = dataset.provenance["given"]
    assert (facts["records"], facts["strength"], facts["path"]) == (7, 0.5, str(archive))
    assert "made from one of 7 given records (`seven.npz`" in (out / "README.md").read_text()
    next(out.glob("data/*.parquet")).unlink()
    assert len(verify(out, repair=True).repaired) == 1


@pytest.fixture
def upper(tmp_path):
    """A mask image, twice as large as the digits, that marks their upper half."""
    pixels = np.zeros((16, 16), np.uint8)
    pixels[:8] = 255
    Image.fromarray(pixels).save(tmp_path / "upper.png")
    return tmp_path / "upper.png"


@pytest.mark.parametrize("sampler", ["multistep", "repaint"])
def test_only_the_marked_part_is_drawn_anew(sampler, tiny_run, digits, archive, upper):
    given = Given(archive, regions=upper)
    made = generate_records(tiny_run, n=14, given=given, sampler=sampler, steps=4)
    np.testing.assert_array_equal(made["image"][:, 4:], np.tile(digits["image"], (2, 1, 1, 1))[:, 4:])
    assert (made["image"][:7, :4] != digits["image"][:, :4]).mean() > 0.2
    assert (made["image"][:7, :4] != made["image"][7:, :4]).mean() > 0.1


def test_what_the_mask_hides_is_not_read(tiny_run, digits, archive, upper, tmp_path):
    hidden = digits["image"].copy()
    hidden[:, :4] = 99
    np.savez(tmp_path / "hidden.npz", X=hidden, y=digits.label)
    made = [
        generate_records(tiny_run, given=Given(path, regions=upper), steps=4)["image"]
        for path in (archive, tmp_path / "hidden.npz")
    ]
    np.testing.assert_array_equal(*made)


def test_pixels_outside_are_kept_though_their_values_are_none_of_the_models(tiny_run, digits, upper, tmp_path):
    odd = np.minimum(digits["image"], 254) | 1  # the training digits have 17 grey levels, these are between them
    np.savez(tmp_path / "odd.npz", X=odd, y=digits.label)
    made = generate_records(tiny_run, given=Given(tmp_path / "odd.npz", regions=upper), steps=4)
    np.testing.assert_array_equal(made["image"][:, 4:], odd[:, 4:])


def test_a_box_is_drawn_from_seed_and_number(tiny_run, archive):
    first, again = (generate_records(tiny_run, given=Given(archive, regions="box"), steps=4)["image"] for _ in "ab")
    np.testing.assert_array_equal(first, again)
    boxed = boxes((8, 12), 0, range(50))
    np.testing.assert_array_equal(boxes((8, 12), 0, [33])[0], boxed[33])
    shares = boxed.mean(axis=(1, 2))
    assert shares.min() >= 2 * 3 / 96
    assert shares.max() <= 0.25


def test_masks_that_do_not_fit_are_refused(tiny_run, archive, tmp_path):
    folder = tmp_path / "masks"
    folder.mkdir()
    with pytest.raises(UsageError, match="no mask images"):
        make_plan(tiny_run, n=7, given=Given(archive, regions=folder))
    for name in ("a.png", "b.png"):
        Image.fromarray(np.full((8, 8), 255, np.uint8)).save(folder / name)
    with pytest.raises(UsageError, match="2 masks for 7 given records"):
        make_plan(tiny_run, n=7, given=Given(archive, regions=folder))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(DataError, match="marks nothing"):
        make_plan(tiny_run, n=7, given=Given(archive, regions=tmp_path / "black.png"))
    Image.fromarray(np.full((8, 20), 255, np.uint8)).save(tmp_path / "long.png")
    with pytest.raises(DataError, match=r"the mask .*long\.png is 20 x 8"):
        make_plan(tiny_run, n=7, given=Given(archive, regions=tmp_path / "long.png"))
