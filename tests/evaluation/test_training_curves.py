"""The report's curves of the held-out loss by noise level and class."""

from __future__ import annotations

from synthgen.evaluation.figures import held_out_curves


def row(samples, **more):
    return {"kind": "held_out", "samples": samples, "loss": 1.0, "bands": [0.1, 0.2, 0.3, 0.4], **more}


def test_every_class_and_every_quarter_of_the_noise_has_its_curve():
    figure = held_out_curves([row(k, classes={"a": 1 / k, "b$x": 2 / k}) for k in (1, 2, 3)])
    noise, classes = figure.axes
    assert [line.get_ydata().tolist() for line in noise.lines] == [[band] * 3 for band in (0.1, 0.2, 0.3, 0.4)]
    assert [text.get_text() for text in classes.texts] == ["a", "b$x"]
    assert classes.lines[1].get_ydata().tolist() == [2, 1, 2 / 3]


def test_without_classes_or_history_there_is_less_to_draw():
    assert len(held_out_curves([row(1), row(2)]).axes) == 1
    assert held_out_curves([{"kind": "held_out", "samples": 1, "loss": 1.0}]) is None
