"""Pictures that a modality adds: on the page in the reader's colours; one that fails says why and stops nothing."""

from __future__ import annotations

from types import SimpleNamespace

from matplotlib.figure import Figure

from synthgen.api import Drawing
from synthgen.evaluation.gallery import _of_modality

MATERIAL = SimpleNamespace(train=None, holdout=None, synthetic=None)


def _run(drawings):
    return SimpleNamespace(schema=None, modality=SimpleNamespace(**({"drawings": drawings} if drawings else {})))


def _good(palette):
    figure = Figure()
    figure.add_subplot().plot([0, 1], color=palette.synthetic)
    return figure


def _broken(palette):
    raise ValueError("no luck")


def test_a_modality_without_drawings_adds_nothing():
    assert _of_modality(_run(None), MATERIAL) == []


def test_a_drawing_becomes_a_themed_picture_and_a_broken_one_says_why():
    made = [Drawing("good", "Good: a line.", _good), Drawing("bad", "Never seen.", _broken)]
    good, bad = _of_modality(_run(lambda *sides: made), MATERIAL)
    assert good.themed
    assert good.uri.startswith("data:image/svg+xml")
    assert good.caption == "Good: a line."
    assert (bad.uri, bad.error) == ("", "ValueError: no luck")


def test_drawings_that_cannot_be_listed_are_one_picture_with_the_reason():
    (picture,) = _of_modality(_run(_broken_list), MATERIAL)
    assert picture.error == "KeyError: 'lost'"


def _broken_list(schema, train, holdout, synthetic):
    raise KeyError("lost")
