"""Following: every record exactly once, across restarts and crashes, in bounded memory; errors are said, not fatal."""

from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest

import synthgen
from synthgen.config import DataConfig
from synthgen.errors import DataError, UsageError
from synthgen.evaluation.follow import follow
from synthgen.evaluation.incoming import incoming
from synthgen.evaluation.scorer import CalibratedScorer

OVERRIDES = {"train": {"samples": 6_000}, "network": {"width": 32, "blocks": 1}, "optim": {"batch_size": 64}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("follow")
    np.savez(folder / "normal.npz", X=np.random.default_rng(0).normal(size=(1200, 3)))
    return synthgen.train(OVERRIDES, modality="vectors", data=folder / "normal.npz", out=folder / "run")


def written(folder):
    return [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]


def test_lines_of_a_growing_file_are_scored_once_each_across_restarts(run, tmp_path):
    path, out = tmp_path / "sensor.csv", tmp_path / "out"
    path.write_text("x0,x1,x2\n0.1,0.2,-0.3\n9,9,9\n0,0")  # the last line is not complete yet
    first = follow(run, str(path), out=out, idle=0, batch=1)
    assert (first.records, first.errors) == (2, 0)
    with path.open("a") as file:
        file.write(',0.5\n[0.2, -0.1, 0.4]\n{"x2": 0.1, "x0": 0.3, "x1": 0}\nbroken\n1,2\n')
    second = follow(run, str(path), out=out, idle=0)
    assert (second.records, second.errors) == (5, 2)
    lines = written(out)
    assert [line["source"] for line in lines if "error" not in line] == [f"line {n}" for n in (2, 3, 4, 5, 6)]
    assert {line["source"]: line["error"] for line in lines if "error" in line} == {
        "line 7": "not numbers separated by commas",
        "line 8": "no value for x2",
    }
    flagged = {line["source"]: line["flagged"] for line in lines if "error" not in line}
    assert flagged["line 3"]
    assert sum(flagged.values()) == second.flagged == 1


def test_scores_that_were_written_without_their_place_are_taken_back(run, tmp_path):
    path, out = tmp_path / "sensor.csv", tmp_path / "out"
    path.write_text("1,0,0\n0,1,0\n")
    follow(run, str(path), out=out, idle=0)
    before = (out / "scores.jsonl").read_bytes()
    with (out / "scores.jsonl").open("ab") as scores:
        scores.write(b'{"source": "line 3", "score": 1.0, "p"')  # the crash came in the middle of a line
    path.write_text(path.read_text() + "0,0,1\n")
    follow(run, str(path), out=out, idle=0)
    assert (out / "scores.jsonl").read_bytes().startswith(before)
    assert [line["source"] for line in written(out)] == ["line 1", "line 2", "line 3"]


def test_files_of_a_folder_are_scored_as_they_come_and_a_broken_one_is_named(run, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    np.savez(folder / "a.npz", X=np.random.default_rng(1).normal(size=(5, 3)))
    (folder / "b.npz").write_bytes(b"nothing")
    first = follow(run, str(folder), out=out, idle=0, settle=0)
    assert (first.records, first.errors) == (5, 1)
    np.savez(folder / "0-later.npz", X=np.full((1, 3), 50.0))  # its name comes first, it came last
    second = follow(run, str(folder), out=out, idle=0, settle=0)
    assert (second.records, second.errors, second.flagged - first.flagged) == (6, 1, 1)
    assert [line["source"] for line in written(out)][-1] == "0-later.npz"
    assert len({line["source"] for line in written(out)}) == 7


def test_a_file_that_is_still_being_written_is_left_alone(run, tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 3)))
    stream = incoming(str(tmp_path), run.schema, DataConfig(), {}, settle=60)
    assert stream.take(10).records is None


def test_a_pipe_is_read_as_far_as_it_is_filled_and_ends_when_it_is_closed(run, tmp_path, monkeypatch):
    end, other = os.pipe()

    def feed():
        os.write(other, b"0,0,0\n1,1,1")
        os.write(other, b"\n2,2")
        os.write(other, b",2")
        os.close(other)

    thread = threading.Thread(target=feed)
    with os.fdopen(end) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        thread.start()
        found = follow(run, "-", out=tmp_path / "out", batch=2)
        thread.join()
    assert (found.records, found.errors) == (3, 0)


def test_a_batch_never_holds_more_records_than_asked_for(run, tmp_path):
    (tmp_path / "many.csv").write_text("0,0,0\n" * 500)
    stream = incoming(str(tmp_path / "many.csv"), run.schema, DataConfig(), {}, settle=0)
    sizes = []
    while (arrived := stream.take(7)).records is not None:
        sizes.append(len(arrived.records))
    assert sum(sizes) == 500
    assert max(sizes) == 7


def test_one_that_was_stopped_before_its_first_record_goes_on(run, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    path, out = tmp_path / "sensor.csv", tmp_path / "out"
    path.write_text("1,0,0\n")
    with monkeypatch.context() as patch:
        patch.setattr(CalibratedScorer, "fit", stopped)
        with pytest.raises(KeyboardInterrupt):
            follow(run, str(path), out=out, idle=0)
    assert follow(run, str(path), out=out, idle=0).records == 1


def test_alpha_another_request_and_a_missing_path_are_refused(run, tmp_path):
    (tmp_path / "a.csv").write_text("0,0,0\n")
    with pytest.raises(UsageError, match="smallest p-value"):
        follow(run, str(tmp_path / "a.csv"), out=tmp_path / "out", alpha=1e-5, idle=0)
    follow(run, str(tmp_path / "a.csv"), out=tmp_path / "out", alpha=0.05, idle=0)
    with pytest.raises(UsageError, match="another request"):
        follow(run, str(tmp_path / "a.csv"), out=tmp_path / "out", alpha=0.1, idle=0)
    with pytest.raises(DataError, match="nothing to follow"):
        follow(run, str(tmp_path / "nowhere"), out=tmp_path / "other", alpha=0.05, idle=0)
