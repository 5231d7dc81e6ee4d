import jax
import jax.numpy as jnp
import numpy as np

from saex.ops import select


def test_kth_largest_equals_a_sort():
    x = jax.random.normal(jax.random.key(0), (37, 11))
    flat = np.sort(np.asarray(x).ravel())[::-1]
    for k in (1, 2, 50, 150):
        assert float(select.kth_largest_positive(x, k)) == flat[k - 1]


def test_fewer_positives_than_k_gives_zero():
    x = jnp.array([-1.0, 2.0, 3.0, 0.0])
    assert float(select.kth_largest_positive(x, 3)) == 0.0
    assert float(select.kth_largest_positive(x, 2)) == 2.0
