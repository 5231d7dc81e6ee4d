import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex.dictionary import build
from saex.losses import objective
from saex.train import dictionary


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_rows_of_16_bits_are_trained_on_in_float32(dtype):
    """A store gives them so; only the rows are rounded, nothing that is computed."""
    model = build.dictionary(dict(features=8, transform='standardise', selector='relu'), 4)
    problem = dictionary.problem(model, objective.build({'mse': {}}, frozenset(), 10),
                                 build.initialiser({}), 16)
    rows = (100 + jax.random.normal(jax.random.key(0), (16, 4))).astype(dtype)

    class Source:
        def __init__(self, x):
            self.x = x

        def batch(self, step, size):
            return {'x': self.x}

    found = []
    for x in (rows, rows.astype(jnp.float32)):
        params, stats = problem.init(jax.random.key(1), problem.sample(Source(x)))
        weights = {'mse': 1.0}
        found.append((params, stats, problem.loss(params, stats, weights, {'x': x},
                                                  jax.random.key(2), 0)))
    jax.tree.map(np.testing.assert_array_equal, *found)
    assert all(leaf.dtype != dtype for leaf in jax.tree.leaves(found[0]))
