"""Counter-based random numbers."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synthgen.seeding import derive_seed, standard_normal, uniform


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=6), st.integers(0, 2**63))
def test_a_sample_draws_the_same_numbers_whatever_its_batch(ids: list[int], seed: int) -> None:
    together = standard_normal(seed, "noise", ids, (3, 2))
    alone = np.concatenate([standard_normal(seed, "noise", [i], (3, 2)) for i in ids])
    np.testing.assert_array_equal(together, alone)


def test_samples_steps_purposes_and_seeds_draw_different_numbers() -> None:
    base = standard_normal(1, "noise", [5], (4,))
    others = [
        standard_normal(1, "noise", [6], (4,)),
        standard_normal(1, "noise", [5], (4,), step=1),
        standard_normal(1, "sde", [5], (4,)),
        standard_normal(2, "noise", [5], (4,)),
    ]
    assert not any(np.array_equal(base, other) for other in others)


def test_neighbouring_samples_are_independent_standard_normals() -> None:
    values = standard_normal(0, "noise", range(2000), (4,)).astype(float)
    assert stats.kstest(values.ravel(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(values[:-1, 0], values[1:, 0])[0, 1]) < 0.08


def test_uniform_draws_are_uniform() -> None:
    assert stats.kstest(uniform(3, "label", range(2000)), "uniform").pvalue > 1e-3


def test_derived_seeds_differ_by_step() -> None:
    assert len({derive_seed(0, "step", step=k) for k in range(100)}) == 100
