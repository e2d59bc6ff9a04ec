"""What the score report says in words, sentence by sentence, from figures whose meaning is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from synthgen.evaluation.calibration import Uniformity
from synthgen.evaluation.score_verdict import Summary, verdict

SUMMARY = Summary(
    records=300,
    unscorable=0,
    flagged=0,
    method="denoising",
    sigmas=(0.1, 1.0),
    calibration_records=180,
    uniformity=None,
    anomalies=None,
    rankings=None,
    agreements={},
    seen={},
    map_threshold=1.0,
    p=np.linspace(0, 1, 300),
)


def said(found: Uniformity) -> tuple[str, str]:
    return verdict(dataclasses.replace(SUMMARY, uniformity=found))[-1]


def test_eleven_percent_of_false_alarms_are_never_said_to_hold():
    tone, sentence = said(Uniformity(300, 0.08, 0.3, 0.11, (0.013, 0.093)))
    assert tone == "bad"
    assert "11.0% have p <= 0.05" in sentence
    assert "1.3% to 9.3% are expected" in sentence
    assert "does not hold" in sentence


@pytest.mark.parametrize(
    ("alarms", "p", "tone", "words"),
    [
        (0.05, 0.5, "good", "the calibration holds"),
        (0.0, 0.5, "bad", "fewer alarms"),
        (0.05, 0.001, "bad", "not scored like the calibration records"),
    ],
)
def test_calibration_sentence_follows_from_the_interval_and_the_test(alarms, p, tone, words):
    found, sentence = said(Uniformity(300, 0.1, p, alarms, (0.013, 0.093)))
    assert found == tone
    assert words in sentence
