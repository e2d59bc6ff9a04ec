"""The cost model: its closed form at the edges, a simulation beside it, and a dry run that speaks in its words."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from synthgen.generation import generate
from synthgen.generation.costs import Figures, cost, measure
from synthgen.generation.plan import make_plan

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from scaling_simulation import simulate

FIGURES = Figures(seconds=0.01, bytes=3072.0, flops=1e9)


def overhead(shards: int) -> float:
    """Seconds that are not making records."""
    return cost(Figures(0.0, 0.0, 0.0), shards, shards=shards).seconds


@pytest.mark.parametrize("workers", [1, 3, 1000])
def test_whole_rounds_of_shards_are_counted(workers):
    found = cost(FIGURES, 100_000, shards=100, workers=workers)
    assert found.seconds - overhead(100) == pytest.approx(math.ceil(100 / min(workers, 100)) * 10.0)
    assert found.worker_seconds == pytest.approx(workers * found.seconds)
    assert found.bytes == 307_200_000
    assert found.flops == pytest.approx(1e14)
    assert found.price is None


def test_the_price_is_that_of_the_hours_that_workers_are_held():
    found = cost(FIGURES, 360_000, shards=10, workers=2, price_per_hour=1.5)
    assert found.price == pytest.approx(2 * found.seconds / 3600 * 1.5)


def test_the_simulation_without_failures_is_the_model():
    for workers in (1, 7, 100):
        simulated = simulate(shards=100, shard_seconds=10.0, workers=workers, life=math.inf, seed=0)
        modelled = cost(FIGURES, 100_000, shards=100, workers=workers)
        assert simulated.seconds == pytest.approx(modelled.seconds - overhead(100))
        assert simulated.failures == 0


def test_the_simulation_loses_no_shard_and_makes_none_twice_under_failures():
    simulated = simulate(shards=500, shard_seconds=10.0, workers=50, life=40.0, seed=1)
    assert simulated.failures > 50
    assert simulated.finished == [1] * 500
    expected = cost(FIGURES, 500_000, shards=500, workers=50, life=40.0)
    assert simulated.work == pytest.approx(500 * 40.0 * math.expm1(10 / 40.0), rel=0.1)
    assert simulated.seconds > expected.seconds * 0.8


def test_a_dry_run_names_time_size_and_price(tiny_run, tmp_path):
    planned = generate(tiny_run, n=1000, dry_run=True, workers=2, price_per_hour=3.6, out=tmp_path / "d").provenance
    assert planned["estimated_price"] == pytest.approx(planned["estimated_seconds"] * 2 * 3.6 / 3600, rel=0.1)
    assert planned["estimated_flops"] > 0
    assert planned["workers"] == 2
    assert not (tmp_path / "d").exists()


def test_measured_figures_are_of_one_record(tiny_run):
    plan = make_plan(tiny_run, n=64)
    figures = measure(tiny_run, plan)
    assert figures.bytes == 64  # 8 x 8 grey
    assert figures.seconds > 0
    double = make_plan(tiny_run, n=64, steps=2 * plan.sampling.steps)
    assert measure(tiny_run, double).flops == pytest.approx(2 * figures.flops, rel=0.05)
