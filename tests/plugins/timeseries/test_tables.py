"""CSV and Parquet tables: long, wide, list columns, one long series."""

from __future__ import annotations

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthgen_timeseries.readers import CsvReader, ParquetReader
from synthgen_timeseries.sheet import Sheet
from synthgen_timeseries.table import read_csv

from synthgen.config import DataConfig
from synthgen.errors import DataError


def _read(path, **options):
    reader = ParquetReader() if path.suffix == ".parquet" or path.is_dir() else CsvReader()
    assert reader.accepts(path)
    source = reader.read(path, DataConfig(**options))
    return source, source.read(np.arange(len(source)))


def _long(names=("who", "when", "x", "y", "kind")) -> pd.DataFrame:
    rows = [(f"s{s}", t, s * 100 + t, s - t / 10, "up" if s % 2 else "down") for s in range(4) for t in range(5 + s)]
    return pd.DataFrame(rows, columns=list(names))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_long_table_becomes_one_series_an_id(tmp_path, suffix):
    path = tmp_path / f"long.{suffix}"
    frame = _long().sample(frac=1, random_state=0)  # order comes from the time column
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    source, records = _read(path, id_column="who", time_column="when", label_column="kind")
    assert source.schema.shape == (2, 8)
    assert [channel.name for channel in source.schema.channels] == ["x", "y"]
    assert [channel.kind for channel in source.schema.channels] == ["integer", "continuous"]
    assert source.schema.labels == ("down", "up")
    assert source.schema.label_column == "kind"
    assert sorted(source.names) == ["s0", "s1", "s2", "s3"]
    by_start = {int(values[0, 0]): values for values in records["values"]}
    assert by_start[300][0].tolist() == [300, 301, 302, 303, 304, 305, 306, 307]
    assert sorted(records["length"].tolist()) == [5, 6, 7, 8]
    assert [condition.name for condition in source.schema.conditions] == ["label", "length"]


def test_the_usual_column_names_need_no_options(tmp_path):
    path = tmp_path / "long.csv"
    _long(("unique_id", "ds", "y", "z", "label")).to_csv(path, index=False)
    source, _ = _read(path)
    assert len(source) == 4
    assert [channel.name for channel in source.schema.channels] == ["y", "z"]
    assert source.schema.labels == ("down", "up")


