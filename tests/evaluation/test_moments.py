"""Moments of records drawn again: those of the records themselves, and the spread of a bootstrap over records."""

from __future__ import annotations

import numpy as np
import pytest

from synthgen.data.gaussians import frechet_distance, frechet_of_gaussians
from synthgen.evaluation import moments
from synthgen.evaluation.moments import Sums


def normal(seed: int, n: int, d: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * np.arange(1, d + 1) + 3


@pytest.mark.parametrize("n", [7, 1000, 2503])
def test_every_group_once_gives_mean_and_covariance_of_the_records(n: int) -> None:
    x = normal(0, n)
    whole = Sums.of(x).whole()
    assert whole.n == n
    np.testing.assert_allclose(whole.mean, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(whole.covariance, np.cov(x, rowvar=False), rtol=1e-9)


def test_of_few_records_a_draw_is_one_of_records() -> None:
    x = normal(0, 50)
    often = np.random.default_rng(3).multinomial(50, np.full(50, 1 / 50))
    drawn = Sums.of(x).drawn(np.random.default_rng(3))
    again = np.repeat(x, often, axis=0)
    np.testing.assert_allclose(drawn.mean, again.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(drawn.covariance, np.cov(again, rowvar=False), rtol=1e-9)


def test_groups_give_the_spread_that_records_give(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(0, 3000), normal(1, 3000)

    def spread(groups: int) -> float:
        monkeypatch.setattr(moments, "MOST_GROUPS", groups)
        rng, a, b = np.random.default_rng(5), Sums.of(x), Sums.of(y)
        drawn = [(a.drawn(rng), b.drawn(rng)) for _ in range(400)]
        return float(np.std([frechet_of_gaussians(p.mean, p.covariance, q.mean, q.covariance) for p, q in drawn]))

    rng = np.random.default_rng(6)
    records = [frechet_distance(x[rng.integers(0, 3000, 3000)], y[rng.integers(0, 3000, 3000)]) for _ in range(400)]
    assert spread(3000) == pytest.approx(np.std(records), rel=0.15)
    assert spread(300) == pytest.approx(np.std(records), rel=0.15)
