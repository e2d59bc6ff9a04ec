"""`score` end to end on a small trained run: what it writes, what it says and what it refuses."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from synthgen.api import Channel, Schema
from synthgen.config import DataConfig
from synthgen.data.opening import open_source
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.anomaly import score
from synthgen.evaluation.score_table import request_of
from synthgen.evaluation.scorer import Scale, pieces
from synthgen.training import train

DETECTORS = {"denoising", "kernel", "fusion", "fusion_knn", "knn", "lof", "iforest", "pca", "mahalanobis"}
DETECTORS |= {"knn_features", "mahalanobis_features"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A model of three digits; small, but it has learnt that digits are dark at the edges and smooth."""
    directory = tmp_path_factory.mktemp("score")
    digits = open_source("image", DataConfig(path="digits"))
    names = np.array(digits.schema.labels)[digits.labels]
    chosen = np.flatnonzero(np.isin(names, ["0", "1", "2"]))
    np.savez(directory / "digits.npz", X=digits.read(chosen)["image"], y=names[chosen])
    overrides = {"train": {"samples": 4000}, "network": {"width": 16, "blocks": 1}, "optim": {"batch_size": 64}}
    return train(overrides, modality="image", data=directory / "digits.npz", out=directory / "run")


@pytest.fixture(scope="module")
def data(run, tmp_path_factory):
    """60 held-out digits under their own labels, one copy of a training digit, and 12 images of noise."""
    source = run.source()
    draws = np.random.default_rng(0)
    held_out = source.read(run.split.holdout[:60])["image"]
    noise = draws.integers(0, 256, size=(12, *held_out.shape[1:]), dtype=np.uint8)
    path = tmp_path_factory.mktemp("data") / "mixed.npz"
    images = np.concatenate([held_out, source.read(run.split.train[:1])["image"], noise])
    names = np.array(source.schema.labels)[source.labels]
    labels = [*names[run.split.holdout[:60]], names[run.split.train[0]], *["<b>noise</b>"] * 12]
    np.savez(path, X=images, y=np.array(labels))
    return path


@pytest.fixture(scope="module")
def result(run, data, tmp_path_factory):
    events = []
    found = score(run, data, out=tmp_path_factory.mktemp("out") / "scores", progress=events.append)
    assert events[-1]["records"] == events[-1]["total"] == len(run.split.calibration) + len(run.split.holdout) + 73
    return found


def test_table_has_a_row_for_each_record_and_the_documented_columns(result):
    stored = pd.read_parquet(result.path)
    pd.testing.assert_frame_equal(stored, result.table, check_dtype=False)
    assert list(stored["id"]) == list(range(73))
    expected = {"id", "score", "p", "q", "flagged", "seen", "label", "anomaly", *(f"z_{k}" for k in range(1, 9))}
    assert set(stored.columns) == expected | DETECTORS
    assert stored["p"].between(0, 1, inclusive="right").all()
    assert (stored["q"] >= stored["p"] - 1e-12).all()
    np.testing.assert_allclose(stored["score"], (stored["denoising"] + stored["kernel"]) / 2)
    together = stored["denoising"] + stored["kernel"] + stored["knn"]
    np.testing.assert_allclose(stored["fusion_knn"], together / 3)


def test_records_of_a_folder_are_named_by_their_files(run, tmp_path):
    images = run.source().read(run.split.holdout[:6])["image"]
    for index, image in enumerate(images):
        (tmp_path / "scans").mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(tmp_path / "scans" / f"scan-{index}.png")
    table = score(run, tmp_path / "scans", out=tmp_path / "found").table
    assert table["record"].tolist() == [f"scan-{index}.png" for index in range(6)]
    with pytest.raises(UsageError, match=r"Parquet, not as \.csv"):
        score(run, tmp_path / "scans", out=tmp_path / "found.csv")


def test_improvement_at_other_levels_is_no_excuse_for_a_bad_one():
    calibration = np.random.default_rng(0).normal(size=(500, 8))
    scale = Scale.fit(calibration)
    odd, normal = np.full((1, 8), -2.0), np.zeros((1, 8))
    odd[0, 3] = 6.0  # restored better everywhere else: the mean z is below that of a normal record
    assert odd.mean() < normal.mean()
    assert scale(odd)[0] > scale(calibration).max() > scale(normal)[0]


def test_noise_is_found_among_digits_and_flagged(result):
    assert result.table["anomaly"].sum() == 12
    assert result.auroc > 0.99
    assert result.average_precision > 0.95
    assert result.table["flagged"][-12:].all()
    assert result.flagged == result.table["flagged"].sum()
    assert "AUROC" in " ".join(result.verdict)


def test_a_copy_of_a_training_record_is_named_as_such(result):
    assert result.table["seen"].tolist() == ["holdout"] * 60 + ["train"] + [""] * 12
    assert any(re.match(r"Scored on training data: 1 record of 73", sentence) for sentence in result.verdict)


def test_report_is_one_file_that_loads_nothing_and_escapes_what_the_data_says(result):
    html = result.report.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?(?!data:)[^\"'\s>]", html)
    assert "@import" not in html
    assert "<script" not in html
    assert "<b>noise</b>" not in html
    assert "&lt;b&gt;noise&lt;/b&gt;" in html
    for sentence in result.verdict:
        assert sentence.split(":")[0].split("<")[0].strip() in html.replace("&#39;", "'")


