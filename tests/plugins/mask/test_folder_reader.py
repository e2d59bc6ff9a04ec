"""Folders of images and masks: what is understood, what is said about it, and every way to be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.classes import classes_of
from synthgen_mask.readers import MaskFolderReader

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError


def _open(path: Path, **options) -> Source:
    reader = MaskFolderReader()
    assert reader.accepts(path)
    return reader.read(path, DataConfig(path=str(path), **options))


def _all(source: Source):
    return source.read(np.arange(len(source)))


def _names(source: Source) -> list[tuple[int, str]]:
    return [(entry.id, entry.name) for entry in classes_of(source.schema)]


@pytest.mark.parametrize("mode", ["L", "P"])
def test_index_masks_keep_their_ids_whatever_the_palette(folder, striped, mode):
    masks = striped((0, 3, 9, 255))
    source = _open(folder(masks, mode=mode, table="id,name\n0,sky\n3,road\n9,car\n255,void\n"))
    np.testing.assert_array_equal(_all(source)["mask"], np.stack(list(masks.values())))
    assert _names(source) == [(0, "sky"), (3, "road"), (9, "car")]
    assert any("ignored" in note for note in source.notes)


def test_images_and_masks_belong_together_by_name(folder, striped):
    masks = {"b": np.full((8, 10), 1, np.uint8), "a": np.full((8, 10), 2, np.uint8)}
    records = _all(_open(folder(masks)))
    order = np.argsort(records["image"][:, 0, 0, 0])  # `b` was written first, so it is the darker one
    assert records["mask"][order, 0, 0].tolist() == [1, 2]


@pytest.mark.parametrize("ending", ["_mask", "-mask", "_seg"])
def test_an_ending_of_the_masks_is_understood(folder, striped, ending):
    assert len(_open(folder(striped((0, 1)), ending=ending))) == 3


def test_one_folder_with_images_and_files_ending_in_mask(tmp_path):
    for stem in "ab":
        Image.fromarray(np.full((6, 6), 7, np.uint8)).save(tmp_path / f"{stem}.png")
        Image.fromarray(np.eye(6, dtype=np.uint8)).save(tmp_path / f"{stem}_mask.png")
    records = _all(_open(tmp_path))
    assert records["image"].shape == (2, 6, 6, 1)
    np.testing.assert_array_equal(records["mask"][1], np.eye(6))


def test_without_a_table_classes_are_named_after_the_ids_found(folder, striped):
    source = _open(folder(striped((2, 4, 255))))
    assert _names(source) == [(2, "class 2"), (4, "class 4")]
    assert any("no classes.csv" in note for note in source.notes)


def test_a_table_one_folder_above_is_found(folder, striped, tmp_path):
    folder(striped((0, 1)), root=tmp_path / "camp" / "train")
    (tmp_path / "camp" / "classes.csv").write_text("id,name\n0,sky\n1,road\n2,car\n")
    assert _names(_open(tmp_path / "camp" / "train")) == [(0, "sky"), (1, "road"), (2, "car")]


def test_train_and_test_folders_are_an_official_split(folder, striped, tmp_path):
    for part, count in (("train", 3), ("val", 1), ("test", 2)):
        folder(striped((0, 1), count), root=tmp_path / part)
    source = _open(tmp_path)
    assert source.official_split.tolist() == ["train"] * 4 + ["test"] * 2


@pytest.mark.parametrize("table", [None, "id,name\n0,ground\n255,crack\n"])
def test_masks_of_0_and_255_are_background_and_foreground(folder, striped, table):
    source = _open(folder(striped((0, 255)), table=table))
    assert sorted(np.unique(_all(source)["mask"])) == [0, 1]
    assert source.schema.shape == (2, 8, 10)
    if table is None:
        assert _names(source) == [(0, "background"), (1, "foreground")]
        assert any("0 and 255" in note for note in source.notes)
    else:
        assert _names(source) == [(0, "ground"), (1, "crack")]


def test_colour_masks_are_mapped_through_the_table(folder):
    colors = np.array([[10, 20, 30], [200, 0, 0], [0, 0, 0]], np.uint8)
    ids = np.arange(80).reshape(8, 10) % 3
    table = "id,name,r,g,b\n4,sky,10,20,30\n6,road,200,0,0\n255,void,0,0,0\n"
    source = _open(folder({"a": colors[ids], "b": colors[ids]}, table=table))
    np.testing.assert_array_equal(_all(source)["mask"][0], np.array([4, 6, 255])[ids])
    assert classes_of(source.schema)[1].color == (200, 0, 0)


def test_large_pictures_are_reduced_with_nearest_neighbour_masks_and_a_note(folder):
    mask = np.zeros((120, 160), np.uint8)
    mask[60:] = 7
    source = _open(folder({"a": mask, "b": mask}))
    records = _all(source)
    assert records["image"].shape == (2, 60, 80, 1)
    np.testing.assert_array_equal(records["mask"][0], mask[::2, ::2])
    assert any("160 x 120" in note and "80 x 60" in note for note in source.notes)


def test_the_height_can_be_chosen_and_keeps_the_aspect(folder, striped):
    assert _open(folder(striped((0, 1))), image_size=16).schema.shape == (2, 16, 20)


def test_mixed_sizes_are_resized_to_the_commonest_and_said(folder, striped):
    masks = striped((0, 1, 2)) | {"odd": np.zeros((16, 20), np.uint8)}
    source = _open(folder(masks))
    assert source.schema.shape[1:] == (8, 10)
    assert any("mixed sizes" in note for note in source.notes)


@pytest.mark.parametrize(("mode", "bands"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_images_keep_their_channels(folder, striped, mode, bands):
    path = folder(striped((0, 1)), image_mode=mode)
    assert _all(_open(path))["image"].shape == (3, 8, 10, bands)
    assert _all(_open(path, image_mode="rgb"))["image"].shape[-1] == 3


def test_mixed_modes_become_rgb_and_are_said(folder, striped):
    path = folder(striped((0, 1)))
    Image.fromarray(np.zeros((8, 10, 3), np.uint8)).save(path / "images" / "p0.png")
    source = _open(path)
    assert _all(source)["image"].shape[-1] == 3
    assert any("mixed modes" in note for note in source.notes)


def test_sixteen_bit_masks_keep_large_ids(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "images" / "a.png")
    mask = np.full((6, 6), 300, np.uint16)
    mask[0] = 5
    Image.fromarray(mask).save(tmp_path / "masks" / "a.png")
    records = _all(_open(tmp_path))
    assert records["mask"].dtype == np.uint16
    np.testing.assert_array_equal(records["mask"][0], mask)


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_labels_come_from_the_metadata(folder, striped, name):
    path = folder(striped((0, 1)))
    rows = {
        "metadata.csv": "file_name,kind\nimages/p0.png,b\nimages/p1.png,a\nimages/p2.png,b\n",
        "metadata.jsonl": "".join(f'{{"file_name": "images/p{i}.png", "kind": "{k}"}}\n' for i, k in enumerate("bab")),
    }
    (path / name).write_text(rows[name])
    source = _open(path, label_column="kind")
    assert source.schema.labels == ("a", "b")
    assert source.labels.tolist() == [1, 0, 1]
    assert source.schema.conditions[0].name == "label"
    assert _open(path, group_column="kind").groups.tolist() == ["b", "a", "b"]


def test_the_areas_of_the_classes_are_a_condition_beside_the_label(folder, shapes):
    path = folder({"a": np.eye(8, dtype=np.uint8), "b": np.eye(8, dtype=np.uint8) * 2})
    assert [(c.name, c.size) for c in _open(path).schema.conditions] == [("area", 3)]
    (path / "metadata.csv").write_text("file_name,label\na.png,x\nb.png,y\n")
    assert [c.name for c in _open(path).schema.conditions] == ["label", "area"]


def test_a_mask_without_its_image_and_the_reverse_are_counted_and_named(folder, striped):
    path = folder(striped((0, 1)))
    (path / "images" / "p1.png").unlink()
    with pytest.raises(DataError, match=r"1 masks of .* have no image: p1"):
        _open(path)
    (path / "masks" / "p1.png").unlink()
    (path / "masks" / "p2.png").unlink()
    with pytest.raises(DataError, match=r"1 images of .* have no mask: p2"):
        _open(path)


def test_ids_outside_the_table_are_an_error_with_the_file_and_its_histogram(folder, striped):
    path = folder(striped((0, 1, 44)), table="id,name\n0,sky\n1,road\n")
    with pytest.raises(DataError, match=r"3 masks.*\(44\).*p0\.png.*0: 32, 1: 24, 44: 24"):
        _open(path)


def test_shades_instead_of_ids_are_an_error_with_the_histogram(folder):
    shades = np.arange(255, dtype=np.uint8)[None].repeat(8, 0)
    with pytest.raises(DataError, match=r"shades.*pixels by value"):
        _open(folder({"a": shades}), image_size=8)


def test_an_image_of_another_size_than_its_mask_is_an_error_with_both_sizes(folder, striped):
    path = folder(striped((0, 1)))
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path / "masks" / "p1.png")
    with pytest.raises(DataError, match=r"1 images differ.*10 x 8 against 9 x 9"):
        _open(path)


def test_colour_masks_without_colours_in_the_table_are_an_error(folder):
    masks = {"a": np.tile(np.array([0, 200, 7], np.uint8), (8, 8, 1))}
    with pytest.raises(DataError, match=r"colour mask.*by colour: \(0, 200, 7\): 64") as caught:
        _open(folder(masks))
    assert "id,name,r,g,b" in caught.value.hint
    with pytest.raises(DataError, match="colour mask"):
        _open(folder(masks, table="id,name\n0,sky\n1,road\n"))


def test_an_unknown_colour_is_named(folder):
    masks = {"a": np.full((8, 8, 3), 9, np.uint8)}
    with pytest.raises(DataError, match=r"1 colours.*\(9, 9, 9\)"):
        _open(folder(masks, table="id,name,r,g,b\n0,sky,1,1,1\n1,road,2,2,2\n"))


def test_one_class_only_is_an_error(folder):
    with pytest.raises(DataError, match="one class only"):
        _open(folder({"a": np.full((8, 8), 3, np.uint8)}))


def test_only_ignored_pixels_are_an_error(folder):
    with pytest.raises(DataError, match="every pixel of every mask is 255"):
        _open(folder({"a": np.full((8, 8), 255, np.uint8)}, table="id,name\n0,sky\n1,road\n"))


def test_empty_folders_are_an_error(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(DataError, match="hold no image files"):
        _open(tmp_path)


def test_a_damaged_image_is_named(folder, striped):
    path = folder(striped((0, 1)))
    whole = (path / "masks" / "p1.png").read_bytes()
    (path / "masks" / "p1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"p1\.png"):
        _open(path)
    (path / "masks" / "p1.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"p1\.png"):
        _open(path)


def test_an_unknown_label_column_is_an_error_that_lists_the_columns(folder, striped):
    path = folder(striped((0, 1)))
    with pytest.raises(DataError, match=r"no column 'kind'.*none"):
        _open(path, label_column="kind")
    (path / "metadata.csv").write_text("file_name,sort\np0.png,a\np1.png,a\n")
    with pytest.raises(DataError, match=r"no column 'kind'.*file_name, sort"):
        _open(path, label_column="kind")
    with pytest.raises(DataError, match=r"empty for 1 records"):
        _open(path, label_column="sort")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "no columns id and name"),
        ("number,name\n0,sky\n", "no columns id and name"),
        ("id,name\nzero,sky\n", "line 2"),
        ("id,name\n0,sky\n0,road\n", "line 3.*twice"),
        ("id,name\n0,sky\n1,sky\n", "line 3.*twice"),
        ("id,name\n70000,sky\n", "line 2.*65535"),
        ("id,name,r,g,b\n0,sky,1,2,300\n", "line 2.*colour"),
        ("id,name\n255,void\n", "no class but the ignored"),
    ],
)
def test_a_wrong_class_table_is_an_error_with_its_line(folder, striped, table, message):
    with pytest.raises(DataError, match=message):
        _open(folder(striped((0, 1)), table=table))


def test_other_folders_are_not_taken(tmp_path):
    (tmp_path / "cats").mkdir()
    Image.fromarray(np.zeros((6, 6), np.uint8)).save(tmp_path / "cats" / "a.png")
    assert not MaskFolderReader().accepts(tmp_path)
