"""Checks of what a modality measures and draws with: plain vectors, figures, embedder, judge."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from synthgen.api import Drawing, Palette
from synthgen.testing.conformance import check_vectors, demand
from synthgen.testing.subject import Subject

__all__ = ["JUDGING_CHECKS"]


def _check_flatten(it: Subject) -> None:
    vectors = it.modality.flatten(it.records, it.schema)
    check_vectors(vectors, len(it.records), "flatten")
    alone = it.modality.flatten(it.records.take([2]), it.schema)
    demand(np.allclose(alone[0], vectors[2]), "flatten of a record must not depend on the others")


def _check_figures(it: Subject) -> None:
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    before = set(pyplot.get_fignums())
    for heat in (None, np.ones(it.schema.shape[1:]), np.ones(it.schema.shape)):
        figure = Figure(figsize=(2, 2))
        axis = figure.add_subplot()
        it.modality.draw(axis, it.records, 0, it.schema, heat=heat)
        figure.savefig(io.BytesIO(), format="png")
        demand(axis.has_data(), "draw left the axis empty")
    half = len(it.records) // 2
    overview = it.modality.overview(it.records, it.records.take(slice(0, half)), it.schema)
    demand(isinstance(overview, Figure), f"overview returned {type(overview).__name__}, expected a matplotlib Figure")
    overview.savefig(io.BytesIO(), format="png")
    _check_drawings(it)
    leaked = set(pyplot.get_fignums()) - before
    demand(not leaked, "draw or overview opened pyplot figures; make `matplotlib.figure.Figure` objects instead")


def _check_embedder(it: Subject) -> None:
    embedder = it.modality.embedder(it.schema, seed=0).fit(it.records)
    demand(isinstance(embedder.name, str) and bool(embedder.name), "embedder.name must be a short name")
    features = embedder.transform(it.records)
    check_vectors(features, len(it.records), "embedder.transform")
    again = np.array_equal(features, embedder.transform(it.records))
    demand(again, "embedder.transform twice gave different features; switch dropout off after fit")


def _check_judge(it: Subject) -> None:
    judge = it.modality.judge(it.schema, seed=0)
    if judge is None:
        reason = getattr(it.modality, "missing_judge", None)
        demand(bool(reason), "judge() gave None; say why in the attribute or method `missing_judge`")
        return
    outcome = judge.fit(it.records).evaluate(it.records)
    n = len(it.records)
    demand(isinstance(judge.measure, str) and bool(judge.measure), "judge.measure must name the measure")
    demand(len(outcome) == n, f"the judge's outcome has length {len(outcome)} for {n} records")
    value = outcome.value()
    demand(bool(np.isfinite(value)), f"outcome.value() is {value}")
    once = outcome.value(np.ones(n))
    demand(bool(np.isclose(value, once)), f"outcome.value() is {value}, with all weights 1 it is {once}")
    weights = np.zeros(n)
    weights[: n // 2] = 2
    half = judge.evaluate(it.records.take(slice(0, n // 2))).value()
    close = bool(np.isclose(outcome.value(weights), half, atol=0.02))
    demand(close, "outcome.value(weights) must count each record weights[i] times; weight 0 leaves it out")
    for name, each in outcome.per_class().items():
        demand(isinstance(name, str) and bool(np.isfinite(each)), f"outcome.per_class() gave {name!r}: {each}")


JUDGING_CHECKS: tuple[Callable[[Subject], None], ...] = (
    _check_flatten,
    _check_figures,
    _check_embedder,
    _check_judge,
)


def _check_drawings(it: Subject) -> None:
    """The pictures of the optional method `drawings`: a caption each, and a figure that can be saved."""
    from matplotlib.figure import Figure

    make = getattr(it.modality, "drawings", None)
    if make is None:
        return
    half = it.records.take(slice(0, len(it.records) // 2))
    for drawing in make(it.schema, it.records, half, it.records):
        demand(isinstance(drawing, Drawing), f"drawings returned a {type(drawing).__name__}, expected api.Drawing")
        demand(bool(drawing.caption.strip()), f"the drawing {drawing.title!r} has no caption: say what good looks like")
        figure = drawing.draw(Palette("#111111", "#222222", "#333333", "#444444", "#555555"))
        demand(isinstance(figure, Figure), f"the drawing {drawing.title!r} made a {type(figure).__name__}, no Figure")
        figure.savefig(io.BytesIO(), format="svg")