def test_json_agrees_with_the_table_and_names_every_picture(result):
    facts = json.loads((result.report.parent / "score.json").read_text(encoding="utf-8"))
    assert facts == json.loads(json.dumps(dict(result.json)))
    assert facts["records"] == 73
    assert facts["verdict"] == list(result.verdict)
    assert {row["name"] for row in facts["detectors"]} == DETECTORS
    top = result.table["score"].nlargest(16).index.tolist()
    assert [item["id"] for item in facts["oddest"]] == top
    pictures = sorted(path.name for path in (result.report.parent / "maps").iterdir())
    assert pictures == sorted(item["map"].removeprefix("maps/") for item in facts["oddest"])


def test_the_same_request_gives_the_same_bytes_again_and_another_one_is_kept_out(run, data, result):
    before = result.path.read_bytes()
    again = score(run, data, out=result.path.parent)
    assert again.path.read_bytes() == before
    with pytest.raises(UsageError, match="scores of another request"):
        score(run, data, out=result.path.parent, seed=1)
    assert result.path.read_bytes() == before


def test_a_table_says_whose_it_is_before_there_is_a_score_json(run, data, result, tmp_path):
    (tmp_path / "scores.parquet").write_bytes(result.path.read_bytes())  # all that a killed process had written
    assert request_of(tmp_path / "scores.parquet") == result.json["request"]
    with pytest.raises(UsageError, match="scores of another request"):
        score(run, data, out=tmp_path, alpha=0.05)
    pd.DataFrame({"score": [1.0]}).to_parquet(tmp_path / "scores.parquet")
    assert request_of(tmp_path / "scores.parquet") is None


def test_alpha_that_cannot_be_resolved_is_refused_before_anything_is_written(run, data, tmp_path):
    with pytest.raises(UsageError, match="smallest p-value that"):
        score(run, data, out=tmp_path / "never", alpha=1e-4)
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("q", [0.0, 1.0, -1.0])
def test_q_outside_zero_and_one_is_refused(run, data, q):
    with pytest.raises(UsageError, match="between 0 and 1"):
        score(run, data, q=q)


def test_alpha_flags_each_record_by_itself_and_images_of_another_size_are_brought_to_the_models(run, tmp_path):
    doubled = run.source().read(run.split.holdout[:20])["image"].repeat(2, axis=1).repeat(2, axis=2)
    np.savez(tmp_path / "doubled.npz", X=doubled)
    found = score(run, tmp_path / "doubled.npz", out=tmp_path / "alpha.parquet", alpha=0.05, method="model")
    assert found.path == tmp_path / "alpha.parquet"
    assert np.isfinite(found.table["score"]).all()
    assert found.table["flagged"].equals(found.table["p"] <= 0.05)
    np.testing.assert_allclose(found.table["score"], found.table["denoising"])
    assert found.auroc is None
    assert "No label says" in " ".join(found.verdict)


def test_data_that_is_not_there_is_one_clear_error(run, tmp_path):
    with pytest.raises(DataError, match=r"no data at .*nowhere\.npz"):
        score(run, tmp_path / "nowhere.npz")


def test_pieces_bound_memory_whatever_the_number_of_records():
    for shape in [(1, 8, 8), (3, 512, 512), (6, 10_000)]:
        schema = Schema("toy", shape, (Channel("value"),))
        positions = np.arange(100_000) if shape[1] == 8 else np.arange(50)
        cut = pieces(positions, schema, 8)
        assert np.concatenate(cut).tolist() == positions.tolist()
        assert max(len(piece) for piece in cut) * 8 * np.prod(shape) <= 2**24


def test_swapped_labels_are_doubted_and_the_right_one_is_named(run, tmp_path):
    source, positions = run.source(), run.split.holdout
    names = np.array(source.schema.labels)[source.labels[positions]]
    given = names.copy()
    swapped = np.arange(0, 96, 8)
    given[swapped] = np.where(names[swapped] == "0", "1", "0")
    np.savez(tmp_path / "labelled.npz", X=source.read(positions)["image"], y=given)
    found = score(run, tmp_path / "labelled.npz", out=tmp_path / "out", label_errors=True)
    suspects = found.json["label_suspects"]
    assert {item["id"] for item in suspects} >= set(swapped.tolist())
    assert sum(item["likeliest"] == names[item["id"]] for item in suspects if item["id"] in swapped) >= 11
    assert len(suspects) <= 15
    right = np.setdiff1d(np.arange(len(names)), swapped)
    assert (found.table["label_p"][right] <= 0.05).mean() < 0.15
    assert any("may bear a wrong label" in sentence for sentence in found.verdict)
    html = found.report.read_text(encoding="utf-8")
    assert "Labels in doubt" in html
    assert "False alarms by label" in html
    assert "Agreement between detectors" in html


def test_report_with_labels_draws_both_curves_and_names_the_false_alarms_of_each_label(result):
    html = result.report.read_text(encoding="utf-8")
    assert html.count("<polyline") == 4
    assert "False alarms by label" in html
    assert {row["label"] for row in result.json["false_alarms_by_label"]} == {"0", "1", "2"}
    assert set(result.json["curves"]) == DETECTORS
    assert result.json["drift"] is None or result.json["drift"]["kind"] == "none"


def test_another_family_is_scored_reported_and_says_its_cost(run, data, tmp_path):
    found = score(run, data, out=tmp_path / "out", family="score-norm", method="model")
    assert "score-norm" in found.table.columns
    assert "denoising" not in found.table.columns
    assert found.json["evaluations"] == 8
    assert "8 network evaluations" in found.report.read_text(encoding="utf-8")
    assert found.auroc > 0.9
