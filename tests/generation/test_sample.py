"""Records in memory are those on disk, in every tool's shape; fresh ones never repeat; the augmenter balances."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from torch.utils.data import DataLoader

import synthgen
from synthgen.errors import DataError, UsageError
from synthgen.generation import generate


@pytest.fixture(scope="module")
def some(tiny_run):
    return tiny_run.generate(n=24, label=[], seed=5)


def test_the_frame_is_the_one_that_generate_writes(some, tiny_run, tmp_path):
    written = generate(tiny_run, n=24, labels=(), seed=5, out=tmp_path / "set")
    pd.testing.assert_frame_equal(some.pandas(), pd.read_parquet(written.path / "data"), check_dtype=False)


def test_arrow_numpy_and_datasets_hold_the_same_records(some):
    assert some.arrow().num_rows == len(some) == 24
    hub = some.datasets()
    for index in (0, 11, 23):
        assert np.array_equal(np.asarray(hub[index]["image"]), some.numpy()["image"][index, :, :, 0])
    assert hub.features["label"].int2str(hub[1]["label"]) == some.labels[1]
    assert hub["label"][:] == some.numpy()["label"].tolist()


def test_a_single_label_and_counts_choose_classes(tiny_run):
    assert set(tiny_run.generate(n=6, label="7").labels) == {"7"}
    assert tiny_run.generate(counts={"1": 2, "4": 3}).labels == ["1", "1", "4", "4", "4"]
    with pytest.raises(UsageError, match="unknown label cat"):
        tiny_run.generate(n=6, label="cat")


def test_the_torch_data_set_gives_tensors_and_labels(some):
    batches = list(DataLoader(some.torch(), batch_size=10))
    assert [tuple(images.shape) for images, _ in batches] == [(10, 8, 8, 1), (10, 8, 8, 1), (4, 8, 8, 1)]
    assert torch.cat([labels for _, labels in batches]).tolist() == some.numpy()["label"].tolist()
    with pytest.raises(IndexError):
        some.torch()[24]


def test_the_stream_begins_with_the_records_of_the_same_seed_and_goes_on(tiny_run):
    stream = tiny_run.as_dataset(label=[], seed=5)
    first = [image.numpy() for image, _ in islice(stream, 24)]
    wanted = tiny_run.generate(n=24, label=[], seed=5).numpy()["image"]
    assert np.abs(np.stack(first).astype(int) - wanted.astype(int)).max() <= 1
    size = tiny_run.config.sampling.batch_size
    more = [image.numpy().tobytes() for image, _ in islice(stream, size + 10)]
    assert len(set(more)) > size  # beyond the first batch come new ones


def test_workers_share_a_finite_stream_without_repeating_or_losing_a_record(tiny_run, monkeypatch):
    stream = tiny_run.as_dataset(n=40, seed=1)
    batches_of_8 = stream._plan.sampling.model_copy(update={"batch_size": 8})
    monkeypatch.setattr(stream, "_plan", dataclasses.replace(stream._plan, sampling=batches_of_8))
    parts = []
    for worker in range(3):
        info = type("Info", (), {"id": worker, "num_workers": 3})()
        monkeypatch.setattr("synthgen.generation.sample.get_worker_info", lambda info=info: info)
        parts += [image.numpy() for image, _ in stream]
    assert len(parts) == 40
    wanted = {image.tobytes() for image in tiny_run.generate(n=40, seed=1).numpy()["image"]}
    assert len({part.tobytes() for part in parts} & wanted) >= 36  # a grey level may differ by batch shape


def test_runs_data_sets_and_samples_show_themselves_in_notebooks(some, tiny_run, tmp_path):
    written = generate(tiny_run, n=12, labels=(), out=tmp_path / "set")
    for shown in (some._repr_html_(), tiny_run._repr_html_(), written._repr_html_()):
        assert "data:image/png;base64," in shown
        assert "<script" not in shown
    planned = generate(tiny_run, n=12, dry_run=True)
    assert "records" in planned._repr_html_()


def test_what_notebooks_show_is_escaped():
    from synthgen.io.notebook import facts_table, rows_table

    assert "<b>x" not in facts_table("<b>x", {"<i>": "<script>"}).replace("<p><b>", "")
    assert "<script>" not in facts_table("t", {"a": "<script>"}) + rows_table(["<script>"], [["<script>"]])


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits

    loaded = load_digits()
    keep = (loaded.target != 3) | (np.cumsum(loaded.target == 3) <= 15)
    return (loaded.images[keep] * 15).astype(np.uint8), loaded.target[keep]


def test_the_augmenter_fills_the_smaller_classes_and_leaves_the_real_records_first(tiny_run, digits):
    images, y = digits
    augmenter = synthgen.SyntheticAugmenter(run=tiny_run, random_state=0)
    more, labels = augmenter.fit_resample(images, y)
    assert np.array_equal(more[: len(images)], images)
    assert np.array_equal(labels[: len(y)], y)
    assert set(np.bincount(labels)) == {np.bincount(y).max()}
    assert (more.dtype, labels.dtype) == (images.dtype, y.dtype)
    again, _ = clone(augmenter).fit_resample(images, y)
    assert np.array_equal(more, again)


def test_strategies_are_those_of_imbalanced_learn(tiny_run, digits):
    images, y = digits
    minority = synthgen.SyntheticAugmenter(run=tiny_run, sampling_strategy="minority").fit(images, y)
    assert set(minority.sampling_strategy_) == {"3"}
    asked = synthgen.SyntheticAugmenter(run=tiny_run, sampling_strategy={3: 20}).fit(images, y)
    assert asked.sampling_strategy_ == {"3": 5}
    with pytest.raises(UsageError, match="there are 15"):
        synthgen.SyntheticAugmenter(run=tiny_run, sampling_strategy={3: 10}).fit(images, y)
    with pytest.raises(UsageError, match="unknown sampling_strategy"):
        synthgen.SyntheticAugmenter(run=tiny_run, sampling_strategy="some").fit(images, y)


def test_it_works_in_a_pipeline_of_imbalanced_learn(tiny_run, digits):
    from imblearn import pipeline
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer
    from sklearn.svm import SVC

    images, y = digits
    model = make_pipeline(FunctionTransformer(lambda x: x.reshape(len(x), -1)), SVC())
    whole = pipeline.Pipeline([("more", synthgen.SyntheticAugmenter(run=tiny_run)), ("model", model)])
    assert whole.fit(images, y).score(images, y) > 0.95
    assert whole.named_steps["more"].get_params()["sampling_strategy"] == "auto"


def test_without_a_run_it_trains_one_on_x_and_y():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2, 16)).astype(np.float32)
    y = np.array(["idle"] * 45 + ["fault"] * 15)
    augmenter = synthgen.SyntheticAugmenter(samples=300, random_state=1)
    more, labels = augmenter.fit_resample(x, y)
    assert more.shape == (90, 2, 16)
    assert (labels == "fault").sum() == 45
    assert augmenter.run_.config.modality == "timeseries"


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.zeros((3, 8, 8), np.uint8), [0, 1], "X has 3 records, y has 2"),
        (np.zeros((4, 8, 8), np.uint8), ["cat", "cat", "cat", "dog"], "does not know the class dog"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(x, y, sentence, tiny_run):
    with pytest.raises(DataError, match=sentence):
        synthgen.SyntheticAugmenter(run=tiny_run).fit(x, np.array(y))