def test_empty_cells_of_a_long_table_are_missing_values(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("id,time,x\na,0,1\na,1,\na,2,3\nb,0,4\nb,1,?\nb,2,6\n")
    source, records = _read(path)
    assert records["observed"][:, 0].tolist() == [[True, False, True]] * 2
    assert source.schema.extra["missing"] is True


def test_a_wide_table_is_a_row_a_series(tmp_path):
    path = tmp_path / "wide.csv"
    values = np.arange(30, dtype=float).reshape(3, 10) / 7
    frame = pd.DataFrame(values, columns=[f"t{step}" for step in range(10)])
    frame["class"] = ["a", "b", "a"]
    frame.to_csv(path)  # with pandas' nameless index column
    source, records = _read(path)
    assert source.schema.shape == (1, 10)
    np.testing.assert_allclose(records["values"][:, 0], values, rtol=1e-6)
    assert records.label.tolist() == [0, 1, 0]


def test_semicolons_decimal_commas_and_gzip_are_understood(tmp_path):
    path = tmp_path / "wide.csv.gz"
    with gzip.open(path, "wt") as file:
        file.write("0;1;2;label\n1,5;2,5;3,5;a\n4,5;5,5;6,5;b\n")
    _, records = _read(path)
    assert records["values"][:, 0].tolist() == [[1.5, 2.5, 3.5], [4.5, 5.5, 6.5]]


def test_list_columns_are_channels(tmp_path):
    path = tmp_path / "lists.parquet"
    table = pa.table(
        {
            "a": pa.array([[1.0, 2.0, None], [4.0, 5.0], None], pa.list_(pa.float64())),
            "b": pa.array([[1, 2, 3], [4, 5], [6]], pa.list_(pa.int32())),
            "label": ["x", "y", "x"],
        }
    )
    pq.write_table(table, path)
    source, records = _read(path)
    assert records["length"].tolist() == [3, 2, 1]
    assert records["observed"][:, 0].tolist() == [[True, True, False], [True, True, False], [False, False, False]]
    assert [channel.kind for channel in source.schema.channels] == ["continuous", "integer"]
    assert source.schema.labels == ("x", "y")


def test_class_names_come_from_the_hugging_face_features(tmp_path):
    path = tmp_path / "lists.parquet"
    features = '{"info": {"features": {"activity": {"names": ["sit", "run"], "_type": "ClassLabel"}}}}'
    table = pa.table({"a": pa.array([[1.0], [2.0]]), "activity": [1, 0]}).replace_schema_metadata(
        {"huggingface": features}
    )
    pq.write_table(table, path)
    source, records = _read(path)
    assert [source.schema.labels[label] for label in records.label] == ["run", "sit"]


def test_numeric_labels_are_ordered_as_numbers(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text("label,0,1\n10,1,2\n9,1,3\n1.0,2,3\n")
    assert _read(path)[0].schema.labels == ("1", "9", "10")


def test_groups_come_from_their_column(tmp_path):
    path = tmp_path / "long.csv"
    frame = _long(("id", "time", "x", "y", "label"))
    frame["person"] = np.where(frame["id"].isin(["s0", "s3"]), "ann", "bob")
    frame.to_csv(path, index=False)
    source, records = _read(path, group_column="person")
    starts = records["values"][:, 0, 0] // 100
    same = source.groups == source.groups[int(np.argmax(starts == 0))]
    assert sorted(starts[same].tolist()) == [0, 3]


@pytest.mark.parametrize("dated", [True, False])
def test_one_long_series_is_cut_into_windows_that_never_share_a_step_across_groups(tmp_path, dated):
    path = tmp_path / "one.csv"
    steps = 1000
    frame = pd.DataFrame({"load": np.arange(steps) + 0.5, "temperature": np.sin(np.arange(steps))})
    if dated:
        frame.insert(0, "date", pd.date_range("2020-01-01", periods=steps, freq="h"))
    frame.to_csv(path, index=False)
    source, records = _read(path, window=16)
    assert source.schema.shape == (2, 16)
    assert source.labels is None
    first = np.rint(records["values"][:, 0, 0] - 0.5).astype(int)
    owner = {}
    for start, group, part in zip(first, source.groups, source.official_split, strict=True):
        for step in range(start, start + 16):
            assert owner.setdefault(step, (group, part)) == (group, part)
    train = first[source.official_split == "train"]
    test = first[source.official_split == "test"]
    assert train.max() + 16 <= 700
    assert test.min() >= 700 + 16
    assert any("embargo of 16" in note for note in source.notes)
    if dated:
        assert source.schema.extra["sampling"] == "3600 s"


def test_the_window_of_one_long_series_is_24_when_unset_and_a_note_says_so(tmp_path):
    path = tmp_path / "one.csv"
    pd.DataFrame({"a": np.random.default_rng(0).random(400), "b": 1.0}).to_csv(path, index=False)
    source, _ = _read(path)
    assert source.schema.shape == (2, 24)
    assert any("windows of 24 (data.window is unset), 12 steps apart" in note for note in source.notes)


def test_long_labelled_series_are_cut_by_window_and_keep_label_and_group(tmp_path):
    path = tmp_path / "long.csv"
    rows = [(f"s{s}", t, s + t / 100, "ab"[s % 2]) for s in range(6) for t in range(30)]
    pd.DataFrame(rows, columns=["id", "t", "x", "label"]).to_csv(path, index=False)
    source, records = _read(path, window=10, stride=10)
    assert len(source) == 18
    series = records["values"][:, 0, 0].astype(int)
    assert np.array_equal(series % 2, records.label)
    assert np.array_equal(np.unique(series, return_inverse=True)[1], source.groups)


def test_a_numeric_file_without_header_is_read_from_its_first_line(tmp_path):
    path = tmp_path / "bare.csv"
    np.savetxt(path, np.random.default_rng(0).random((200, 3)), delimiter=",")
    source, _ = _read(path, window=8)
    assert [channel.name for channel in source.schema.channels] == ["c0", "c1", "c2"]
    assert any("no header" in note for note in source.notes)


def test_decimal_commas_are_seen_beside_dates_with_dots(tmp_path):
    path = tmp_path / "de.csv"
    rows = [f"a;{day:02}.04.2024;{day},5;{day}" for day in range(1, 13)]
    path.write_text("\n".join(["id;datum;temperatur;zahl", *rows]), encoding="utf-8")
    _, records = _read(path, id_column="id", time_column="datum")
    assert records["values"][0, 0].tolist() == [day + 0.5 for day in range(1, 13)]


def test_numbers_with_thousands_that_stay_text_are_pointed_out(tmp_path):
    path = tmp_path / "thousands.csv"
    path.write_text("\n".join(["a,b", *(f'{n},"1,{n:03}.5"' for n in range(20))]), encoding="utf-8")
    assert any("b is taken as text" in note for note in read_csv(path).notes)


def test_truth_values_with_gaps_are_no_numbers(tmp_path):
    path = tmp_path / "on.csv"
    rows = [f"{series},{step},{step * 1.5},{['True', 'False', ''][step % 3]}" for series in "ab" for step in range(9)]
    path.write_text("\n".join(["id,time,load,on", *rows]), encoding="utf-8")
    source, _ = _read(path)
    assert {channel.name: channel.kind for channel in source.schema.channels} == {
        "load": "continuous",
        "on": "categorical",
    }


@pytest.mark.parametrize("name", ["patient_id", "deviceId", "Sensor", "store"])
def test_what_tells_series_apart_is_found_by_its_name(tmp_path, name):
    path = tmp_path / "table.csv"
    frame = _long((name, "when", "x", "y", "state")).rename(columns={"when": "time"})
    frame.to_csv(path, index=False)
    source, _ = _read(path)
    assert len(source) == 4
    assert [channel.name for channel in source.schema.channels] == ["x", "y"]
    assert any("--label-column state" in note for note in source.notes)


def test_names_that_only_look_like_ids_are_channels(tmp_path):
    path = tmp_path / "weather.csv"
    frame = pd.DataFrame({"time": np.arange(400), "humid": np.arange(400) % 7, "acid": np.arange(400) % 5})
    frame.to_csv(path, index=False)
    source, _ = _read(path, window=12)
    assert [channel.name for channel in source.schema.channels] == ["humid", "acid"]


def test_numbers_beside_the_steps_of_a_wide_table_are_no_steps(tmp_path):
    path = tmp_path / "wide.csv"
    frame = pd.DataFrame(np.arange(30.0).reshape(3, 10), columns=[f"t{step}" for step in range(10)])
    frame.assign(label=list("aba"), weight=[70.5, 80.1, 90.2]).to_csv(path, index=False)
    source, records = _read(path)
    assert source.schema.shape == (1, 10)
    assert records["values"].max() == 29
    assert any("weight" in note for note in source.notes)
    sheet = Sheet.open(path, source.schema, DataConfig())
    assert [one.shape for one in sheet.series] == [(1, 10)] * 3


def test_stamps_that_come_twice_are_refused_where_series_are_completed_too(tmp_path):
    path = tmp_path / "long.csv"
    frame = _long(("id", "time", "x", "y", "kind"))
    frame.to_csv(path, index=False)
    source, _ = _read(path)
    pd.concat([frame, frame.iloc[:1]]).to_csv(path, index=False)
    with pytest.raises(DataError, match="has time 0 twice"):
        Sheet.open(path, source.schema, DataConfig())
    frame.drop(columns="id").to_csv(path, index=False)
    with pytest.raises(DataError, match="appears twice"):
        Sheet.open(path, source.schema, DataConfig())


@pytest.mark.parametrize("across", [False, True])
def test_windows_of_one_long_series_do_not_cross_long_gaps_unless_hardly_any_would_be_left(tmp_path, across):
    hours = np.arange(600)
    pause = hours // (7 if across else 150) * 200  # a long pause after every 7 or 150 steps
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(hours + pause, unit="h")
    pd.DataFrame({"ds": stamps, "y": hours.astype(float)}).to_csv(tmp_path / "one.csv", index=False)
    source, records = _read(tmp_path / "one.csv", window=12, stride=1)
    pauses = np.array([len(set(window.tolist())) > 1 for window in records["values"][:, 0] // (7 if across else 150)])
    assert pauses.any() == across
    notes = " ".join(source.notes)
    assert ("no window runs across the 3 gaps in time of more than 10 usual steps" in notes) != across
    assert ("windows run across 85 gaps in time: too few would be left between them" in notes) == across
