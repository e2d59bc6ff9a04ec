"""COCO annotations in: every kind of outline, against the reference's own results, and every way to be wrong.

The expected masks were made with pycocotools 2.0.11, the reference implementation.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from synthgen_mask.classes import classes_of, mask_schema
from synthgen_mask.coco import annotations_of
from synthgen_mask.readers import CocoReader, MaskFolderReader
from synthgen_mask.run_lengths import decode_counts, decode_segmentation, polygon_mask, run_lengths
from synthgen_mask.writers import MaskFolderWriter

from synthgen.api import Source
from synthgen.config import DataConfig
from synthgen.errors import DataError

# polygon, size, compressed and plain runs of pycocotools
REFERENCE = [
    ([1.2, 0.6, 7.9, 2.1, 5.5, 6.4, 0.3, 4.8], (7, 9), "41330001O01O0O1N7",
     [4, 1, 3, 4, 3, 4, 3, 5, 2, 5, 3, 4, 3, 3, 4, 1, 11]),
    ([2, 2, 8, 2, 8, 9, 2, 9], (12, 10), "j075000000000f0", [26, 7, 5, 7, 5, 7, 5, 7, 5, 7, 5, 7, 27]),
    ([-2.5, 4.4, 4.1, -3.2, 11.7, 4.9, 4.4, 10.6], (9, 9), "1622O]11aN0", [1, 6, 2, 8, 1, 53, 2, 6, 2]),
    ([0, 0, 5.99, 0, 0, 5.99], (6, 6), "051O1O1O1O7", [0, 5, 1, 4, 2, 3, 3, 2, 4, 1, 11]),
]  # fmt: skip


@pytest.mark.parametrize(("polygon", "size", "text", "runs"), REFERENCE)
def test_polygons_and_both_kinds_of_run_lengths_give_the_pixels_of_the_reference(polygon, size, text, runs):
    mask = polygon_mask(polygon, size, "it")
    assert run_lengths(mask) == runs
    assert decode_counts(text, "it") == runs
    for counts in (text, runs):
        np.testing.assert_array_equal(decode_segmentation({"size": [*size], "counts": counts}, size, "it"), mask)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=9))
def test_run_lengths_come_back(rows):
    mask = np.array(rows)
    counts = run_lengths(mask)
    np.testing.assert_array_equal(
        decode_segmentation({"size": [*mask.shape], "counts": counts}, mask.shape, "it"), mask
    )


@given(st.text(max_size=30))
def test_any_text_is_a_run_length_or_a_plain_refusal(text):
    with contextlib.suppress(DataError):
        assert decode_segmentation({"size": [4, 4], "counts": text}, (4, 4), "it").shape == (4, 4)


def _document(**changes) -> dict:
    square = [1, 1, 5, 1, 5, 5, 1, 5]
    return {
        "images": [{"id": k, "file_name": f"{k}.png", "height": 8, "width": 8} for k in (10, 11)],
        "categories": [{"id": 3, "name": "car"}, {"id": 90, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 90, "segmentation": [[2, 2, 4, 2, 4, 4, 2, 4]], "area": 4},
            {"id": 2, "image_id": 10, "category_id": 3, "segmentation": [square], "area": 16},
            {"id": 3, "image_id": 11, "category_id": 3, "area": 8,
             "segmentation": {"size": [8, 8], "counts": [8, 8, 48]}},
        ],
    } | changes  # fmt: skip


def _write(root: Path, document: object, *, name: str = "instances.json", images: str = "images") -> Path:
    (root / images).mkdir(parents=True, exist_ok=True)
    for k in (10, 11):
        Image.fromarray(np.full((8, 8), k, np.uint8)).save(root / images / f"{k}.png")
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def _open(path: Path) -> Source:
    reader = CocoReader()
    assert reader.accepts(path)
    return reader.read(path, DataConfig(path=str(path)))


@pytest.mark.parametrize("images", ["images", "."])
def test_annotations_are_drawn_the_smaller_above_the_larger_and_the_rest_is_background(tmp_path, images):
    path = _write(tmp_path, _document(), images=images)
    source = _open(path)
    records = source.read(np.arange(2))
    assert [(entry.id, entry.name) for entry in classes_of(source.schema)] == [
        (0, "background"),
        (3, "car"),
        (90, "dog"),
    ]
    assert records["image"][:, 0, 0, 0].tolist() == [10, 11]
    assert records["mask"][0, :6, 2].tolist() == [0, 3, 90, 90, 3, 0]
    assert (records["mask"][1] == 3).sum(0).tolist() == [0, 8, 0, 0, 0, 0, 0, 0]
    assert any("3 in instances.json" in note for note in source.notes)
    assert len(_open(tmp_path)) == 2


def _named(source: Source) -> list[tuple[int, str]]:
    return [(entry.id, entry.name) for entry in classes_of(source.schema)]


def test_categories_that_begin_at_0_are_classes_and_the_background_takes_a_free_id(tmp_path):
    document = _document(categories=[{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}])
    for annotation in document["annotations"]:
        annotation["category_id"] = int(annotation["category_id"] == 90)
    source = _open(_write(tmp_path, document))
    assert _named(source) == [(0, "cat"), (1, "dog"), (2, "background")]
    assert source.read(np.arange(2))["mask"][0, :6, 2].tolist() == [2, 0, 1, 1, 0, 2]


def test_ids_at_the_end_of_their_range_leave_room_for_the_background(tmp_path):
    document = _document(categories=[{"id": 0, "name": "cat"}, {"id": 65535, "name": "dog"}])
    for annotation in document["annotations"]:
        annotation["category_id"] = 65535 if annotation["category_id"] == 90 else 0
    assert _named(_open(_write(tmp_path, document))) == [(0, "cat"), (1, "background"), (65535, "dog")]


@pytest.mark.parametrize("identity", [255, 3, -1, "x"])
def test_what_a_file_says_of_uncovered_pixels_is_checked(tmp_path, identity):
    stated = {"uncovered": {"id": identity, "name": "rest"}}
    source = _open(_write(tmp_path, _document(info=stated)))
    expected = [(3, "car"), (90, "dog")]
    assert _named(source) == (expected if identity == 3 else [(0, "background"), *expected])


def test_a_heading_of_all_categories_is_no_class(tmp_path):
    heads = [{"id": 0, "name": "animals"}, *({**one, "supercategory": "animals"} for one in _document()["categories"])]
    assert _named(_open(_write(tmp_path, _document(categories=heads)))) == [(0, "background"), (3, "car"), (90, "dog")]


def test_an_annotated_background_leaves_the_rest_unlabelled(tmp_path):
    categories = [{"id": 3, "name": "Background"}, {"id": 90, "name": "dog"}]
    source = _open(_write(tmp_path, _document(categories=categories)))
    assert _named(source) == [(3, "Background"), (90, "dog")]
    assert source.read(np.arange(2))["mask"][0, :6, 2].tolist() == [255, 3, 90, 90, 3, 255]


def test_each_connected_part_is_an_annotation_and_the_background_is_none(tmp_path, shapes):
    schema, records = shapes(2)
    classes = [dataclasses.replace(one, name="background" if not one.id else one.name) for one in classes_of(schema)]
    records["mask"][0, :] = 0
    records["mask"][0, 1:3, 1:3] = records["mask"][0, 3, 3] = records["mask"][0, 6:9, 6] = 2
    records["mask"][0, 11, 11] = 255
    found = annotations_of(records["mask"][0], classes)
    assert [(one["category_id"], one["area"], one["bbox"], one["iscrowd"]) for one in found] == [
        (2, 5, [1, 1, 3, 3], 0),
        (2, 3, [6, 6, 1, 3], 0),
    ]
    schema = mask_schema((12, 12), bands=1, classes=classes, labels=schema.labels)
    writer = MaskFolderWriter()
    writer.write(tmp_path, 0, 1, records, {"sample_id": np.arange(2), "seed": np.zeros(2, np.int64)}, schema, {})
    writer.finish(tmp_path, schema, 1)
    document = json.loads((tmp_path / "annotations_coco.json").read_text())
    assert [category["id"] for category in document["categories"]] == [1, 2, 3]
    again = _open(tmp_path / "annotations_coco.json")
    np.testing.assert_array_equal(again.read(np.arange(2))["mask"], records["mask"])
    assert _named(again) == [(entry.id, entry.name) for entry in classes]


def test_annotations_of_a_picture_that_a_camera_stored_turned_fit_as_they_were_drawn(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(8, 6) * 4  # stored 6 wide; upright it is 8 wide
    for width, upright in ((8, True), (6, False)):
        root = tmp_path / str(width)
        document = _document()
        for image in document["images"]:
            image |= {"width": width, "height": 14 - width}
        document["annotations"] = [
            {"id": 1, "image_id": 10, "category_id": 3, "segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "area": 4}
        ]
        path = _write(root, document)
        exif = Image.Exif()
        exif[0x0112] = 6
        for k in (10, 11):
            Image.fromarray(pixels).save(root / "images" / f"{k}.png", exif=exif)
        image = _open(path).read(np.arange(1))["image"][0, :, :, 0]
        np.testing.assert_array_equal(image, np.rot90(pixels, -1) if upright else pixels)


def test_train_and_val_files_are_an_official_split(tmp_path):
    first = _document()
    second = _document(images=first["images"][1:], annotations=first["annotations"][2:])
    first |= {"images": first["images"][:1], "annotations": first["annotations"][:2]}
    _write(tmp_path, first, name="annotations/instances_train.json", images="train")
    _write(tmp_path, second, name="annotations/instances_val.json", images="val")
    source = _open(tmp_path)
    assert source.official_split.tolist() == ["train", "test"]


def test_what_the_writer_writes_comes_back(tmp_path, shapes):
    schema, records = shapes(5)
    records["mask"][0, 0, :3] = 255
    columns = {"sample_id": np.arange(5), "seed": np.zeros(5, np.int64)}
    writer = MaskFolderWriter()
    writer.write(tmp_path, 0, 1, records, columns, schema, {})
    writer.finish(tmp_path, schema, 1)
    source = _open(tmp_path / "annotations_coco.json")
    again = source.read(np.arange(5))
    np.testing.assert_array_equal(again["mask"], records["mask"])
    np.testing.assert_array_equal(again["image"], records["image"])
    assert [entry.name for entry in classes_of(source.schema)] == [entry.name for entry in classes_of(schema)]
    assert not CocoReader().accepts(tmp_path)
    assert MaskFolderReader().accepts(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 3}, "no lists images"),
        ({"categories": [{"id": 3}]}, "category without a name"),
        ({"categories": [{"id": 255, "name": "x"}]}, "255"),
        ({"categories": [{"id": 3, "name": "x"}, {"id": 3, "name": "y"}]}, "twice"),
        ({"images": [{"id": 10, "file_name": "10.png"}]}, "lacks height"),
        ({"images": [{"id": [], "file_name": "10.png", "height": 8, "width": 8}]}, "lacks id"),
        ({"images": [{"id": 10, "file_name": "10.png", "height": 1 << 20, "width": 1 << 20}]}, "allowed"),
        ({"images": [{"id": 10, "file_name": "../x.png", "height": 8, "width": 8}]}, "leads out|in none of"),
        ({"images": [{"id": 10, "file_name": "no.png", "height": 8, "width": 8}]}, "in none of"),
        (
            {"images": [{"id": i, "file_name": i * "1" + "0.png", "height": 8, "width": 8} for i in (1, 5000)]},
            "cannot be followed",
        ),
        ({"images": [{"id": 10, "file_name": "10.png", "height": 9, "width": 8}], "annotations": []}, "differ in size"),
        ({"annotations": [{"id": 1, "image_id": 99, "category_id": 3}]}, "of image 99"),
        ({"annotations": [{"id": 1, "image_id": {}, "category_id": 3}]}, "does not exist"),
        *(
            ({"annotations": [{"id": 1, "image_id": 10, "category_id": 3, "segmentation": bad}]}, message)
            for bad, message in [
                (None, "neither polygons"),
                ([[1, 1, 2, 2]], "fewer than three"),
                ([[1, 1, 2, 2, "x", 3]], "numbers"),
                ([[0, 0, 1e9, 0, 0, 1e9]], "far outside"),
                ([[0, 0, float("nan"), 0, 0, 1]], "far outside"),
                ({"size": [8, 9], "counts": [72]}, "of size"),
                ({"size": [8, 8], "counts": [63]}, "do not add up"),
                ({"size": [8, 8], "counts": [-1, 65]}, "do not add up"),
                ({"size": [8, 8], "counts": 5}, "without counts"),
                ({"size": [8, 8], "counts": "no~way"}, "no compressed"),
                ({"size": [8, 8], "counts": "P"}, "ends within"),
            ]
        ),
    ],
)
def test_wrong_annotations_are_errors_that_name_them(tmp_path, change, message):
    path = _write(tmp_path, _document(**change))
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path.parent / "x.png")
    with pytest.raises(DataError, match=message):
        _open(path)


def test_damaged_json_is_named_and_other_json_is_not_taken(tmp_path):
    path = _write(tmp_path, _document())
    path.write_text(path.read_text()[:-40])
    with pytest.raises(DataError, match=r"instances\.json is not readable JSON"):
        _open(path)
    path.write_text('{"rows": []}')
    assert not CocoReader().accepts(path)
