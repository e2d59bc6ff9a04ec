"""Folders of images: class folders as torchvision sees them, splits, tables, plain folders, and what can be wrong."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from synthgen_image.folder_reader import FolderReader
from torchvision.datasets import ImageFolder

from synthgen.config import DataConfig
from synthgen.errors import DataError


def read(path, **options):
    return FolderReader().read(path, DataConfig(path=str(path), **options))


def everything(source):
    return source.read(np.arange(len(source)))


def test_class_folders_are_read_as_torchvision_reads_them(tmp_path, pixels, save):
    images = pixels(6, channels=3)
    for number, name in enumerate(["b/1.png", "b/2.png", "a/x/3.png", "a/4.png", "10/5.png", "10/6.bmp"]):
        save(tmp_path / name, images[number])
    source = read(tmp_path)
    reference = ImageFolder(tmp_path)
    assert list(source.schema.labels) == reference.classes
    assert source.schema.shape == (3, 6, 5)
    records = everything(source)
    expected = sorted((label, np.asarray(image).tobytes()) for image, label in reference)
    found = sorted((int(k), image.tobytes()) for k, image in zip(records.label, records["image"], strict=True))
    assert found == expected
    np.testing.assert_array_equal(records.label, source.labels)
    assert source.official_split is None


def test_train_and_test_folders_are_an_official_split(tmp_path, pixels, save):
    images = pixels(4)
    for number, name in enumerate(["train/a/1.png", "train/b/2.png", "test/b/3.png", "val/a/4.png"]):
        save(tmp_path / name, images[number])
    source = read(tmp_path)
    assert source.schema.labels == ("a", "b")
    found = {(source.schema.labels[k], split) for k, split in zip(source.labels, source.official_split, strict=True)}
    assert found == {("a", "train"), ("b", "train"), ("b", "test")}


def test_a_class_called_train_beside_others_is_a_class(tmp_path, pixels, save):
    for name in ("train/1.png", "train/2.png", "car/3.png", "car/4.png"):
        save(tmp_path / name, pixels(1)[0])
    assert read(tmp_path).schema.labels == ("car", "train")


def test_a_flat_folder_is_unlabelled(tmp_path, pixels, save):
    for number, image in enumerate(pixels(3)):
        save(tmp_path / f"{number}.png", image)
    source = read(tmp_path)
    assert source.labels is None
    assert source.schema.labels == ()
    assert source.schema.conditions == ()
    np.testing.assert_array_equal(everything(source)["image"], pixels(3))


def test_metadata_csv_gives_labels_groups_and_order(tmp_path, pixels, save):
    images = pixels(3)
    for name, image in zip(["c.png", "a.png", "b.png"], images, strict=True):
        save(tmp_path / name, image)
    lines = ["file_name,kind,patient", "c.png,wolf,p1", "a.png,dog,p2", "b.png,wolf,p1"]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    source = read(tmp_path, label_column="kind", group_column="patient")
    assert source.schema.labels == ("dog", "wolf")
    assert source.schema.label_column == "kind"
    assert source.labels.tolist() == [1, 0, 1]
    assert source.groups.tolist() == ["p1", "p2", "p1"]
    np.testing.assert_array_equal(everything(source)["image"], images)


def test_a_label_column_that_does_not_exist_names_those_that_do(tmp_path, pixels, save):
    save(tmp_path / "a.png", pixels(1)[0])
    (tmp_path / "metadata.csv").write_text("file_name,species\na.png,dog\n")
    with pytest.raises(DataError, match="no column 'specis'; its columns are file_name, species") as caught:
        read(tmp_path, label_column="specis")
    assert caught.value.hint == "Did you mean species?"


def test_metadata_csv_cannot_name_files_outside(tmp_path, pixels, save):
    save(tmp_path / "set" / "a.png", pixels(1)[0])
    save(tmp_path / "secret.png", pixels(1)[0])
    (tmp_path / "set" / "metadata.csv").write_text("file_name,label\na.png,x\n../secret.png,y\n")
    with pytest.raises(DataError, match="leads out of the data set"):
        read(tmp_path / "set")


def test_a_ragged_metadata_csv_names_the_line(tmp_path, pixels, save):
    save(tmp_path / "a.png", pixels(1)[0])
    (tmp_path / "metadata.csv").write_text("file_name,label\na.png\n")
    with pytest.raises(DataError, match=r"metadata\.csv, line 2: 1 cells"):
        read(tmp_path)


def test_mixed_sizes_become_the_most_common_one_and_a_note_says_how_many(tmp_path, pixels, save):
    for number, image in enumerate(pixels(4, 8, 8)):
        save(tmp_path / f"{number}.png", image)
    gradient = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (32, 1))[..., None]
    save(tmp_path / "wide.png", gradient)
    source = read(tmp_path)
    assert source.schema.shape == (1, 8, 8)
    assert any(note.startswith("1 of 5 images were cropped") for note in source.notes)
    records = everything(source)
    np.testing.assert_array_equal(records["image"][:4], pixels(4, 8, 8))
    with Image.open(tmp_path / "wide.png") as image:
        square = image.crop((16, 0, 48, 32)).resize((8, 8), Image.Resampling.LANCZOS)
    np.testing.assert_allclose(records["image"][4, ..., 0].astype(int), np.asarray(square).astype(int), atol=1)


def test_image_size_and_image_mode_are_obeyed(tmp_path, pixels, save):
    for number, image in enumerate(pixels(3, 8, 10, 3)):
        save(tmp_path / f"{number}.png", image)
    source = read(tmp_path, image_size=4, image_mode="grey")
    assert source.schema.shape == (1, 4, 4)
    assert [channel.name for channel in source.schema.channels] == ["grey"]


def test_mixed_modes_become_the_richest_and_a_note_says_so(tmp_path, pixels, save):
    grey, colour, alpha = pixels(1)[0], pixels(1, channels=3)[0], pixels(1, channels=4)[0]
    for name, image in (("g.png", grey), ("c.png", colour), ("a.png", alpha)):
        save(tmp_path / name, image)
    source = read(tmp_path)
    assert source.schema.extra["mode"] == "rgba"
    assert "of 3 images, 1 grey and 1 rgb were converted to rgba" in source.notes
    images = everything(source)["image"]
    np.testing.assert_array_equal(images[0], alpha)
    np.testing.assert_array_equal(images[1, ..., :3], colour)
    np.testing.assert_array_equal(images[2, ..., :3], np.repeat(grey, 3, axis=2))
    assert (images[1:, ..., 3] == 255).all()


def test_damaged_images_are_counted_and_named(tmp_path, pixels, save):
    for number, image in enumerate(pixels(30)):
        save(tmp_path / "a" / f"{number:02d}.png", image)
    data = (tmp_path / "a" / "03.png").read_bytes()
    (tmp_path / "a" / "03.png").write_bytes(data[: len(data) - 30])
    (tmp_path / "a" / "07.png").write_text("not an image")
    (tmp_path / "a" / "notes.txt").write_text("by the way")
    source = read(tmp_path)
    assert len(source) == 28
    note = next(note for note in source.notes if "cannot be read" in note)
    assert note.startswith("2 of 30 images")
    assert "03.png" in note
    assert "07.png is not an image" in note
    assert any("notes.txt" in note for note in source.notes)
    kept = [number for number in range(30) if number not in (3, 7)]
    np.testing.assert_array_equal(everything(source)["image"], pixels(30)[kept])


def test_more_than_a_tenth_damaged_is_an_error(tmp_path, pixels, save):
    for number, image in enumerate(pixels(5)):
        save(tmp_path / f"{number}.png", image)
    (tmp_path / "2.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of the 5 images in .* cannot be read: .*2\.png"):
        read(tmp_path)


def test_a_folder_without_images_is_an_error(tmp_path):
    (tmp_path / "readme.txt").write_text("nothing here")
    with pytest.raises(DataError, match="holds no images"):
        read(tmp_path)


def test_one_class_only_and_single_examples_are_noted(tmp_path, pixels, save):
    save(tmp_path / "one" / "cat" / "1.png", pixels(1)[0])
    assert any("one class only (cat)" in note for note in read(tmp_path / "one").notes)
    for name in ("cat/1.png", "cat/2.png", "dog/3.png"):
        save(tmp_path / "two" / name, pixels(1)[0])
    assert "1 of 2 classes have a single example (dog)" in read(tmp_path / "two").notes


def test_images_outside_the_class_folders_are_left_out_with_a_note(tmp_path, pixels, save):
    for name in ("cat/1.png", "dog/2.png", "stray.png"):
        save(tmp_path / name, pixels(1)[0])
    source = read(tmp_path)
    assert len(source) == 2
    assert "1 of 3 images have no label and are left out" in source.notes


def test_images_too_large_to_model_are_refused_before_they_are_decoded(tmp_path):
    Image.new("L", (1500, 20)).save(tmp_path / "wide.png")
    with pytest.raises(DataError, match="at most 1024") as caught:
        read(tmp_path)
    assert "image_size" in caught.value.hint


def test_images_of_floating_point_numbers_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), dtype=np.float32)).save(tmp_path / "deep.tif")
    with pytest.raises(DataError, match="mode F"):
        read(tmp_path)


def test_a_large_folder_is_read_when_asked_for_and_gives_the_same(tmp_path, pixels, save, monkeypatch):
    for number, image in enumerate(pixels(8)):
        save(tmp_path / f"{number % 2}" / f"{number}.png", image)
    eager = everything(read(tmp_path))
    monkeypatch.setattr("synthgen_image.collection.EAGER_BYTES", 10)
    source = read(tmp_path)
    lazy = source.read(np.array([5, 0, 5]))
    np.testing.assert_array_equal(lazy["image"], eager["image"][[5, 0, 5]])
    np.testing.assert_array_equal(lazy.label, eager.label[[5, 0, 5]])
    next(tmp_path.rglob("6.png")).unlink()
    with pytest.raises(DataError, match=r"6\.png"):
        everything(source)


def test_images_with_masks_are_left_to_the_mask_modality(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    assert not FolderReader().accepts(tmp_path)


def test_photos_stored_turned_are_set_upright_and_counted(tmp_path, pixels):
    image = pixels(1)[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, turned in enumerate([True, False, True]):
        upright = image if not turned else np.rot90(image)
        Image.fromarray(upright.squeeze()).save(tmp_path / f"{number}.png", exif=exif if turned else None)
    source = read(tmp_path)
    for found in everything(source)["image"]:
        np.testing.assert_array_equal(found, image)
    assert any("2 images are stored turned" in note for note in source.notes)


@pytest.mark.parametrize("names", [("images",), ("JPEGImages", "SegmentationClass"), ("Image", "masks")])
def test_a_folder_that_only_holds_the_images_is_no_class(tmp_path, pixels, save, names):
    for name in names:
        for number, image in enumerate(pixels(3)):
            save(tmp_path / name / f"{number}.png", image)
    source = read(tmp_path)
    assert len(source) == 3
    assert source.schema.labels == ()
    assert any("--modality mask" in note for note in source.notes) == (len(names) > 1)


def test_class_folders_inside_a_folder_of_images_are_classes(tmp_path, pixels, save):
    for name in ("images/a/1.png", "images/b/2.png", "images/b/3.png"):
        save(tmp_path / name, pixels(1)[0])
    assert read(tmp_path).schema.labels == ("a", "b")


def test_a_table_of_another_name_is_pointed_out(tmp_path, pixels, save):
    save(tmp_path / "1.png", pixels(1)[0])
    (tmp_path / "labels.csv").write_text("file_name,label\n1.png,a\n")
    notes = " ".join(read(tmp_path).notes)
    assert "labels.csv is not read: a table of labels is called metadata.csv" in notes


def test_the_column_of_files_may_have_a_usual_name(tmp_path, pixels, save):
    for number, image in enumerate(pixels(2)):
        save(tmp_path / f"{number}.png", image)
    (tmp_path / "metadata.csv").write_text("filename,label\n0.png,a\n1.png,b\n")
    assert read(tmp_path).schema.labels == ("a", "b")


def test_several_names_a_cell_are_no_class(tmp_path, pixels, save):
    for number, image in enumerate(pixels(4)):
        save(tmp_path / f"{number}.png", image)
    (tmp_path / "metadata.csv").write_text("file_name,tags\n0.png,cat;dog\n1.png,cat\n2.png,\n3.png,dog\n")
    source = read(tmp_path)
    assert len(source) == 4
    assert source.schema.labels == ()
    assert any("column tags holds several names a cell; --set data.attributes=tags" in note for note in source.notes)
