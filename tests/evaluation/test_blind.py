from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from synthgen.api import Records
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.blind import _choose, write_judging_page
from synthgen.evaluation.metric import proportion_interval
from synthgen.generation import generate


@pytest.fixture(scope="module")
def judging(tiny_run, tmp_path_factory):
    place = tmp_path_factory.mktemp("judge")
    made = generate(tiny_run, n=60, labels=(), steps=4, out=place / "made")
    return write_judging_page(tiny_run, made.path, out=place / "judge.html", n=24, seed=5)


def data_of(page):
    text = page.path.read_text(encoding="utf-8")
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_one_file_that_asks_the_network_for_nothing(judging):
    text = judging.path.read_text(encoding="utf-8")
    assert not re.search(r'(src|href)\s*=\s*"(?!data:)', text)
    assert "http" not in text
    assert len(data_of(judging)["items"]) == 24


def test_nothing_but_the_scrambled_key_tells_the_sides_apart(judging):
    data = data_of(judging)
    assert {frozenset(item) for item in data["items"]} == {frozenset({"picture", "label"})}
    a, b = (np.frombuffer(base64.b64decode(data[key]), dtype=np.uint8) for key in "ab")
    np.testing.assert_array_equal(((a ^ b) & 1).astype(bool), judging.synthetic)
    sizes = {len(base64.b64decode(item["picture"].partition(",")[2])[:33]) for item in data["items"]}
    heads = {base64.b64decode(item["picture"].partition(",")[2])[:29] for item in data["items"]}
    assert sizes == {33}
    assert len(heads) == 1  # the same size in pixels, colour type and so on


def test_a_class_says_nothing_of_the_side_and_no_record_comes_twice():
    rng = np.random.default_rng(0)
    real = Records({"x": np.zeros((400, 1))}, rng.integers(0, 4, 400))
    synthetic = Records({"x": np.zeros((400, 1))}, np.where(np.arange(400) < 300, 0, rng.integers(0, 4, 400)))
    fakes, labels = [], []
    for seed in range(60):
        fake, positions = _choose(real, synthetic, 20, seed)
        assert len(set(zip(fake.tolist(), positions.tolist(), strict=True))) == 20
        fakes.append(fake)
        labels.append(np.where(fake, synthetic.label[positions], real.label[positions]))
    fake, label = np.concatenate(fakes), np.concatenate(labels)
    assert fake.mean() == pytest.approx(0.5, abs=0.05)
    for k in range(4):
        assert fake[label == k].mean() == pytest.approx(0.5, abs=0.11)


def test_too_few_records_and_too_few_votes_are_refused(tiny_run, tmp_path):
    few = Records({"x": np.zeros((12, 1))}, np.zeros(12, dtype=np.int64))
    with pytest.raises(DataError, match="too few records for 40 votes"):
        _choose(few, few, 40, 0)
    with pytest.raises(UsageError, match="9 votes say nothing"):
        write_judging_page(tiny_run, tmp_path, n=9)


@pytest.mark.parametrize("says", ["truth", "always synthetic"])
def test_votes_in_a_browser_give_the_rate_and_wilsons_interval(judging, tmp_path, says):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    shutil.copy(judging.path, tmp_path / "judge.html")
    truth = judging.synthetic if says == "truth" else np.ones(24, dtype=bool)
    probe = tmp_path / "probe.html"
    probe.write_text(
        "<iframe id=f src=judge.html style='width:390px;height:900px'></iframe><p id=o></p><script>"
        f"f.onload=()=>{{const d=f.contentDocument;for(const s of {json.dumps(truth.tolist())})"
        "d.getElementById(s?'vote-synthetic':'vote-real').click();"
        "o.textContent='RESULT '+d.getElementById('answer').textContent+' | '+d.getElementById('hits-of').textContent"
        "+' | '+d.getElementById('alarms-of').textContent+' | '+d.getElementById('ask').hidden"
        "+' | '+(d.documentElement.scrollWidth-d.documentElement.clientWidth)+' END'}</script>",
        encoding="utf-8",
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += ["--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--virtual-time-budget=4000", "--dump-dom", probe.as_uri()]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout
    answer, hits, alarms, hidden, overflow = re.search(r'id="o">RESULT (.*?) END', dom)[1].split(" | ")
    fakes = int(judging.synthetic.sum())
    right = 24 if says == "truth" else fakes
    low, high = proportion_interval(right, 24)
    assert f"{right} of 24 answers were right: {100 * right / 24:.1f} %" in answer
    assert f"95 % interval {100 * low:.1f} % to {100 * high:.1f} %" in answer
    assert answer.startswith("You can tell" if says == "truth" else "You cannot tell")
    assert hits == f"{fakes} of {fakes}"
    assert alarms == (f"0 of {24 - fakes}" if says == "truth" else f"{24 - fakes} of {24 - fakes}")
    assert hidden == "true"
    assert overflow == "0"
