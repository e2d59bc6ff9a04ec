"""Each kind of bad data gets one sentence that names file, row and column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthgen_timeseries.readers import CsvReader, NpzReader, ParquetReader, TsReader, UcrReader

from synthgen.config import DataConfig
from synthgen.errors import DataError

_LONG = "id,time,x,label\na,0,1,u\na,1,2,u\nb,0,3,v\nb,1,4,v\n"

_CSV = {
    "empty file": ("", {}, "bad.csv is empty"),
    "header only": ("id,time,x\n", {}, "has a header but no rows"),
    "non-numeric cell": (_LONG.replace("a,1,2", "\na,1,two"), {}, r"line 4, column x: 'two' is not a number"),
    "ragged line": (_LONG + "b,2,5,v,9,9\n", {}, "line 6"),
    "label differs": (_LONG.replace("b,1,4,v", "b,1,4,u"), {}, r"line 5: series 'b' has label 'u', but 'v'"),
    "label missing": (_LONG.replace("b,1,4,v", "b,1,4,"), {}, r"line 5: column label is empty"),
    "duplicated time": (_LONG.replace("b,1,4", "b,0,4"), {}, r"line 5: series 'b' has time 0 twice"),
    "unreadable time": (
        "id,time,x\na,2020-01-01,1\na,someday,2\nb,2020-01-01,3\n",
        {},
        r"line 3, column time: 'someday' is not a time",
    ),
    "missing id": (_LONG.replace("b,1,4,v", ",1,4,v"), {}, r"line 5: the id in column id is empty"),
    "unknown column": (_LONG, {"label_column": "lable"}, "has no column 'lable'; its columns are id, time, x, label"),
    "nothing numeric": ("id,name\na,x\na,y\nb,z\n", {}, "no numeric columns"),
    "all-NaN channel": ("id,time,x,z\na,0,1,\na,1,2,\nb,0,3,\nb,1,4,\n", {}, "channel z holds no value at all"),
    "everything missing": ("id,time,x\na,0,\na,1,\nb,0,\n", {}, "every value is missing"),
    "infinite": (
        "id,time,x\na,0,1\na,1,inf\nb,0,2\n",
        {},
        "series 'a' holds an infinite or too large value in channel x",
    ),
    "too short for windows": ("x,y\n1,2\n3,4\n5,6\n", {}, "3 steps are too few for windows of 24"),
    "windows longer than series": (_LONG, {"window": 5}, "no series is as long as data.window = 5"),
    "label of one long series": (
        "date,x,kind\n2020-01-01,1,a\n2020-01-02,2,b\n",
        {"label_column": "kind"},
        "looks like one long series, which cannot have a label column",
    ),
    "an id as label": (
        "label,0,1\n" + "".join(f"r{row},{row},1\n" for row in range(30)),
        {},
        "each of the 30 series has a label of its own",
    ),
}


@pytest.mark.parametrize("case", list(_CSV))
def test_bad_csv_is_named(tmp_path, case):
    text, options, sentence = _CSV[case]
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence) as caught:
        CsvReader().read(path, DataConfig(**options))
    assert "bad.csv" in str(caught.value) or "data.window" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_column_comes_with_a_suggestion(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_text(_LONG)
    with pytest.raises(DataError) as caught:
        CsvReader().read(path, DataConfig(label_column="lable"))
    assert caught.value.hint == "Did you mean label?"


def test_text_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("id,time,größe\na,0,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv is not UTF-8 text"):
        CsvReader().read(path, DataConfig())


def test_a_file_that_is_gone_is_named(tmp_path):
    with pytest.raises(DataError, match="no file at"):
        CsvReader().read(tmp_path / "gone.csv", DataConfig())


def test_damaged_parquet_is_named(tmp_path):
    path = tmp_path / "bad.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"bad\.parquet is not a readable Parquet file"):
        ParquetReader().read(path, DataConfig())


def test_list_columns_of_different_lengths_are_named(tmp_path):
    path = tmp_path / "bad.parquet"
    pq.write_table(pa.table({"a": [[1.0, 2.0], [3.0, 4.0]], "b": [[1.0, 2.0], [3.0]]}), path)
    with pytest.raises(DataError, match="row 1: a has 2 steps but b has 1"):
        ParquetReader().read(path, DataConfig())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("1\t2\tx\n", "line 1, column 3: 'x' is not a number"),
        ("1\t2\t3\nNaN\t2\t3\n", "line 2: the label in column 1 is missing"),
        ("1\t2\n\n1\n", "line 3: a label and values expected"),
    ],
)
def test_bad_ucr_files_are_named(tmp_path, text, sentence):
    path = tmp_path / "bad.tsv"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        UcrReader().read(path, DataConfig())


def test_a_folder_with_several_sets_asks_which(tmp_path):
    for name in ("A", "B"):
        (tmp_path / f"{name}_TRAIN.tsv").write_text("1\t2\t3\n")
    with pytest.raises(DataError, match=r"several data sets: A_TRAIN\.tsv, B_TRAIN\.tsv"):
        UcrReader().read(tmp_path, DataConfig())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("@classLabel true a b\n", "has no @data line"),
        ("1,2,3\n", "no @data before the first values"),
        ("@classLabel true a b\n@data\n1,2:c\n", "line 3: label 'c' is not among @classLabel a, b"),
        ("@classLabel false\n@data\n1,2:3,4\n1,2\n", "line 4: 1 dimensions, but 2 in line 3"),
        ("@classLabel false\n@data\n1,2:3,four\n", "line 3, dimension 1, column 2: 'four' is not a number"),
        ("@targetLabel true\n@data\n1,2:0.5\n", "regression target is not supported"),
    ],
)
def test_bad_ts_files_are_named(tmp_path, text, sentence):
    path = tmp_path / "bad.ts"
    path.write_text(text)
    with pytest.raises(DataError, match=sentence):
        TsReader().read(path, DataConfig())


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"Z": np.ones((2, 3))}, "has no array X; it holds Z"),
        ({"X": np.ones(3)}, r"array X has shape \(3,\)"),
        ({"X": np.array([["a", "b"]])}, "does not hold real numbers"),
        ({"X": np.ones((2, 3)), "y": [1, 2, 3]}, "2 series but 3 labels in y"),
    ],
)
def test_bad_npz_is_named(tmp_path, arrays, sentence):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=sentence):
        NpzReader().read(path, DataConfig())


def test_a_file_that_is_no_archive_is_named(tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(b"no zip")
    with pytest.raises(DataError, match="not a readable"):
        NpzReader().read(path, DataConfig())
