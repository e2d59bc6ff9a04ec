"""Masks of other data than the run's: classes are matched by their names, and a stranger is an error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthgen_mask.classes import ClassTable, MaskClass, classes_of, mask_schema, palette, read_class_table
from synthgen_mask.foreign import id_table
from synthgen_mask.partial import open_part

from synthgen.api import Schema
from synthgen.config import DataConfig
from synthgen.data.opening import alike, open_alike, open_source
from synthgen.errors import DataError


def _classes(**names: int) -> tuple[MaskClass, ...]:
    return tuple(MaskClass(number, name, palette(k)) for k, (name, number) in enumerate(names.items()))


def _schema(classes: tuple[MaskClass, ...]) -> Schema:
    return mask_schema((8, 10), bands=1, classes=classes, area=True)


def _all(source) -> np.ndarray:
    return source.read(np.arange(len(source)))["mask"]


@pytest.fixture
def swapped(folder, striped) -> tuple[Path, Schema]:
    """A folder whose `classes.csv` counts car and tree the other way round than the run does."""
    path = folder(striped((0, 1, 2)), table="id,name\n0,bg\n1,tree\n2,car\n")
    return path, _schema(_classes(background=0, car=1, tree=2))


def test_classes_are_matched_by_name(swapped):
    path, schema = swapped
    source = open_source("mask", DataConfig(path=str(path)))
    moved = alike(source, schema)
    np.testing.assert_array_equal(_all(moved), np.array([0, 2, 1], np.uint8)[_all(source)])
    assert classes_of(moved.schema) == classes_of(schema)
    assert moved.schema.shape == schema.shape
    assert alike(moved, schema) is moved
    np.testing.assert_array_equal(_all(open_alike(schema, DataConfig(path=str(path)))[0]), _all(moved))


@pytest.mark.parametrize("alone", [False, True])
def test_given_masks_are_matched_by_name(swapped, alone, tmp_path):
    path, schema = swapped
    if alone:
        (path / "masks").rename(tmp_path / "masks")
        (path / "classes.csv").rename(tmp_path / "masks" / "classes.csv")
        path = tmp_path / "masks"
    found = open_part(DataConfig(path=str(path)), schema, "mask")
    row = _all(found)[0, 0].tolist()
    assert row == [0, 2, 1, 0, 2, 1, 0, 2, 1, 0]


def test_a_class_of_another_name_under_a_known_id_is_an_error(folder, striped):
    path = folder(striped((0, 1, 2)), table="id,name\n0,background\n1,car\n2,lamp\n")
    schema = _schema(_classes(background=0, car=1, tree=2))
    source = alike(open_source("mask", DataConfig(path=str(path))), schema)
    with pytest.raises(DataError, match="pixel classes that the run does not know: 2 lamp"):
        _all(source)
    with pytest.raises(DataError, match="does not know: 2 lamp"):
        _all(open_part(DataConfig(path=str(path)), schema, "mask"))


def test_a_listed_class_that_no_pixel_has_is_none_to_worry_about(folder, striped):
    path = folder(striped((0, 1)), table="id,name\n0,background\n1,car\n2,lamp\n")
    schema = _schema(_classes(background=0, car=5, tree=9))
    assert set(np.unique(_all(alike(open_source("mask", DataConfig(path=str(path))), schema)))) == {0, 5}


def test_without_names_ids_stand_for_themselves(folder, striped):
    schema = _schema(_classes(background=0, car=1, tree=2))
    unnamed = open_source("mask", DataConfig(path=str(folder(striped((0, 1, 2))))))
    np.testing.assert_array_equal(_all(alike(unnamed, schema)), _all(unnamed))
    table = id_table(classes_of(unnamed.schema), classes_of(schema))
    assert table[[0, 1, 2, 3, 255]].tolist() == [0, 1, 2, -1, 255]


def test_an_id_without_a_name_is_not_taken_for_a_class_that_another_id_names():
    found, wanted = _classes(background=0, **{"class 1": 1}, car=2), _classes(background=0, car=1, tree=2)
    assert id_table(found, wanted)[:3].tolist() == [0, -1, 1]


def test_foreground_of_black_and_white_masks_is_the_one_class_of_the_run(folder, striped):
    schema = _schema(_classes(background=0, polyp=1))
    path = folder({stem: mask * 255 for stem, mask in striped((0, 1)).items()})
    assert set(np.unique(_all(alike(open_source("mask", DataConfig(path=str(path))), schema)))) == {0, 1}


def test_soft_edges_of_given_masks_are_parted_and_said(tmp_path):
    schema = mask_schema((64, 64), bands=1, classes=_classes(background=0, polyp=1), area=True)
    rows, columns = np.mgrid[:64, :64]
    disc = (np.clip((20 - np.hypot(rows - 30, columns - 32)) / 3 + 0.5, 0, 1) * 255).astype(np.uint8)
    (tmp_path / "masks").mkdir()
    Image.fromarray(disc).save(tmp_path / "masks" / "0.png")
    found = open_part(DataConfig(path=str(tmp_path)), schema, "mask")
    np.testing.assert_array_equal(_all(found)[0], disc >= 128)
    assert any("neither black nor white" in note for note in found.notes)


@pytest.mark.parametrize("name", ["sky", "Wall"])
def test_a_class_of_id_255_is_refused_and_a_void_one_is_not(tmp_path, name):
    path = tmp_path / "classes.csv"
    path.write_text(f"id,name\n0,road\n1,car\n255,{name}\n")
    with pytest.raises(DataError, match=rf"id 255 \({name}\) would be ignored"):
        read_class_table(path)
    for void in ("void", "Void/Border", "unlabelled", "ignore region"):
        path.write_text(f"id,name\n0,road\n1,car\n255,{void}\n")
        found = read_class_table(path)
        assert isinstance(found, ClassTable)
        assert [entry.id for entry in found.classes] == [0, 1]
