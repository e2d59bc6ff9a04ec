from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from synthgen.api import Records
from synthgen.config import RunConfig
from synthgen.evaluation import page
from synthgen.evaluation.catalogue import CATALOGUE
from synthgen.evaluation.figures import Picture, closest_pairs, loss_curves, png, themed_svg
from synthgen.evaluation.measurement import measure_records
from synthgen.evaluation.metric import MetricRow
from synthgen.evaluation.presentation import Finding, number
from synthgen.evaluation.privacy import Pair
from synthgen.evaluation.verdict import answer, sentences
from synthgen.io.card import versions

HOSTILE = "<script>alert('x')</script>"


def finding_of(rows, answers, pictures, absent=(), name=f"out/{HOSTILE}"):
    facts = {
        "synthetic": name,
        "verdict": sentences(answers),
        "answers": [],
        "metrics": [row.to_json() for row in rows],
        "not_applicable": [{"name": name, "reason": reason} for name, reason in absent],
        "gates": [{"metric": "fd", "demanded": "at most", "limit": 1.0, "value": 2.0, "met": False, "reason": None}],
        "notes": [f"a note of {HOSTILE}"],
        "records": 500,
        "nearest": [],
    }
    return Finding(facts, tuple(rows), tuple(answers), tuple(pictures))


def facts_of(*findings):
    return {
        **findings[0].facts,
        "synthetic": [one.facts["synthetic"] for one in findings],
        "run": f"runs/{HOSTILE}",
        "seconds": 1.5,
        "provenance": {
            "command": "synthgen evaluate --run 'runs/a b'",
            "run_fingerprint": "00ff",
            "modality": "image",
            "data": HOSTILE,
            "records": {"train": 700, "holdout": 500, "synthetic": 500},
            "judge_seeds": [0, 1, 2],
            "fast": False,
            "privacy": None,
            "training_seed": 0,
            "synthetic": {"seed": 4, "prompt": HOSTILE},
            "versions": versions(),
        },
    }


def loss_picture():
    history = [{"kind": "step", "samples": 128 * k, "loss": 1 / k, "lr": 1e-3} for k in range(1, 200)]
    history += [{"kind": "held_out", "samples": 5000 * k, "loss": 0.5 / k} for k in range(1, 5)]
    return Picture("Training", themed_svg(loss_curves(history)), f"both fall {HOSTILE}", themed=True)


@pytest.fixture(scope="module")
def hostile_page(tmp_path_factory):
    rows = [
        MetricRow(f"tstr/{HOSTILE}", 0.5, (0.4, 0.6), 0.7, 10, "higher"),
        MetricRow("fd", 2.0, (1.0, 3.0), 0.5, 10, "lower", facts={"extractor": HOSTILE, "note": HOSTILE}),
        MetricRow("kd", None, error=f"ValueError: {HOSTILE}"),
    ]
    answers = answer(rows, absent={"gain": HOSTILE})
    directory = tmp_path_factory.mktemp("report")
    finding = finding_of(rows, answers, [Picture("Broken", "", "", error=HOSTILE)], [(HOSTILE, HOSTILE)])
    config = RunConfig(modality="image")
    page.write(directory, facts_of(finding), findings=[finding], training=[loss_picture()], config=config)
    return directory


