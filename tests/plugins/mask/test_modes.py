"""One network, three modes: image and mask together, an image to a given mask, a mask to a given image."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from synthgen_mask.classes import MaskClass, class_table_text, palette

from synthgen import Given, generate
from synthgen.errors import DataError, UsageError
from synthgen.generation import generate_records
from synthgen.generation.labelling import label
from synthgen.generation.plan import Plan, make_plan
from synthgen.training import train

SIZE, INK = 12, (0, 110, 220)
"""Each class is a grey value, so that an image says what its mask should be."""


def squares(count, seed):
    """Images and masks of one square each, of class 1 or 2."""
    random = np.random.default_rng(seed)
    mask = np.zeros((count, SIZE, SIZE), np.uint8)
    for i in range(count):
        row, column = random.integers(0, SIZE - 5, 2)
        mask[i, row : row + 5, column : column + 5] = 1 + i % 2
    image = np.array(INK, np.uint8)[mask] + random.integers(0, 20, mask.shape, dtype=np.uint8)
    return image, mask


def save(folder, pictures):
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i:03d}.png")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("squares")
    image, mask = squares(200, 0)
    save(folder / "images", image)
    save(folder / "masks", mask)
    names = ("ground", "grey", "white")
    (folder / "classes.csv").write_text(class_table_text([MaskClass(k, n, palette(k)) for k, n in enumerate(names)]))
    return folder


def overrides(data, **noise):
    return {
        "modality": "mask",
        "data": {"path": str(data)},
        "network": {"width": 24, "blocks": 1},
        "noise": noise,
        "train": {"samples": 16_000, "precision": "fp32", "sample_checks": 0},
        "optim": {"batch_size": 64, "lr": 3e-3},
        "sampling": {"steps": 8},
    }


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    return train(overrides(data, independent=0.2, clean=0.4), out=tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def masks(tmp_path):
    _, mask = squares(12, 1)
    save(tmp_path / "asked" / "masks", mask)
    return tmp_path / "asked", mask


def test_an_image_is_drawn_to_each_given_mask_and_the_mask_stays_to_the_bit(run, masks):
    folder, mask = masks
    records = generate_records(run, given=Given(folder, part="mask"))
    np.testing.assert_array_equal(records["mask"], mask)
    means = [records["image"][mask == k].mean() for k in range(3)]
    assert means[0] + 40 < means[1] < means[2] - 40  # each class in its own grey, though no image was given


def test_a_mask_is_drawn_to_each_given_image(run, tmp_path):
    image, mask = squares(12, 2)
    save(tmp_path / "asked", image)
    records = generate_records(run, given=Given(tmp_path / "asked", part="image"))
    np.testing.assert_array_equal(records["image"][..., 0], image)
    assert (records["mask"] == mask).mean() > 0.9
    assert (records["mask"] == mask)[mask > 0].mean() > 0.7


def test_more_records_than_masks_go_round_and_are_named(run, masks, tmp_path):
    folder, mask = masks
    dataset = generate(run, n=15, given=Given(folder, part="mask"), out=tmp_path / "out", shards=3)
    rows = [json.loads(line) for line in (dataset.path / "metadata.jsonl").read_text().splitlines()]
    assert [row["source_id"] for row in rows] == [*range(12), 0, 1, 2]
    written = np.asarray(Image.open(dataset.path / "masks" / "00000013.png"))
    np.testing.assert_array_equal(written, mask[1])
    assert "The mask of each record is one of 12 given ones" in (dataset.path / "README.md").read_text()
    first, again = (np.asarray(Image.open(dataset.path / "images" / f"{i:08d}.png")) for i in (1, 13))
    assert (first != again).any()  # another draw to the same mask


def test_shards_and_batches_do_not_change_what_is_drawn_to_a_mask(run, masks):
    given = Given(masks[0], part="mask")
    whole = generate_records(run, n=6, given=given)
    cut = generate_records(run, n=6, given=given, sampling={"batch_size": 2})
    assert np.abs(whole["image"].astype(int) - cut["image"]).max() <= 1


def test_guidance_acts_on_what_is_given_too(run, masks):
    folder, mask = masks
    records = generate_records(run, given=Given(folder, part="mask"), guidance=2.0)
    np.testing.assert_array_equal(records["mask"], mask)
    assert records["image"][mask == 2].mean() > records["image"][mask == 1].mean() + 40


def test_a_whole_data_set_may_name_the_masks_and_its_images_are_not_looked_at(run, data):
    one = generate_records(run, n=4, given=Given(data, part="mask"))
    blank = generate_records(run, n=4, given=Given(data / "masks", part="mask"))
    np.testing.assert_array_equal(one["mask"], blank["mask"])
    assert np.abs(one["image"].astype(int) - blank["image"]).max() <= 1


def test_ignored_pixels_of_a_given_mask_stay_ignored(run, tmp_path):
    _, mask = squares(2, 3)
    mask[:, :2] = 255
    save(tmp_path / "asked", mask)
    records = generate_records(run, given=Given(tmp_path / "asked", part="mask"))
    np.testing.assert_array_equal(records["mask"], mask)


def test_masks_that_do_not_fit_the_run_are_refused(run, tmp_path):
    _, mask = squares(2, 3)
    save(tmp_path / "ids", mask * 3)
    with pytest.raises(DataError, match=r"0\d\d\.png has pixel classes that the run does not know: 3"):
        generate_records(run, given=Given(tmp_path / "ids", part="mask"))
    save(tmp_path / "wide", np.repeat(mask, 2, axis=2))
    with pytest.raises(DataError, match="is 24 x 12, the run's records are 12 x 12"):
        generate_records(run, given=Given(tmp_path / "wide", part="mask"))
    save(tmp_path / "large", np.kron(mask, np.ones((1, 2, 2), np.uint8)))
    np.testing.assert_array_equal(generate_records(run, given=Given(tmp_path / "large", part="mask"))["mask"], mask)
    with pytest.raises(DataError, match="no data at"):
        generate_records(run, given=Given(tmp_path / "nothing", part="mask"))


def test_a_run_with_one_noise_level_says_what_it_lacks(tiny_run, masks):
    with pytest.raises(UsageError, match="trained with one noise level"):
        generate_records(tiny_run, given=Given(masks[0], part="mask"))


def test_labelling_writes_a_mask_and_a_margin_for_each_image_under_its_name(run, tmp_path):
    image, mask = squares(8, 4)
    save(tmp_path / "scans", image)
    drafts = label(tmp_path / "scans", run, out=tmp_path / "drafts").path
    unsure = label(tmp_path / "scans", run, out=tmp_path / "unsure", ignore_below=0.9).path
    rows = [json.loads(line) for line in (drafts / "metadata.jsonl").read_text().splitlines()]
    assert [row["source_file"] for row in rows] == [f"{i:03d}.png" for i in range(8)]
    opened = {
        name: np.stack([np.asarray(Image.open(folder / name / f"{i:08d}.png")) for i in range(8)])
        for folder, name in ((drafts, "images"), (drafts, "masks"), (drafts, "margins"))
    }
    np.testing.assert_array_equal(opened["images"], image)
    right = opened["masks"] == mask
    assert right.mean() > 0.9
    assert opened["margins"][right].mean() > opened["margins"][~right].mean()
    kept = np.stack([np.asarray(Image.open(unsure / "masks" / f"{i:08d}.png")) for i in range(8)])
    np.testing.assert_array_equal(kept == 255, opened["margins"] < np.rint(0.9 * 255))
    np.testing.assert_array_equal(kept[kept != 255], opened["masks"][kept != 255])


def test_masks_beside_the_images_are_not_looked_at_when_labelling(run, data, tmp_path):
    seen = label(data, run, out=tmp_path / "seen").path
    alone = label(data / "images", run, out=tmp_path / "alone").path
    for i in range(3):
        a, b = (np.asarray(Image.open(folder / "masks" / f"{i:08d}.png")) for folder in (seen, alone))
        assert (a == b).mean() > 0.99


def test_labelling_needs_a_run_that_was_trained_for_it(tiny_run, run, tmp_path):
    with pytest.raises(UsageError, match="draws no masks to images"):
        label(tmp_path, tiny_run)
    with pytest.raises(UsageError, match=r"a margin lies in 0\.\.1"):
        label(tmp_path, run, ignore_below=2)


def test_masks_drawn_with_their_images_say_how_sure_they_are_and_leave_out_what_is_not(run, tmp_path):
    plain = generate(run, n=12, out=tmp_path / "plain", shards=2).path
    unsure = generate(run, n=12, ignore_below=0.9, out=tmp_path / "unsure").path

    def opened(folder, name):
        return np.stack([np.asarray(Image.open(folder / name / f"{i:08d}.png")) for i in range(12)])

    assert not (plain / "margins").exists()
    masks, margins = opened(unsure, "masks"), opened(unsure, "margins")
    assert 0 < (masks == 255).mean() < 1
    np.testing.assert_array_equal(masks == 255, margins < np.rint(0.9 * 255))
    known = masks != 255
    np.testing.assert_array_equal(masks[known], opened(plain, "masks")[known])
    for folder in (plain, unsure):
        rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        np.testing.assert_allclose(
            [row["mean_margin"] for row in rows], margins.mean((1, 2)) / 255, atol=1 / 255
        )  # the pictures are rounded


def test_given_masks_have_no_margin_and_labelled_images_have(run, masks, tmp_path):
    drawn = generate(run, given=Given(masks[0], part="mask"), out=tmp_path / "drawn").path
    assert "mean_margin" not in json.loads((drawn / "metadata.jsonl").read_text().splitlines()[0])
    image, _ = squares(4, 4)
    save(tmp_path / "scans", image)
    drafts = label(tmp_path / "scans", run, format="parquet", out=tmp_path / "drafts").path
    table = pd.read_parquet(drafts / "data")
    assert table["mean_margin"].between(0, 1).all()
    with pytest.raises(UsageError, match="one of them is given"):
        generate(run, given=Given(masks[0], part="mask"), ignore_below=0.5, out=tmp_path / "no")


def test_margins_are_for_masks(tiny_run, run):
    with pytest.raises(UsageError, match="image records have no pixels to ignore"):
        make_plan(tiny_run, n=2, ignore_below=0.5)
    with pytest.raises(UsageError, match=r"a margin lies in 0\.\.1"):
        make_plan(run, n=2, ignore_below=1.5)
    plan = make_plan(run, n=2, ignore_below=0.5)
    assert Plan.from_json(plan.to_json()) == plan
    assert "ignore_below" not in json.loads(make_plan(run, n=2).to_json())
