"""UCR text files, .ts files and NumPy archives."""

from __future__ import annotations

import numpy as np
import pytest
from synthgen_timeseries.readers import CsvReader, NpzReader, TsReader, UcrReader

from synthgen.config import DataConfig
from synthgen.errors import DataError


def _read(reader, path, **options):
    assert reader.accepts(path)
    source = reader.read(path, DataConfig(**options))
    return source, source.read(np.arange(len(source)))


@pytest.fixture
def ucr(tmp_path):
    (tmp_path / "Toy_TRAIN.tsv").write_text("1\t0.5\t1.5\t2.5\n-1\t1\t2\tNaN\n1\t1\tNaN\t3\n")
    (tmp_path / "Toy_TEST.tsv").write_text("-1\t9\t8\t7\n")
    return tmp_path


@pytest.mark.parametrize("name", ["", "Toy_TRAIN.tsv"])
def test_a_ucr_folder_or_its_train_file_brings_both_parts(ucr, name):
    source, records = _read(UcrReader(), ucr / name)
    assert source.official_split.tolist() == ["train", "train", "train", "test"]
    assert source.schema.labels == ("-1", "1")
    assert records.label.tolist() == [1, 0, 1, 0]
    assert records["length"].tolist() == [3, 2, 3, 3]
    assert records["observed"][2, 0].tolist() == [True, False, True]
    assert records["values"][3, 0].tolist() == [9, 8, 7]


def test_a_ucr_file_is_no_table(ucr):
    assert not CsvReader().accepts(ucr / "Toy_TRAIN.tsv")


def test_a_ucr_test_file_stands_alone(ucr):
    source, _ = _read(UcrReader(), ucr / "Toy_TEST.tsv")
    assert len(source) == 1
    assert source.official_split is None


def test_a_tsv_with_a_header_is_a_table(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("id\tstep\tx\na\t0\t1\na\t1\t2\nb\t0\t3\nb\t1\t4\n")
    assert not UcrReader().accepts(path)
    _, records = _read(CsvReader(), path)
    assert records["values"][:, 0].tolist() == [[1, 2], [3, 4]]


_TS = """# a comment
@problemName toy
@timeStamps false
@univariate false
@dimensions 2
@equalLength false
@classLabel true left right
@data
1,2,3:4,?,6:left
7,8:9,10:right
"""


def test_ts_files_hold_dimensions_gaps_unequal_lengths_and_labels(tmp_path):
    path = tmp_path / "toy.ts"
    path.write_text(_TS)
    source, records = _read(TsReader(), path)
    assert source.schema.shape == (2, 3)
    assert source.schema.labels == ("left", "right")
    assert records["length"].tolist() == [3, 2]
    assert records["observed"][0].tolist() == [[True, True, True], [True, False, True]]
    assert records["values"][1, :, :2].tolist() == [[7, 8], [9, 10]]


def test_ts_files_with_time_stamps_keep_the_values(tmp_path):
    path = tmp_path / "toy.ts"
    path.write_text("@timeStamps true\n@classLabel false\n@data\n(0,1.5),(1,2.5):(0,3.5),(1,4.5)\n")
    source, records = _read(TsReader(), path)
    assert source.labels is None
    assert records["values"][0].tolist() == [[1.5, 2.5], [3.5, 4.5]]


def test_ts_pairs_bring_their_official_split(tmp_path):
    (tmp_path / "Toy_TRAIN.ts").write_text(_TS)
    (tmp_path / "Toy_TEST.ts").write_text(_TS)
    source, _ = _read(TsReader(), tmp_path)
    assert source.official_split.tolist() == ["train", "train", "test", "test"]


@pytest.mark.parametrize("shape", [(6, 2, 5), (6, 5)])
def test_npz_holds_series_and_labels(tmp_path, shape):
    path = tmp_path / "toy.npz"
    x = np.random.default_rng(0).standard_normal(shape)
    np.savez(path, X=x, y=np.array(["b", "a"] * 3))
    source, records = _read(NpzReader(), path)
    np.testing.assert_allclose(records["values"], x.reshape(6, -1, 5), rtol=1e-6)
    assert [source.schema.labels[label] for label in records.label] == ["b", "a"] * 3


def test_npz_with_train_and_test_keeps_the_split(tmp_path):
    path = tmp_path / "toy.npz"
    np.savez(path, X_train=np.ones((3, 1, 4)), y_train=[0, 1, 0], X_test=np.zeros((2, 1, 4)), y_test=[1, 1])
    source, _ = _read(NpzReader(), path)
    assert source.official_split.tolist() == ["train"] * 3 + ["test"] * 2


def test_npz_with_pickled_objects_is_refused(tmp_path):
    path = tmp_path / "toy.npz"
    np.savez(path, X=np.array([[1], [2, 3]], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        NpzReader().read(path, DataConfig())
