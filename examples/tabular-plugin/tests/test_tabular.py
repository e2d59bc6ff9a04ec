"""The plugin against scikit-learn, scipy and pandas, and every promise that synthgen's conformance suite knows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from synthgen_tabular import demo
from synthgen_tabular.codec import TableCodec
from synthgen_tabular.files import TableReader, source_of
from synthgen_tabular.judge import RegressionOutcome
from synthgen_tabular.metrics import column_shapes, pair_trends
from synthgen_tabular.modality import Tabular
from synthgen_tabular.table import columns_of, frame_of

from synthgen import registry
from synthgen.config import DataConfig
from synthgen.errors import DataError
from synthgen.testing import check_metric, check_modality, check_network, modality_checks, subject


def mixed(n=120, seed=0):
    """Continuous, integer and categorical columns, each with missing values, and a label."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "income": np.exp(rng.normal(10, 1, n)),
            "children": rng.poisson(1.5, n),
            "town": rng.choice(["Oslo", "Rome", "Bern"], n, p=[0.6, 0.3, 0.1]),
            "member": rng.random(n) < 0.4,
            "bought": rng.choice(["no", "yes"], n),
        }
    )
    frame["children"] = frame["children"].astype("Int64")
    for column in ("income", "children", "town"):
        frame.loc[rng.random(n) < 0.15, column] = None
    return frame


@pytest.fixture(scope="module")
def wine():
    return subject("tabular")


@pytest.mark.parametrize("check", modality_checks().values(), ids=modality_checks())
def test_the_modality_keeps_its_promise(check, wine):
    check(wine)


@pytest.mark.parametrize("name", ["breast-cancer", "diabetes"])
def test_the_other_demo_sets_keep_them_too(name):
    check_modality("tabular", source=registry.create("datasets", name, "tabular"))


def test_mixed_columns_with_missing_values_keep_them_too():
    check_modality("tabular", source=source_of(mixed(), label="bought"))


def test_the_network_and_the_metrics_keep_their_promises():
    check_network("tabular-mlp", shapes=((1, 12), (1, 3)))
    for name in ("column_shapes", "pair_trends"):
        check_metric(name, modality="tabular")


def test_kinds_categories_and_missing_values_are_understood():
    source = source_of(mixed(), label="bought")
    found = {column.name: (column.kind, column.missing) for column in columns_of(source.schema)}
    assert found == {
        "income": ("continuous", True),
        "children": ("integer", True),
        "town": ("categorical", True),
        "member": ("categorical", False),
    }
    assert source.schema.labels == ("no", "yes")
    assert source.schema.shape == (1, 2 + 2 + 4 + 2)


def test_a_numeric_label_with_many_values_is_a_target_to_predict_from_the_rest():
    source = demo.diabetes()
    assert source.schema.labels == ()
    assert source.schema.extra["target"] == "progression"
    judge = Tabular().judge(source.schema, seed=0)
    assert judge.measure == "r2"
    train, test = source.read(np.arange(300)), source.read(np.arange(300, 442))
    assert 0.2 < judge.fit(train).evaluate(test).value() < 0.6  # the literature's R2 is about 0.4


def test_r2_is_that_of_scikit_learn_with_and_without_weights():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    truth = rng.normal(size=50)
    predicted = truth + rng.normal(size=50)
    weights = rng.integers(0, 4, 50)
    outcome = RegressionOutcome(truth, predicted)
    assert np.isclose(outcome.value(), r2_score(truth, predicted))
    assert np.isclose(outcome.value(weights), r2_score(truth, predicted, sample_weight=weights))


def test_numbers_become_normal_whatever_their_distribution():
    source = source_of(pd.DataFrame({"skewed": np.exp(np.random.default_rng(0).normal(0, 3, 2000))}))
    x = TableCodec(source.schema).fit(iter([source.records])).encode(source.records).x.flatten().numpy()
    assert stats.kstest(x / 0.5, "norm").statistic < 0.01


def test_what_lies_beyond_the_training_range_stays_beyond_it():
    source = source_of(pd.DataFrame({"a": np.linspace(0, 1, 200)}))
    codec = TableCodec(source.schema).fit(iter([source.records]))
    outside = source_of(pd.DataFrame({"a": [-5.0, 0.5, 5.0]}))
    x = codec.encode(outside.records).x.flatten()
    inside = codec.encode(source.records).x
    assert x[0] < inside.min() - 1
    assert x[2] > inside.max() + 1


def test_missing_values_weigh_nothing_and_come_back_missing():
    source = source_of(mixed(), label="bought")
    codec = TableCodec(source.schema).fit(iter([source.records]))
    batch = codec.encode(source.records)
    gone = np.isnan(source.records["income"])
    assert (batch.observed[torch.from_numpy(gone), 0, 0] == 0).all()
    back = codec.decode(batch.x, batch.conditions)
    assert (np.isnan(back["income"]) == gone).all()
    pd.testing.assert_frame_equal(frame_of(back, source.schema), frame_of(source.records, source.schema))


@pytest.mark.parametrize("form", ["csv", "tsv", "parquet"])
def test_a_file_of_ones_own_reads_as_pandas_reads_it(form, tmp_path):
    frame = mixed()
    path = tmp_path / f"mine.{form}"
    if form == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if form == "tsv" else ",")
    source = TableReader().read(path, DataConfig(label_column="bought"))
    found = frame_of(source.records, source.schema)
    assert found["income"].isna().sum() == frame["income"].isna().sum()
    np.testing.assert_allclose(found["income"].dropna(), frame["income"].dropna())
    assert found["children"].tolist() == frame["children"].tolist()
    assert found["town"].dropna().tolist() == frame["town"].dropna().tolist()


def test_the_metrics_are_one_for_the_same_table_and_low_for_a_shuffled_one():
    source = demo.breast_cancer()
    records = source.read(np.arange(300))
    other = source.read(np.arange(300, 569))
    context = {"schema": source.schema, "modality": Tabular(), "train": other}
    assert column_shapes(records, records, context) == 1.0
    assert pair_trends(records, records, context) == pytest.approx(1.0)
    rng = np.random.default_rng(0)
    shuffled = type(records)({k: v[rng.permutation(300)] for k, v in records.columns.items()}, records.label)
    assert column_shapes(records, shuffled, context) == 1.0
    assert pair_trends(records, shuffled, context) < 0.85


def test_column_shapes_of_one_numeric_column_is_the_statistic_of_scipy():
    rng = np.random.default_rng(0)
    first, second = (source_of(pd.DataFrame({"a": rng.normal(m, 1, 80)})) for m in (0, 0.7))
    found = column_shapes(first.records, second.records, {"schema": first.schema})
    expected = 1 - stats.ks_2samp(first.records["a"], second.records["a"]).statistic
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("frame", "options", "sentence"),
    [
        (pd.DataFrame({"a": [1.0]}), {"label": "b"}, "has no column 'b'"),
        (pd.DataFrame({"a": [f"text {i}" for i in range(200)]}), {}, "no column to learn from"),
        (pd.DataFrame({"a": [None, None]}), {}, "no column to learn from"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_a_sentence(frame, options, sentence):
    with pytest.raises(DataError, match=sentence):
        source_of(frame, **options)


def test_rows_without_a_label_are_left_out_and_counted():
    frame = mixed()
    frame.loc[:4, "bought"] = None
    source = source_of(frame, label="bought")
    assert len(source) == 115
    assert "5 rows without a label" in source.notes[0]
