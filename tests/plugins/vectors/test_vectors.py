"""The vectors modality: what it reads, what its codec keeps, what its network is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from synthgen_vectors.codec import VectorCodec
from synthgen_vectors.collection import vector_source
from synthgen_vectors.network import MLP

from synthgen.api import Condition, Records
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError
from synthgen.generation import generate
from synthgen.training import train


def test_npz_of_numbers_and_classes_is_read_as_it_was_written(tmp_path):
    values = np.random.default_rng(0).normal(size=(12, 3))
    np.savez(tmp_path / "data.npz", X=values, y=np.arange(12) % 2, columns=np.array(["a", "b", "c"]))
    source = open_source("vectors", DataConfig(path=str(tmp_path / "data.npz")))
    np.testing.assert_allclose(source.read(np.arange(12))["values"], values, rtol=1e-6)
    assert [channel.name for channel in source.schema.channels] == ["a", "b", "c"]
    assert source.schema.labels == ("0", "1")
    assert source.labels.tolist() == [0, 1] * 6


def test_npz_with_a_train_and_a_test_part_keeps_its_split(tmp_path):
    np.savez(tmp_path / "data.npz", X_train=np.ones((9, 2)), X_test=np.zeros((4, 2)), y_train=[1] * 9, y_test=[0] * 4)
    source = open_source("vectors", DataConfig(path=str(tmp_path / "data.npz")))
    assert source.official_split.tolist() == ["train"] * 9 + ["test"] * 4
    assert source.labels.tolist() == [1] * 9 + [0] * 4


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_table_gives_its_numbers_its_label_and_names_what_it_leaves_out(tmp_path, form):
    frame = pd.DataFrame(
        {"height": [1.5, None, 2.5], "count": [1, 2, 3], "site": ["a", "b", "c"], "class": ["ok", "bad", "ok"]}
    )
    path = tmp_path / f"data.{form}"
    (frame.to_csv if form == "csv" else frame.to_parquet)(path, index=False)
    source = open_source("vectors", DataConfig(path=str(path)))
    np.testing.assert_array_equal(source.read(np.arange(3))["values"], [[1.5, 1], [np.nan, 2], [2.5, 3]])
    assert [channel.kind for channel in source.schema.channels] == ["continuous", "integer"]
    assert source.schema.labels == ("bad", "ok")
    assert any("site" in note for note in source.notes)
    assert any("16.7% of the values are missing" in note for note in source.notes)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("a,b\n1,2\n3,inf\n", {}, "record 1 holds an infinite or too large value in column b"),
        ("a,b\n1,\n3,\n", {}, "column b holds no value at all"),
        ("a,b\nx,y\nz,w\n", {}, "has no columns of numbers"),
        ("a,b\n1,2\n", {"label_column": "bb"}, "has no column 'bb'"),
        ("a,b\n1,2\nx,3\n", {"value_columns": ("a", "b")}, "'x' is not a number"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_place(tmp_path, text, options, words):
    (tmp_path / "data.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        open_source("vectors", DataConfig(path=str(tmp_path / "data.csv"), **options))


def test_archive_of_images_is_refused_with_the_modality_that_takes_them(tmp_path):
    np.savez(tmp_path / "data.npz", X=np.zeros((3, 8, 8)))
    with pytest.raises(DataError, match=r"expected numbers \(records, columns\)") as raised:
        open_source("vectors", DataConfig(path=str(tmp_path / "data.npz")))
    assert "image" in raised.value.hint


def test_codec_standardises_by_training_values_in_one_pass_and_gives_missing_values_no_weight():
    values = np.random.default_rng(1).normal([5, -300], [2, 40], size=(500, 2))
    values[7, 1] = np.nan
    source = vector_source(values, ["a", "b"], where="test")
    records = source.read(np.arange(500))
    pieces = [records.take(slice(start, start + 70)) for start in range(0, 500, 70)]
    batch = VectorCodec(source.schema).fit(iter(pieces)).encode(records)
    expected = 0.5 * (values - np.nanmean(values, axis=0)) / np.nanstd(values, axis=0)
    np.testing.assert_allclose(batch.x[:, 0].numpy(), np.nan_to_num(expected), atol=1e-5)
    assert batch.observed.sum() == 999
    assert batch.observed[7, 0, 1] == 0


def test_decoded_values_are_whole_where_the_data_is_and_stay_near_its_range():
    source = vector_source(np.array([[1.0, 0.25], [9.0, 0.75], [4.0, 0.5]]), ["n", "x"], where="test")
    codec = VectorCodec(source.schema).fit([source.read(np.arange(3))])
    decoded = codec.decode(torch.randn(50, 1, 2, generator=torch.Generator().manual_seed(0)) * 10, {})
    whole, real = decoded["values"].T
    np.testing.assert_array_equal(whole, np.rint(whole))
    assert whole.min() >= 0
    assert whole.max() <= 10
    assert real.min() >= 0.2 - 1e-6
    assert real.max() <= 0.8 + 1e-6


def test_constant_column_decodes_to_its_constant():
    source = vector_source(np.array([[3.0, 1.5], [3.0, 2.5]]), ["c", "x"], where="test")
    codec = VectorCodec(source.schema).fit([source.read(np.arange(2))])
    decoded = codec.decode(torch.full((4, 1, 2), 7.0), {})
    assert (decoded["values"][:, 0] == 3.0).all()


def test_network_starts_at_zero_hears_every_input_and_fits_a_map_without_neighbourhood():
    network = MLP((1, 6), (Condition("label", "class", 2),), width=64, blocks=2)
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(256, 1, 6, generator=draws)
    noise, told = torch.zeros(256), {"label": torch.arange(256) % 2}
    assert not network(x, noise, told).any()
    order = torch.tensor([3, 5, 1, 0, 2, 4])  # a permutation, negated for the second class
    target = x[..., order] * torch.where(told["label"] == 0, 1.0, -1.0)[:, None, None]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(300):
        loss = (network(x, noise, told) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.05
    null = (network(x, noise, {}) - target).square().mean()
    assert null > 0.5


def test_vectors_are_trained_generated_and_read_back(tmp_path):
    draws = np.random.default_rng(0)
    values = np.concatenate([draws.normal([0, 0, 3], 0.3, (60, 3)), draws.normal([4, -4, 3], 0.3, (60, 3))])
    np.savez(tmp_path / "two.npz", X=values, y=np.repeat([0, 1], 60))
    overrides = {"train": {"samples": 12_000}, "network": {"width": 64, "blocks": 2}}
    run = train(overrides, modality="vectors", data=tmp_path / "two.npz", out=tmp_path / "run")
    made = generate(run, n=40, labels=(), out=tmp_path / "made")
    back = open_source("vectors", DataConfig(path=str(made.path)))
    found: Records = back.read(np.arange(40))
    assert np.bincount(found.label).tolist() == [20, 20]
    for index, centre in enumerate(([0, 0, 3], [4, -4, 3])):
        np.testing.assert_allclose(found["values"][found.label == index].mean(axis=0), centre, atol=0.6)
