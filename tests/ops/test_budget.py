"""Order statistics with traced and different k, against sorts."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex.ops import budget

X = np.array([[3.0, -1.0, 0.0, -2.0, 3.0], [-4.0, -4.0, 5e-39, -0.5, 2.0],
              [-np.inf] * 5], np.float32)


@pytest.mark.parametrize('axis, k', [(-1, 2), (-1, [[1], [4], [3]]), (0, [[1, 2, 3, 2, 1]]),
                                     (None, 4), (None, 15), (-1, 9), (-1, 0)])
def test_kth_largest_is_the_sorted_one(axis, k):
    found = jax.jit(lambda k: budget.kth_largest(X, k, axis))(jnp.asarray(k))
    ordered = -np.sort(-X.reshape(-1) if axis is None else -X, axis=-1 if axis is None else axis)
    count = ordered.shape[-1 if axis is None else axis]
    at = np.minimum(np.asarray(k), count) - 1
    if axis is None:
        wanted = ordered[at].reshape(1, 1)
    else:
        shape = [1 if a == axis % 2 else n for a, n in enumerate(X.shape)]
        wanted = np.take_along_axis(ordered, np.broadcast_to(at, shape), axis)
    wanted = np.where(np.asarray(k) >= 1, wanted, np.inf)
    # subnormal numbers may be flushed to 0
    np.testing.assert_allclose(np.broadcast_to(found, wanted.shape), wanted, atol=1e-37)


def test_norm_matched_takes_the_nearest_norm():
    score = jnp.array([[4.0, 3.0, 0.0, 12.0], [1.0, 1.0, 1.0, 1.0]])
    # cumulative norms of the first row: 12, 12.65, 13, 13; of the second: 1, 1.41, 1.73, 2
    for size, wanted in (((12.2, 0.1), [1, 1]), ((12.9, 1.8), [3, 3]), ((99.0, 9.0), [3, 4])):
        assert budget.norm_matched(score, jnp.array(size)).tolist() == wanted


def test_zipf_falls_and_sums_to_the_total():
    share = np.asarray(budget.zipf(jnp.arange(4.0), 20.0, offset=0.0))
    np.testing.assert_allclose(share, 20 * np.array([12, 6, 4, 3]) / 25, rtol=1e-6)
