"""Layouts of image and mask files beside plain folders, soft-edged masks, and input that means harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.classes import classes_of
from synthgen_mask.grey import looks_smoothed
from synthgen_mask.layouts import find_layout
from synthgen_mask.readers import MaskFolderReader

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError


def _save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def _grey(value: int, size: int = 8) -> np.ndarray:
    return np.full((size, size), value, np.uint8)


def _open(path: Path, **options) -> Source:
    reader = MaskFolderReader()
    assert reader.accepts(path)
    return reader.read(path, DataConfig(path=str(path), **options))


def _all(source: Source):
    return source.read(np.arange(len(source)))


def _names(source: Source) -> list[tuple[int, str]]:
    return [(entry.id, entry.name) for entry in classes_of(source.schema)]


# one folder, masks by an ending


@pytest.mark.parametrize("ending", ["_gt", "-labelIds", ".matte"])
def test_an_ending_that_half_of_the_files_share_is_found_in_a_mixed_folder(tmp_path, ending):
    for stem in ("a_1", "a_2", "b-x"):
        _save(tmp_path / f"{stem}.png", _grey(9))
        _save(tmp_path / f"{stem}{ending}.png", np.eye(8, dtype=np.uint8))
    records = _all(_open(tmp_path))
    assert records["image"][:, 0, 0, 0].tolist() == [9, 9, 9]
    np.testing.assert_array_equal(records["mask"][2], np.eye(8))


def test_the_ending_can_be_given(folder, striped):
    masks = striped((0, 1))
    path = folder(masks, ending="_v2")
    for stem in masks:
        _save(path / "masks" / f"{stem}_v1.png", np.ones((8, 10), np.uint8))
    np.testing.assert_array_equal(_all(_open(path, mask_suffix="_v2"))["mask"], np.stack(list(masks.values())))
    with pytest.raises(DataError, match=r"3 images of .* have no mask") as caught:
        _open(path, mask_suffix="_v3")
    assert "mask_suffix" in caught.value.hint


# lists


def _listed(root: Path) -> Path:
    for k in range(3):
        _save(root / "left" / f"{k}.png", _grey(10 * k))
        _save(root / "right" / f"m{k}.png", np.eye(8, dtype=np.uint8) * (k + 1))
    return root


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pairs.txt", "left/{0}.png right/m{0}.png\n"),
        ("pairs.csv", '"left/{0}.png","right/m{0}.png",more\n'),
        ("my.tsv", "left/{0}.png\tright/m{0}.png\n"),
        ("my.lst", "/home/somebody/set/left/{0}.png /home/somebody/set/right/m{0}.png\n"),
    ],
)
def test_a_list_pairs_images_with_masks_a_line(tmp_path, name, line):
    _listed(tmp_path)
    header = "image,mask\n" if name.endswith("csv") else "\n"
    (tmp_path / name).write_text(header + "".join(line.format(k) for k in (2, 0)))
    source = _open(tmp_path / name)
    assert _all(source)["image"][:, 0, 0, 0].tolist() == [20, 0]
    assert _all(source)["mask"][:, 0, 0].tolist() == [3, 1]
    if name.startswith("pairs"):
        assert len(_open(tmp_path)) == 2


def test_lists_called_train_and_test_are_an_official_split(tmp_path):
    _listed(tmp_path)
    (tmp_path / "train.txt").write_text("left/0.png right/m0.png\nleft/1.png right/m1.png\n")
    (tmp_path / "test.txt").write_text("left/2.png right/m2.png\n")
    assert _open(tmp_path).official_split.tolist() == ["train", "train", "test"]


@pytest.mark.parametrize("cell", ["../secret.png", "left/../../secret.png", "left/link.png", "/etc/left/secret.png"])
def test_a_list_cannot_lead_out_of_its_folder(tmp_path, cell):
    root = _listed(tmp_path / "data")
    secret = _save(tmp_path / "secret.png", _grey(1))
    (root / "left" / "link.png").symlink_to(secret)
    (root / "pairs.txt").write_text(f"left/0.png right/m0.png\n{cell} right/m1.png\n")
    with pytest.raises(DataError, match=r"leads out|another machine"):
        _open(root / "pairs.txt")


def test_a_line_that_names_no_pair_and_a_missing_file_are_errors_with_the_line(tmp_path):
    _listed(tmp_path)
    (tmp_path / "pairs.txt").write_text("left/0.png right/m0.png\nleft/1.png\n")
    with pytest.raises(DataError, match=r"pairs\.txt, line 2: 'left/1\.png' does not name"):
        _open(tmp_path / "pairs.txt")
    (tmp_path / "pairs.txt").write_text("left/0.png right/m9.png\n")
    with pytest.raises(DataError, match=r"line 1: there is no file right/m9\.png"):
        _open(tmp_path / "pairs.txt")


# VOC


def _voc(root: Path) -> Path:
    for k in range(5):
        _save(root / "JPEGImages" / f"{k}.png", _grey(10 * k))
        if k < 4:
            mask = np.where(np.eye(8, dtype=bool), 255, k % 2).astype(np.uint8)
            _save(root / "SegmentationClass" / f"{k}.png", mask)
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("0\n3\n")
    (lists / "val.txt").write_text("1\n")
    (lists / "trainval.txt").write_text("0\n1\n3\n")
    return root


def test_a_voc_tree_follows_its_lists(tmp_path):
    source = _open(_voc(tmp_path))
    assert find_layout(tmp_path) == "voc"
    assert _all(source)["image"][:, 0, 0, 0].tolist() == [0, 10, 30]
    assert source.official_split.tolist() == ["train", "test", "train"]
    assert (_all(source)["mask"][0].diagonal() == 255).all()
    assert any("2 images are in no list" in note for note in source.notes)


def test_a_voc_list_cannot_name_files_elsewhere_or_missing_ones(tmp_path):
    lists = _voc(tmp_path) / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("../../outside\n")
    with pytest.raises(DataError, match="leads out"):
        _open(tmp_path)
    (lists / "train.txt").write_text("0\n4\n")
    with pytest.raises(DataError, match=r"train\.txt, line 2: SegmentationClass holds no file 4"):
        _open(tmp_path)


# one file a thing


def _things(root: Path, names: tuple[str, ...], *, nested: bool) -> Path:
    for stem in ("a", "b"):
        base = root / stem if nested else root
        _save(base / "images" / f"{stem}.png", _grey(50))
        for number, name in enumerate(names):
            thing = _grey(0)
            thing[2 * number : 2 * number + 3, :4] = 255
            _save((base / "masks" if nested else base / "masks" / stem) / f"{name}.png", thing)
    return root


@pytest.mark.parametrize("nested", [True, False])
def test_one_file_a_thing_becomes_foreground(tmp_path, nested):
    source = _open(_things(tmp_path, ("x1", "x2"), nested=nested))
    assert find_layout(tmp_path) == "instances"
    assert _names(source) == [(0, "background"), (1, "foreground")]
    expected = np.zeros((8, 8), np.uint8)
    expected[:5, :4] = 1
    np.testing.assert_array_equal(_all(source)["mask"], np.stack([expected] * 2))
    assert any("4 things in 2 images" in note for note in source.notes)


def test_things_named_after_classes_are_of_these_classes(tmp_path):
    _things(tmp_path, ("car_1", "tree_02"), nested=False)
    (tmp_path / "classes.csv").write_text("id,name\n4,car\n7,Tree\n")
    source = _open(tmp_path)
    assert _names(source) == [(0, "background"), (4, "car"), (7, "Tree")]
    assert _all(source)["mask"][0, :, 0].tolist() == [4, 4, 7, 7, 7, 0, 0, 0]
    _save(tmp_path / "masks" / "a" / "bush.png", _grey(255))
    with pytest.raises(DataError, match=r"1 of 5 files begin with no class.*bush"):
        _open(tmp_path)


@pytest.mark.parametrize("kind", ["palette", "faint", "deep", "one value"])
def test_things_are_found_whatever_their_files_call_inside(tmp_path, kind):
    _things(tmp_path, ("x",), nested=False)
    expected = _all(_open(tmp_path))["mask"]
    for stem in ("a", "b"):
        file = tmp_path / "masks" / stem / "x.png"
        inside = np.asarray(Image.open(file)) > 0
        if kind == "palette":
            picture = Image.fromarray(inside.astype(np.uint8))
            picture.putpalette([0, 0, 0, 128, 0, 0])
        elif kind == "one value":
            picture = Image.fromarray(np.full((8, 8), 1, np.uint8))
        else:
            picture = Image.fromarray(inside.astype(np.uint8 if kind == "faint" else np.uint16) * 40)
        picture.save(file)
    mask = _all(_open(tmp_path))["mask"]
    np.testing.assert_array_equal(mask, np.ones_like(mask) if kind == "one value" else expected)


def test_shades_that_mark_nothing_are_an_error_with_their_values(tmp_path):
    _things(tmp_path, ("x",), nested=False)
    _save(tmp_path / "masks" / "a" / "x.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
    with pytest.raises(DataError, match=r"x\.png marks no pixel of its thing; pixels by value: 0: 1, "):
        _open(tmp_path)


def test_a_photo_that_is_stored_turned_is_set_upright_where_its_mask_is(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(8, 6) * 4
    exif = Image.Exif()
    exif[0x0112] = 6
    for k, shape in enumerate([(6, 8), (6, 8)]):
        _save(tmp_path / "masks" / f"{k}.png", np.eye(*shape, dtype=np.uint8))
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{k}.png", exif=exif)
    source = _open(tmp_path)
    np.testing.assert_array_equal(_all(source)["image"][0, :, :, 0], np.rot90(pixels, -1))
    assert any("2 images are stored turned" in note for note in source.notes)
    for k in range(2):
        _save(tmp_path / "masks" / f"{k}.png", np.eye(8, 6, dtype=np.uint8))
    source = _open(tmp_path)
    np.testing.assert_array_equal(_all(source)["image"][0, :, :, 0], pixels)
    assert not any("turned" in note for note in source.notes)


def test_folders_of_images_are_no_labels_and_it_is_said(tmp_path):
    for kind in ("cat", "dog"):
        _save(tmp_path / "images" / kind / "1.png", _grey(50))
        _save(tmp_path / "masks" / kind / "1.png", np.eye(8, dtype=np.uint8))
    source = _open(tmp_path)
    assert source.schema.labels == ()
    assert any("lie in 2 folders (cat, dog), which are not taken as labels" in note for note in source.notes)
    (tmp_path / "metadata.csv").write_text("file_name,label\nimages/cat/1.png,b\ndog/1.jpg,a\n")
    source = _open(tmp_path)
    assert [source.schema.labels[number] for number in source.labels] == ["b", "a"]


def test_masks_of_one_class_of_several_are_said(folder, striped):
    source = _open(folder(striped((0,)), table="id,name\n0,ground\n1,car\n"))
    assert any("WARNING: the masks show one of 2 classes only; pixels by id: 0: 240" in note for note in source.notes)


def test_a_thing_of_another_size_than_its_image_is_an_error(tmp_path):
    _things(tmp_path, ("x",), nested=False)
    _save(tmp_path / "masks" / "a" / "y.png", _grey(255, 9))
    with pytest.raises(DataError, match=r"y\.png has 9 x 9 pixels, its image 8 x 8"):
        _open(tmp_path)


# soft edges


def _soft(count: int = 3) -> np.ndarray:
    """Discs with edges of all shades."""
    rows, columns = np.mgrid[:64, :64]
    discs = [20 - np.hypot(rows - 30 - k, columns - 32) for k in range(count)]
    return (np.clip(np.stack(discs) / 3 + 0.5, 0, 1) * 255).astype(np.uint8)


def test_soft_edged_masks_are_parted_at_128_with_a_warning_and_the_count_of_touched_pixels(folder):
    soft = _soft()
    source = _open(folder({f"p{k}": mask for k, mask in enumerate(soft)}))
    np.testing.assert_array_equal(_all(source)["mask"], soft >= 128)
    touched = int(((soft > 1) & (soft < 255)).sum())
    assert any("WARNING" in note and f"{touched:,} mask pixels" in note for note in source.notes)
    assert _names(source) == [(0, "background"), (1, "foreground")]


def test_masks_saved_as_jpeg_are_parted_as_well(tmp_path):
    for k, mask in enumerate(_soft()):
        _save(tmp_path / "images" / f"{k}.png", _grey(3, 64))
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(((mask > 127) * 255).astype(np.uint8)).convert("RGB").save(tmp_path / "masks" / f"{k}.jpg")
    source = _open(tmp_path)
    assert np.mean(_all(source)["mask"] == (_soft() > 127)) > 0.999


@pytest.mark.parametrize("ids", [(0, 1, 255), range(34), [*range(34), 255], (0, 100, 200, 255), range(150)])
def test_class_ids_are_not_taken_for_shades(ids):
    assert not looks_smoothed(np.resize(np.array(list(ids), np.uint8), (64, 64)))
    rare = np.zeros((200, 200), np.uint8)
    rare[0, : len(list(ids))] = list(ids)
    assert not looks_smoothed(rare)


def test_a_wrong_guess_of_the_values_is_an_error_with_their_histogram(folder, striped):
    path = folder(striped((0, 100, 200)))
    with pytest.raises(DataError, match=r"do not look like two classes.*100: ") as caught:
        _open(path, mask_values="binary")
    assert "mask_values" in caught.value.hint
    with pytest.raises(DataError, match=r"shades.*pixels by value") as caught:
        _open(folder({"q": np.arange(256, dtype=np.uint8).reshape(16, 16)}, root=path / "soft"), mask_values="ids")
    assert "mask_values=binary" in caught.value.hint


def test_two_classes_cannot_be_forced_on_a_table_of_three(folder, striped):
    with pytest.raises(DataError, match=r"classes\.csv has other classes"):
        _open(folder(striped((0, 1)), table="id,name\n0,a\n1,b\n2,c\n"), mask_values="binary")


def test_a_grey_mask_saved_in_colour_is_read_as_grey(folder, striped):
    grey = striped((0, 3))
    source = _open(folder({stem: np.repeat(mask[..., None], 3, -1) for stem, mask in grey.items()}))
    np.testing.assert_array_equal(_all(source)["mask"], np.stack(list(grey.values())))


# input that means harm


def test_links_out_of_the_folder_are_refused(folder, striped, tmp_path):
    path = folder(striped((0, 1)))
    secret = _save(tmp_path / "secret.png", _grey(1))
    (path / "masks" / "p0.png").unlink()
    (path / "masks" / "p0.png").symlink_to(secret)
    with pytest.raises(DataError, match=r"p0\.png is a link that leads out"):
        _open(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(folder, striped):
    path = folder(striped((0, 1)))
    Image.new("1", (20_000, 20_000)).save(path / "masks" / "p0.png")
    with pytest.raises(DataError, match=r"p0\.png has .*pixels.*allowed"):
        _open(path)
