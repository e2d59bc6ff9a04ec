"""Images in Parquet: other people's layouts, which column is the label, names of classes, splits and damage."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthgen_image.parquet_reader import ParquetReader

from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.io.folder import encode_png
from synthgen.io.parquet import image_column


def read(path, **options):
    assert ParquetReader().accepts(path)
    return ParquetReader().read(path, DataConfig(path=str(path), **options))


def write(path, columns, features=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if features:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=4)
    return path


def test_hugging_face_images_with_class_names_open_with_nothing_but_the_path(tmp_path, pixels):
    images = pixels(6, channels=3)
    features = {"img": {"_type": "Image"}, "label": {"names": ["cat", "dog", "owl"], "_type": "ClassLabel"}}
    path = write(tmp_path / "x.parquet", {"img": image_column(images), "label": [2, 0, 2, 0, 2, 0]}, features)
    source = read(path)
    assert source.schema.labels == ("cat", "owl")
    assert source.labels.tolist() == [1, 0, 1, 0, 1, 0]
    np.testing.assert_array_equal(source.read(np.arange(6))["image"], images)


def test_raw_bytes_and_numbers_as_labels(tmp_path, pixels):
    data = [encode_png(image) for image in pixels(4)]
    source = read(write(tmp_path / "x.parquet", {"picture": pa.array(data, pa.binary()), "label": [10, 2, 10, 2]}))
    assert source.schema.labels == ("2", "10")
    assert source.labels.tolist() == [1, 0, 1, 0]


def test_names_beside_the_numbers_are_taken(tmp_path, pixels):
    columns = {"image": image_column(pixels(4)), "label": [0, 1, 0, 1], "label_name": ["zebra", "ant", "zebra", "ant"]}
    source = read(write(tmp_path / "x.parquet", columns))
    assert source.schema.labels == ("zebra", "ant")


def test_one_number_with_two_names_is_an_error(tmp_path, pixels):
    columns = {"image": image_column(pixels(2)), "label": [0, 0], "label_name": ["zebra", "ant"]}
    with pytest.raises(DataError, match="class 0 is called both"):
        read(write(tmp_path / "x.parquet", columns))


def test_the_only_column_with_few_values_is_the_label(tmp_path, pixels):
    columns = {"image": image_column(pixels(6)), "key": list("abcdef"), "kind": list("xyxyxy"), "weight": np.ones(6)}
    source = read(write(tmp_path / "x.parquet", columns))
    assert source.schema.label_column == "kind"
    assert source.schema.labels == ("x", "y")
    assert any("column kind" in note for note in source.notes)


def test_two_columns_that_could_be_labels_give_no_label_but_a_note(tmp_path, pixels):
    columns = {"image": image_column(pixels(6)), "kind": list("xyxyxy"), "colour": list("rrggbb")}
    source = read(write(tmp_path / "x.parquet", columns))
    assert source.labels is None
    assert any("kind, colour" in note and "--label-column" in note for note in source.notes)
    assert read(tmp_path / "x.parquet", label_column="colour").schema.labels == ("b", "g", "r")


def test_rows_without_a_label_are_left_out_with_a_note(tmp_path, pixels):
    source = read(write(tmp_path / "x.parquet", {"image": image_column(pixels(4)), "label": [0, -1, None, 1]}))
    assert source.labels.tolist() == [0, 1]
    assert "2 of 4 images have no label and are left out" in source.notes
    np.testing.assert_array_equal(source.read(np.arange(2))["image"], pixels(4)[[0, 3]])


def test_labels_that_are_all_missing_are_no_labels(tmp_path, pixels):
    source = read(write(tmp_path / "x.parquet", {"image": image_column(pixels(2)), "label": [-1, -1]}))
    assert source.labels is None


def test_a_label_column_that_does_not_exist_names_those_that_do(tmp_path, pixels):
    path = write(tmp_path / "x.parquet", {"image": image_column(pixels(2)), "label": [0, 1]})
    with pytest.raises(DataError, match="no column 'labl'; its columns are image, label") as caught:
        read(path, label_column="labl")
    assert caught.value.hint == "Did you mean label?"


def test_fractions_are_no_classes(tmp_path, pixels):
    path = write(tmp_path / "x.parquet", {"image": image_column(pixels(2)), "age": [0.5, 1.5]})
    with pytest.raises(DataError, match=r"column age of .* holds fractions"):
        read(path, label_column="age")


def test_a_table_without_images_says_what_it_has(tmp_path):
    with pytest.raises(DataError, match=r"no column of images .*its columns are a \(int64\)"):
        read(write(tmp_path / "x.parquet", {"a": [1, 2]}))


def test_train_and_test_files_are_an_official_split(tmp_path, pixels):
    write(tmp_path / "data" / "test-00000-of-00001.parquet", {"image": image_column(pixels(2)), "label": [0, 1]})
    write(tmp_path / "data" / "train-00000-of-00001.parquet", {"image": image_column(pixels(3)), "label": [0, 1, 1]})
    source = read(tmp_path)
    assert source.official_split.tolist() == ["test"] * 2 + ["train"] * 3


def test_group_column_is_kept(tmp_path, pixels):
    columns = {"image": image_column(pixels(3)), "label": [0, 1, 1], "patient": [7, 8, 7]}
    groups = read(write(tmp_path / "x.parquet", columns), group_column="patient").groups
    assert groups[0] == groups[2] != groups[1]


def test_damaged_and_empty_cells_are_counted_and_named_by_row(tmp_path, pixels):
    data = [encode_png(image) for image in pixels(40)]
    data[5], data[11] = data[5][:60], None
    columns = {"image": pa.array(data, pa.binary()), "label": [0, 1] * 20}
    source = read(write(tmp_path / "x.parquet", columns))
    assert len(source) == 38
    note = next(note for note in source.notes if "cannot be read" in note)
    assert note.startswith("2 of 40 images")
    assert "row 5" in note
    assert "row 11 is empty" in note


def test_paths_in_the_table_are_followed_beside_it_and_never_out_of_it(tmp_path, pixels, save):
    for number, image in enumerate(pixels(20)):
        save(tmp_path / "set" / "images" / f"{number}.png", image)
    save(tmp_path / "secret.png", pixels(1)[0])
    paths = [f"images/{number}.png" for number in range(20)]
    paths[3] = "../../secret.png"
    cells = pa.StructArray.from_arrays([pa.nulls(20, pa.binary()), pa.array(paths)], names=["bytes", "path"])
    source = read(write(tmp_path / "set" / "x.parquet", {"image": cells}))
    assert len(source) == 19
    np.testing.assert_array_equal(source.read(np.array([0, 18]))["image"], pixels(20)[[0, 19]])


def test_a_large_file_is_read_when_asked_for_and_gives_the_same(tmp_path, pixels, monkeypatch):
    path = write(tmp_path / "x.parquet", {"image": image_column(pixels(10)), "label": [0, 1] * 5})
    monkeypatch.setattr("synthgen_image.collection.EAGER_BYTES", 10)
    records = read(path).read(np.array([9, 0, 9]))
    np.testing.assert_array_equal(records["image"], pixels(10)[[9, 0, 9]])
    assert records.label.tolist() == [1, 0, 1]


def test_a_truncated_file_is_an_error(tmp_path, pixels):
    path = write(tmp_path / "x.parquet", {"image": image_column(pixels(4)), "label": [0, 1, 0, 1]})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="not a readable Parquet file"):
        read(path)


@pytest.mark.parametrize("path", [5, "x" * 5000, "\0", "../x.png"])
def test_a_cell_with_a_path_that_names_no_file_is_refused(tmp_path, path):
    pq.write_table(pa.table({"image": [{"bytes": None, "path": path}] * 6}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "x.parquet")
