from __future__ import annotations

import sys

import numpy as np
import pytest

from synthgen.evaluation.catalogue import describe
from synthgen.evaluation.gates import check_gates, judge_gates
from synthgen.evaluation.measurement import measure_records
from synthgen.evaluation.presentation import sections_of
from synthgen.plugins import plugin_host

HOOKS = """
from synthgen.api import Spec, hookimpl

@hookimpl
def synthgen_metrics():
    return [
        Spec("brightness", "difference of mean brightness", "brightness_metrics:BRIGHTNESS", modality="image"),
        Spec("thorough", "takes long", "brightness_metrics:THOROUGH"),
        Spec("whole", "a row of its own", "brightness_metrics:whole"),
        Spec("broken", "raises", "brightness_metrics:BROKEN"),
        Spec("elsewhere", "of another modality", "brightness_metrics:whole", modality="timeseries"),
    ]
"""

METRICS = """
from synthgen.api import Metric

def brightness(real, synthetic, context):
    assert len(real) == len(synthetic)
    return abs(float(real["image"].mean()) - float(synthetic["image"].mean()))

def whole(real, synthetic, context):
    return {"value": 1.0, "ci": (0.5, 1.5), "floor": 1.0, "better": "higher"}

def broken(real, synthetic, context):
    raise RuntimeError("no luck")

BRIGHTNESS = Metric(brightness, "lower", "Difference of the mean brightness.", "a textbook")
THOROUGH = Metric(brightness, "lower", "The same, slowly.", cost="costly")
BROKEN = Metric(broken, "higher", "Never computed.")
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    (tmp_path / "brightness_plugin.py").write_text(HOOKS, encoding="utf-8")
    (tmp_path / "brightness_metrics.py").write_text(METRICS, encoding="utf-8")
    facts = tmp_path / "synthgen_brightness-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: synthgen-brightness\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[synthgen]\nbrightness = brightness_plugin\n")
    for variable in ("SYNTHGEN_PLUGINS", "SYNTHGEN_DISABLE_PLUGINS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_host.cache_clear()
    yield
    plugin_host.cache_clear()
    for name in ("brightness_plugin", "brightness_metrics"):
        sys.modules.pop(name, None)


@pytest.fixture
def found(plugin, make_modality, sides):
    return measure_records(make_modality("none"), sides.schema, sides.train, sides.holdout, sides.fresh, draws=20)


def test_a_metric_that_returns_a_number_gets_floor_and_interval_without_knowing_of_them(found, sides):
    row = next(row for row in found.rows if row.name == "brightness")
    means = [float(side["image"].mean()) for side in (sides.holdout, sides.fresh)]
    assert row.value == pytest.approx(abs(means[0] - means[1]))
    assert row.ci[0] <= row.value <= row.ci[1]
    assert row.floor is not None
    assert row.floor_ci[0] <= row.floor <= row.floor_ci[1]
    assert row.n == 500
    assert row.better == "lower"
    assert row.facts["cost"] == "cheap"


def test_its_interval_is_as_wide_as_that_of_a_difference_of_means(found, sides):
    row = next(row for row in found.rows if row.name == "brightness")
    spread = [np.std(side["image"].mean(axis=(1, 2, 3))) / np.sqrt(500) for side in (sides.holdout, sides.fresh)]
    assert row.ci[1] - row.ci[0] < 2 * 1.96 * np.hypot(*spread) * 1.4


def test_a_plain_function_returns_a_row_and_what_raises_is_a_row_with_its_error(found):
    rows = {row.name: row for row in found.rows}
    assert rows["whole"].ci == (0.5, 1.5)
    assert rows["broken"].error == "RuntimeError: no luck"
    assert "elsewhere" not in rows


def test_a_costly_metric_waits_for_a_full_report(found, make_modality, sides):
    assert "--full" in found.absent["thorough"]
    full = measure_records(
        make_modality("none"), sides.schema, sides.train, sides.holdout, sides.fresh, draws=20, curve=True
    )
    assert "thorough" in {row.name for row in full.rows}


def test_its_definition_reaches_the_page_and_its_direction_the_gates(found):
    about = describe("brightness")
    assert (about.title, about.definition, about.source) == (
        "difference of mean brightness",
        "Difference of the mean brightness.",
        "a textbook",
    )
    section = next(section for section in sections_of(found.rows) if section["title"] == "From plugins")
    assert {"brightness", "whole", "broken"} == {row["name"] for row in section["rows"]}
    check_gates({"brightness": 1000.0})
    (gate,) = judge_gates({"brightness": 1000.0}, found.rows, {})
    assert gate["demanded"] == "at most"
    assert gate["met"]
