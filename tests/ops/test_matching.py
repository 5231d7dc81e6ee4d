import numpy as np
import pytest

from saex.ops import matching

A = np.array([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
B = np.array([[0.0, -2.0], [5.0, 0.0]])
ROOT = np.sqrt(0.5)


@pytest.mark.parametrize('tile', [1, 2, 100])
def test_cosine_by_hand(tile):
    signed = [[0, 1], [-ROOT, ROOT], [0, 0]]
    np.testing.assert_allclose(matching.cosine(A, B, tile=tile), signed, atol=1e-6)
    np.testing.assert_allclose(matching.cosine(A, B, absolute=True, tile=tile),
                               np.abs(signed), atol=1e-6)


@pytest.mark.parametrize('tile', [1, 2, 100])
def test_max_cosine_by_hand(tile):
    best, where = matching.max_cosine(A, B, tile=tile)
    np.testing.assert_allclose(best, [1, ROOT, 0], atol=1e-6)
    assert list(where[:2]) == [1, 1]


@pytest.mark.parametrize('tile', [1, 3])
def test_exclude_self_gives_the_coherence(tile):
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    best, where = matching.max_cosine(rows, rows, exclude_self=True, tile=tile)
    np.testing.assert_allclose(best, [0, 1, 1], atol=1e-6)
    assert list(where[1:]) == [2, 1]


def test_mmcs_is_directed():
    one, two = np.eye(2)[:1], np.eye(2)
    assert matching.mmcs(one, two) == pytest.approx(1.0)
    assert matching.mmcs(two, one) == pytest.approx(0.5)


def test_permuted_dictionary_matches_itself():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(20, 8))
    order = rng.permutation(20)
    at, to = matching.hungarian(matching.cosine(rows, rows[order]))
    assert matching.mmcs(rows, rows[order]) == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(order[to], at)


def test_hungarian_beats_greedy():
    at, to = matching.hungarian([[0.9, 0.8], [0.8, 0.1]])      # greedy takes .9 + .1
    assert dict(zip(at, to)) == {0: 1, 1: 0}
    assert len(matching.hungarian(np.ones((5, 3)))[0]) == 3
