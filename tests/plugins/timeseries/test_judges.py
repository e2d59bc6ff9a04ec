"""What is trained on series to judge them: classifiers, a forecaster, an embedder."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from synthgen_timeseries.collection import Collection, channels_named
from synthgen_timeseries.modality import TimeSeries

from synthgen.errors import UsageError


def _processes(size, seed, *, coefficient=0.8, steps=30):
    """First-order autoregressive series."""
    rng = np.random.default_rng(seed)
    x = np.zeros((size, 1, steps))
    for step in range(1, steps):
        x[:, 0, step] = coefficient * x[:, 0, step - 1] + rng.standard_normal(size)
    source = Collection(list(x), channels_named(["x"])).source()
    return source.schema, source.read(np.arange(size))


def test_minirocket_tells_two_frequencies_apart(two_classes, other_two_classes):
    schema, records = two_classes
    outcome = TimeSeries().judge(schema, seed=0).fit(records).evaluate(other_two_classes)
    assert outcome.value() == 1.0
    assert outcome.per_class() == {"fast": 1.0, "slow": 1.0}


def test_the_same_seed_gives_the_same_judge_and_leaves_numpys_generator_alone(two_classes, other_two_classes):
    schema, records = two_classes
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    answers = [TimeSeries().judge(schema, seed=1).fit(records).evaluate(other_two_classes).predicted for _ in range(2)]
    assert np.array_equal(*answers)
    assert np.random.random() == expected


def test_a_judge_trained_on_a_single_class_answers_that_class(two_classes):
    schema, records = two_classes
    judge = TimeSeries().judge(schema, seed=0).fit(records.take(records.label == 1))
    assert judge.evaluate(records).value() == 0.5


@pytest.mark.parametrize("steps", [3, 8, 9, 10])
def test_series_shorter_than_the_kernels_can_be_judged_and_embedded(steps):
    rng = np.random.default_rng(0)
    series = [rng.standard_normal((2, steps)) + 3 * (index % 2) for index in range(20)]
    source = Collection(series, channels_named(["a", "b"]), [str(index % 2) for index in range(20)]).source()
    records = source.read(np.arange(20))
    assert TimeSeries().judge(source.schema, seed=0).fit(records).evaluate(records).value() == 1.0
    assert np.isfinite(TimeSeries().embedder(source.schema, seed=0).fit(records).transform(records)).all()


def test_gaps_and_unequal_lengths_can_be_judged_and_embedded(ragged):
    schema, records = ragged
    judge = TimeSeries().judge(schema, seed=0).fit(records)
    assert 0 <= judge.evaluate(records).value() <= 1
    forecast = TimeSeries().judge(schema, seed=0, kind="forecast").fit(records).evaluate(records)
    assert len(forecast) == 6
    assert np.isfinite(TimeSeries().embedder(schema, seed=0).fit(records).transform(records)).all()


def test_unlabelled_series_are_judged_by_predicting_the_next_step():
    schema, train = _processes(200, 0)
    _, test = _processes(100, 1)
    judge = TimeSeries().judge(schema, seed=0)
    assert judge.measure == "next_step_r2"
    outcome = judge.fit(train).evaluate(test)
    past = 10  # a third of 30 steps
    windows = [
        np.lib.stride_tricks.sliding_window_view(r["values"][:, 0], past + 1, axis=1).reshape(-1, past + 1)
        for r in (train, test)
    ]
    (learn, change), (probe, _) = (
        (window[:, :-2] - window[:, -2:-1], window[:, -1] - window[:, -2]) for window in windows
    )
    predicted = windows[1][:, -2] + LinearRegression().fit(learn, change).predict(probe)
    assert outcome.value() == pytest.approx(r2_score(windows[1][:, -1], predicted), abs=2e-3)


def test_a_drifting_level_does_not_break_the_forecast():
    schema, train = _processes(200, 0)
    _, test = _processes(100, 1)
    judge = TimeSeries().judge(schema, seed=0).fit(train)
    plain = judge.evaluate(test).value()
    test.columns["values"] += 1000
    assert judge.evaluate(test).value() == pytest.approx(plain, abs=1e-3)


def test_a_forecaster_trained_on_other_dynamics_is_worse():
    schema, right = _processes(200, 0)
    _, wrong = _processes(200, 2, coefficient=-0.5)
    _, test = _processes(100, 1)
    judge = TimeSeries().judge(schema, seed=0)
    good, bad = (judge.fit(records).evaluate(test).value() for records in (right, wrong))
    assert good > bad + 0.3


def test_forecast_weights_count_records():
    schema, train = _processes(50, 0)
    judge = TimeSeries().judge(schema, seed=0).fit(train)
    outcome = judge.evaluate(train)
    doubled = judge.evaluate(train.take([0, 0, 1, 2]))
    weights = np.zeros(50)
    weights[:3] = [2, 1, 1]
    assert outcome.value(weights) == pytest.approx(doubled.value())
    assert outcome.per_class() == {}


def test_an_unknown_judge_is_a_usage_error(two_classes):
    with pytest.raises(UsageError, match="unknown judge 'svm'"):
        TimeSeries().judge(two_classes[0], seed=0, kind="svm")
    with pytest.raises(UsageError, match="at least two classes"):
        TimeSeries().judge(_processes(3, 0)[0], seed=0, kind="fcn")


def test_embeddings_separate_classes_and_repeat(two_classes, other_two_classes):
    schema, records = two_classes
    first, second = (TimeSeries().embedder(schema, seed=0).fit(records).transform(other_two_classes) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (40, 10)
    slow = other_two_classes.label == 1
    between = np.linalg.norm(first[slow].mean(axis=0) - first[~slow].mean(axis=0))
    assert between > first[slow].std(axis=0).max()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["fcn", "inceptiontime"])
def test_the_networks_of_tsai_learn(kind, two_classes, other_two_classes):
    schema, records = two_classes
    outcome = TimeSeries().judge(schema, seed=0, kind=kind).fit(records).evaluate(other_two_classes)
    assert outcome.value() >= 0.9


def test_flatten_gives_every_channel_the_same_weight(two_classes):
    schema, records = two_classes
    flat = TimeSeries().flatten(records, schema).reshape(40, 2, 40)
    np.testing.assert_allclose(flat.std(axis=(0, 2)), 1, rtol=1e-3)
