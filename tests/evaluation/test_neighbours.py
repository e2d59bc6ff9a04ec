from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from synthgen.evaluation import neighbours
from synthgen.evaluation.neighbours import count_within, nearest


def normal(seed, n, d):
    return np.random.default_rng(seed).normal(size=(n, d))


@pytest.mark.parametrize("d", [1, 7, 80])
def test_neighbours_agree_with_scikit_learn(d):
    queries, reference = normal(0, 300, d), normal(1, 500, d)
    distance, index = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(reference).kneighbors(queries)
    found = nearest(queries, reference, k=4)
    assert found.method == "exact"
    np.testing.assert_allclose(found.distance, distance, atol=1e-9)
    np.testing.assert_array_equal(found.index, index)


def test_small_pieces_give_the_same_as_one(monkeypatch):
    queries, reference = normal(0, 200, 5), normal(1, 333, 5)
    whole = nearest(queries, reference, k=3)
    counts, hit = count_within(queries, reference, np.full(333, 1.2))
    monkeypatch.setattr(neighbours, "_PIECE", 17)
    monkeypatch.setattr(neighbours, "_PIECE_CELLS", 700)
    pieces = nearest(queries, reference, k=3)
    np.testing.assert_array_equal(pieces.index, whole.index)
    np.testing.assert_array_equal(pieces.distance, whole.distance)
    again = count_within(queries, reference, np.full(333, 1.2))
    np.testing.assert_array_equal(again[0], counts)
    np.testing.assert_array_equal(again[1], hit)


def test_a_copy_is_at_distance_zero_however_far_from_the_origin():
    reference = normal(0, 100, 50) + 1000.0
    found = nearest(reference[[7, 3]].copy(), reference)
    assert found.index[:, 0].tolist() == [7, 3]
    assert found.distance[:, 0].tolist() == [0.0, 0.0]


def test_a_record_is_not_its_own_neighbour_but_its_duplicate_is():
    x = normal(0, 50, 3)
    x[10] = x[20]
    found = nearest(x, x, among_itself=True)
    assert not np.any(found.index[:, 0] == np.arange(50))
    assert found.index[10, 0] == 20
    assert found.distance[10, 0] == 0


def test_neighbours_that_only_the_last_pieces_hold_are_found(monkeypatch):
    monkeypatch.setattr(neighbours, "_PIECE", 20)
    queries = normal(0, 50, 6)
    far = normal(1, 400, 6) + 50 * np.linspace(1, 0, 400)[:, None] ** 2  # each piece nearer than the one before
    reference = np.concatenate([far, queries + 1e-3])
    found = nearest(queries, reference, k=2)
    exact = np.linalg.norm(queries[:, None] - reference[None], axis=2)
    np.testing.assert_array_equal(found.index, np.argsort(exact, axis=1)[:, :2])


def test_of_references_equally_near_the_first_is_named():
    reference = np.repeat(normal(1, 40, 3), 3, axis=0)
    found = nearest(reference[::3], reference, k=2)
    np.testing.assert_array_equal(found.index, np.arange(0, 120, 3)[:, None] + [0, 1])


def test_a_shortlist_in_principal_components_is_named_and_nearly_always_right():
    basis = normal(9, 20, 300)
    queries, reference = normal(0, 200, 20) @ basis, normal(1, 2000, 20) @ basis
    exact = nearest(queries, reference)
    found = nearest(queries, reference, exact_work=1.0)
    assert found.method.startswith("approximate")
    assert (found.index == exact.index).mean() > 0.99
    assert np.all(found.distance >= exact.distance * (1 - 1e-9))


def test_counts_within_balls_agree_with_all_pairs():
    queries, centres = normal(0, 90, 4), normal(1, 70, 4)
    radius = np.random.default_rng(2).uniform(0.3, 2.0, 70)
    inside = np.linalg.norm(queries[:, None] - centres[None], axis=2) <= radius
    counts, hit = count_within(queries, centres, radius)
    np.testing.assert_array_equal(counts, inside.sum(axis=1))
    np.testing.assert_array_equal(hit, inside.any(axis=0))


def test_what_single_precision_leaves_open_is_counted_as_in_double():
    """Records on a lattice far from the origin: most distances are exactly that of the radius."""
    lattice = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3) + 1e4
    lattice = np.concatenate([lattice, lattice - 2e4])
    for radius, neighbours_in_ball in ((0.0, 1), (1.0, None), (np.sqrt(2.0), None)):
        counts, hit = count_within(lattice, lattice, np.full(len(lattice), radius))
        exact = np.linalg.norm(lattice[:, None] - lattice[None], axis=2) <= radius * (1 + 1e-9)
        np.testing.assert_array_equal(counts, exact.sum(axis=1))
        assert hit.all()
        if neighbours_in_ball:
            assert (counts == neighbours_in_ball).all()


def test_too_few_references_are_an_error():
    with pytest.raises(ValueError, match="3 records are too few for 4 neighbours"):
        nearest(normal(0, 5, 2), normal(1, 3, 2), k=4)
