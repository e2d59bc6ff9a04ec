"""`.arff` of the UCR/UEA archive: one or several dimensions, classes, missing values, unequal lengths, faults."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.io import arff
from synthgen_timeseries.readers import ArffReader

from synthgen.config import DataConfig
from synthgen.errors import DataError

FLAT = """% a comment
@relation Motions
@attribute att0 numeric
@attribute att1 REAL
@attribute 'att 2' numeric
@attribute target {1,2}

@data
0.5,1.5,-2,1
1e-3,2,3,2
"""

RELATIONAL = r"""@relation Motions
@attribute relationalAtt relational
  @attribute att0 numeric
  @attribute att1 numeric
@end relationalAtt
@attribute activity {'standing still',running}
@data
'1,2,3\n4,?,6','standing still'
'7,8\n9,10',running
"""


def read(tmp_path, text, name="Motions.arff"):
    path = tmp_path / name
    path.write_text(text)
    source = ArffReader().read(path, DataConfig())
    return source, source.read(np.arange(len(source)))


def test_one_dimension_is_what_scipy_reads(tmp_path):
    source, records = read(tmp_path, FLAT)
    rows, _ = arff.loadarff(tmp_path / "Motions.arff")
    wanted = np.array([[row[name] for name in ("att0", "att1", "att 2")] for row in rows], dtype=np.float32)
    np.testing.assert_array_equal(records["values"][:, 0], wanted)
    assert [source.schema.labels[label] for label in records.label] == ["1", "2"]


def test_several_dimensions_with_gaps_and_lengths_of_their_own(tmp_path):
    source, records = read(tmp_path, RELATIONAL)
    assert source.schema.shape == (2, 3)
    assert records["length"].tolist() == [3, 2]
    assert records["observed"][0].tolist() == [[True, True, True], [True, False, True]]
    assert records["values"][1, :, :2].tolist() == [[7, 8], [9, 10]]
    assert [source.schema.labels[label] for label in records.label] == ["standing still", "running"]


def test_train_brings_test(tmp_path):
    (tmp_path / "Motions_TEST.arff").write_text(FLAT)
    source, _ = read(tmp_path, FLAT, "Motions_TRAIN.arff")
    assert source.official_split.tolist() == ["train"] * 2 + ["test"] * 2
    assert ArffReader().accepts(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("1.5,-2,1", "x,-2,1"), r"line 9, column 2: 'x' is not a number"),
        (("1.5,-2,1", "1.5,1"), r"line 9: 2 values, 3 are declared"),
        (("-2,1", "-2,3"), r"line 9: '3' is not among the declared classes 1, 2"),
        (("@data", "@date"), r"line 8: not an \.arff file"),
        (("REAL", "date"), r"line 4: attributes of type date"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(change, said, tmp_path):
    with pytest.raises(DataError, match=said):
        read(tmp_path, FLAT.replace(*change))
