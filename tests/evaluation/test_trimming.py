"""Contamination is found without being told its share, and clean data keeps its records."""

from __future__ import annotations

import numpy as np
import pytest

import synthgen
from synthgen.evaluation.anomaly import score
from synthgen.evaluation.trimming import neighbour_distance, oddness, trim


@pytest.mark.parametrize("share", [0.01, 0.05, 0.15])
def test_contaminating_records_are_taken_out_and_few_others(share):
    draws, size = np.random.default_rng(0), 1000
    odd = int(share * size)
    scores = np.concatenate([draws.normal(size=size - odd), draws.normal(8, 1, size=odd)])
    kept = trim(scores).kept
    assert (~kept[-odd:]).mean() > 0.95
    assert (~kept[:-odd]).mean() < 0.01


def test_clean_scores_keep_nearly_everything():
    taken = [1 - trim(np.random.default_rng(seed).normal(size=400)).kept.mean() for seed in range(50)]
    assert np.mean(taken) < 0.002


def test_never_more_than_the_limit_is_taken_and_what_has_no_score_stays():
    scores = np.concatenate([np.random.default_rng(0).normal(size=100), np.full(30, 50.0), [np.nan]])
    found = trim(scores, most=0.1)
    assert (~found.kept).sum() == 13
    assert found.kept[-1]
    assert trim(np.zeros(20)).share == 0
    assert trim(np.arange(3.0)).share == 0


def test_neighbours_are_others_and_oddness_joins_both_views():
    points = np.concatenate([np.random.default_rng(0).normal(size=(50, 2)), [[30.0, 30.0]]])
    z = neighbour_distance(points)
    assert z.argmax() == 50
    assert np.isfinite(z).all()
    assert oddness(np.zeros(51) + np.arange(51) * 0.01, points).argmax() == 50


@pytest.fixture(scope="module")
def contaminated(tmp_path_factory):
    """A run on 700 normal records and 50 that are not; new data with as many of both."""
    folder, draws = tmp_path_factory.mktemp("contaminated"), np.random.default_rng(0)

    def records(normal, odd):
        plane = draws.normal(size=(normal, 2))
        x = np.concatenate([np.concatenate([plane, plane], axis=1) + 0.1 * draws.normal(size=(normal, 4)),
                            draws.uniform(-4, 4, size=(odd, 4))])  # fmt: skip
        return x, np.repeat(["normal", "odd"], [normal, odd])

    np.savez(folder / "train.npz", X=records(700, 50)[0])
    x, y = records(200, 20)
    np.savez(folder / "new.npz", X=x, y=y)
    overrides = {"train": {"samples": 30_000}, "network": {"width": 64}, "data": {"calibration": 0.2}}
    run = synthgen.train(overrides, modality="vectors", data=folder / "train.npz", out=folder / "run")
    return run, folder


def test_score_takes_contamination_out_of_the_calibration_and_reports_the_effect(contaminated):
    run, folder = contaminated
    plain = score(run, folder / "new.npz", out=folder / "plain", alpha=0.01, anomaly_labels=["odd"])
    trimmed = score(
        run, folder / "new.npz", out=folder / "trimmed", alpha=0.01, anomaly_labels=["odd"], contamination="auto"
    )
    positions = np.array(trimmed.json["contamination"]["positions"])
    assert (positions >= 700).mean() > 0.9  # the last 50 records of the training file
    assert len(positions) > 25
    odd = plain.table["anomaly"].to_numpy()
    assert trimmed.table["flagged"][odd].sum() > plain.table["flagged"][odd].sum()
    assert trimmed.flagged > trimmed.json["contamination"]["flagged_without"]
    assert any("were taken out" in sentence for sentence in trimmed.verdict)
    assert plain.json["contamination"] is None