class Elements(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.sources, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [value for name, value in attrs if name in {"src", "href"}]

    def handle_data(self, data):
        self.text.append(data)


def elements(directory):
    parser = Elements()
    parser.feed((directory / "report.html").read_text(encoding="utf-8"))
    return parser


def test_a_hostile_class_name_is_text_and_never_a_script(hostile_page):
    found = elements(hostile_page)
    assert "script" not in found.tags
    assert HOSTILE in "".join(found.text)


def test_the_page_is_one_file_that_asks_the_network_for_nothing(hostile_page):
    found = elements(hostile_page)
    assert not {"link", "iframe", "object"} & set(found.tags)
    assert found.sources
    assert all(source.startswith(("data:", "#about-", "#set-")) for source in found.sources)


def test_a_failed_metric_and_a_failed_picture_say_why(hostile_page):
    text = "".join(elements(hostile_page).text)
    assert f"failed: ValueError: {HOSTILE}" in text
    assert f"No picture: {HOSTILE}" in text


def test_the_verdict_comes_before_the_table(hostile_page):
    text = "".join(elements(hostile_page).text)
    assert text.index("Looks right?") < text.index("real against real")


def test_a_guarantee_of_privacy_is_stated_and_its_absence_too(hostile_page):
    assert "No formal privacy guarantee is given." in "".join(elements(hostile_page).text)
    finding = finding_of([], answer([]), [])
    facts = facts_of(finding)
    facts["provenance"]["privacy"] = {"statement": "Trained with (8, 1e-06)-differential privacy"}
    text = page.render(facts, findings=[finding], training=[], config=RunConfig(modality="image"))
    assert "Trained with (8, 1e-06)-differential privacy" in text
    assert "No formal privacy guarantee" not in text


def test_the_json_has_the_documented_keys_and_holds_no_invalid_number(hostile_page):
    def refuse(name):
        raise AssertionError(name)

    facts = json.loads((hostile_page / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert {"verdict", "metrics", "run", "synthetic", "not_applicable"} <= facts.keys()
    for row in facts["metrics"]:
        assert {"name", "value", "ci", "floor", "n", "better", "error"} <= row.keys()


def test_the_markdown_summary_has_a_line_for_every_metric(hostile_page):
    text = (hostile_page / "report.md").read_text(encoding="utf-8")
    assert "| `kd` | failed: ValueError:" in text
    assert "<script" not in text


def test_themed_figures_follow_the_readers_scheme_and_carry_no_comment():
    import base64

    svg = base64.b64decode(loss_picture().uri.partition(",")[2]).decode()
    assert "prefers-color-scheme: dark" in svg
    assert "var(--real)" in svg
    assert "#0a0b0c" not in svg
    assert "<!--" not in svg


def test_loss_curves_need_a_history():
    assert loss_curves([]) is None
    assert loss_curves([{"kind": "step", "samples": 1, "loss": float("nan")}]) is None
    assert loss_curves([{"kind": "held_out", "samples": 10, "loss": 1.0}]) is not None


def test_shares_are_shown_in_per_cent_and_small_numbers_with_their_digits():
    assert number(0.0123, name="copy_rate") == "1.2 %"
    assert number(0.00023) == "0.0002"
    assert number(0.000023) == "2.3e-05"
    assert number(1234.5) == "1,234"
    assert number(0.0) == "0"
    assert number(None) == "–"


def test_every_metric_stands_in_the_documentation_with_its_definition_source_and_an_anchor():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, about in CATALOGUE.items():
        line = next((line for line in text.splitlines() if line.startswith(f'| <a id="{name}"></a>`{name}` |')), "")
        assert about.definition, name
        assert about.definition in line, name
        assert about.source in line, name


def test_every_metric_of_a_page_links_to_its_definition(hostile_page):
    found = elements(hostile_page)
    text = (hostile_page / "report.html").read_text(encoding="utf-8")
    links = {source for source in found.sources if source.startswith("#about-")}
    assert {"#about-fd", "#about-kd"} <= links
    for link in links:
        assert f'id="{link[1:]}"' in text
    assert CATALOGUE["fd"].definition in "".join(found.text)
    assert "`" not in "".join(found.text)


@pytest.mark.parametrize(("width", "sets"), [(1280, 1), (390, 1), (390, 2)])
def test_a_page_of_real_numbers_renders_in_a_browser_without_sideways_scrolling(modality, sides, tmp_path, width, sets):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    found = measure_records(modality, sides.schema, sides.train, sides.holdout, sides.fresh, draws=50)
    answers = answer(found.rows, absent=found.absent)
    overview = Picture(
        "Real beside synthetic", png(modality.overview(sides.holdout, sides.fresh, sides.schema)), "good"
    )
    findings = [finding_of(found.rows, answers, [overview], name=name) for name in ("first", "second")][:sets]
    config = RunConfig(modality="image")
    page.write(tmp_path, facts_of(*findings), findings=findings, training=[loss_picture()], config=config)
    # Chromium has no window narrower than 500, so the narrow page is framed.
    probe = tmp_path / "probe.html"
    probe.write_text(
        f"<iframe id=f src=report.html style='width:{width}px;height:3000px;border:0'></iframe><p id=o></p><script>"
        "f.onload=()=>{const d=f.contentDocument.documentElement;"
        "o.textContent='overflow '+(d.scrollWidth-d.clientWidth)+' height '+d.scrollHeight}</script>",
        encoding="utf-8",
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += ["--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1400,3200"]
    command += ["--virtual-time-budget=4000", "--dump-dom", probe.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    assert "overflow 0 height" in dom
    assert int(dom.partition(" height ")[2].partition("<")[0]) > 1000


def test_metrics_that_do_not_apply_for_one_reason_stand_together():
    absent = [("tstr", "no labels"), ("vendi_worst_class", "too few"), ("trtr", "no labels")]
    finding = finding_of([], [], [], absent=absent)
    text = page.render(facts_of(finding), findings=[finding], training=[], config=RunConfig(modality="image"))
    assert "<li><code>tstr</code>, <code>trtr</code>: no labels</li>" in text
    assert "<li><code>vendi_worst_class</code>: too few</li>" in text


def test_a_record_and_its_neighbour_are_drawn_on_one_scale():
    class Bars:
        def draw(self, axis, records, index, schema):
            axis.bar([0], [records["height"][index]])

    sides = [Records({"height": np.array([height])}) for height in (1.0, 9.0)]
    figure = closest_pairs(Bars(), SimpleNamespace(labels=()), *sides, [Pair(0, 0, 8.0, 0.5)])
    ends = [axis.get_ylim() for axis in figure.axes]
    assert ends[0] == ends[1]
    assert ends[0][1] > 9


def test_a_picture_on_white_is_a_png():
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().imshow(np.zeros((2, 2)))
    assert png(figure).startswith("data:image/png;base64,iVBOR")
