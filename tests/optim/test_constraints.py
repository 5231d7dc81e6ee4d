"""Constraints by hand, and one contract over all of them: they hold after every update, are
idempotent, and refuse a path that names nothing."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.optim import chain, constraints

NAMES = config.names('saex.optim.constraints')
W = jnp.array([[2.0, 0.0, 0.0], [0.3, 0.4, 0.0], [-1.0, -2.0, -3.0], [1.0, 2.0, 0.0]])
GRAD = jnp.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 0.0], [1.0, 1.0, 1.0], [0.0, -4.0, 2.0]])


def after(name, w=W, grad=GRAD, steps=1, lr=0.1, **options):
    """w after some steps of SGD under the constraint."""
    section = dict(name='sgd', lr=lr, constraints={'c': dict(name=name, path='w', **options)})
    tx = chain.build(section, steps).tx
    params = {'w': w}
    state = tx.init(params)
    for _ in range(steps):
        updates, state = tx.update({'w': grad}, state, params)
        params = {'w': params['w'] + updates['w']}
    return np.asarray(params['w'])


HOLDS = {
    'unit_rows': lambda w: np.allclose(np.linalg.norm(w, axis=-1), 1, atol=1e-5),
    'norm_at_most': lambda w: (np.linalg.norm(w, axis=-1) <= 1 + 1e-5).all(),
    'simplex': lambda w: (w >= -1e-6).all() and np.allclose(w.sum(-1), 1, atol=1e-5),
    'orthonormal': lambda w: np.allclose(w.T @ w, np.eye(3), atol=1e-5),
    'floor': lambda w: (w >= 0).all(),
    'clamp': lambda w: (w >= -1).all() and (w <= 0).all(),
    'sparse': lambda w: (w[np.asarray(W) == 0] == 0).all() and (w != np.asarray(W)).any(),
    'frozen': lambda w: np.array_equal(w, W)}


@pytest.mark.parametrize('name', NAMES)
def test_holds_after_every_update(name):
    one = after(name, steps=1)
    assert HOLDS[name](one) and HOLDS[name](after(name, steps=3))
    still = after(name, jnp.asarray(one), jnp.zeros_like(GRAD))      # projection is idempotent
    np.testing.assert_allclose(still, one, atol=1e-6)
    with pytest.raises(config.ConfigError, match="no parameter matches 'v'"):
        constraint = getattr(constraints, name)
        made = constraint('v', total_steps=1) if name == 'frozen' else constraint('v')
        for part in made:
            part.init({'w': W})


def test_projections_by_hand():
    zero = jnp.zeros_like(GRAD)
    np.testing.assert_allclose(after('norm_at_most', grad=zero)[:2], [[1, 0, 0], [.3, .4, 0]],
                               rtol=1e-6)
    np.testing.assert_allclose(after('simplex', grad=zero)[1:],
                               [[3 / 7, 4 / 7, 0], [1 / 3] * 3, [1 / 3, 2 / 3, 0]], rtol=1e-5)
    # Euclidean: (.3, .4, 0) + .1 each; (-1, -2, -3) -> its largest; (1, 2, 0) - 1
    np.testing.assert_allclose(after('simplex', grad=zero, by='project'),
                               [[1, 0, 0], [.4, .5, .1], [1, 0, 0], [0, 1, 0]], atol=1e-6)
    columns = after('unit_rows', grad=zero, axis=0)
    np.testing.assert_allclose(np.linalg.norm(columns, axis=0), 1.0, rtol=1e-6)
    with pytest.raises(config.ConfigError, match='simplex.by'):
        after('simplex', by='sort')
    with pytest.raises(config.ConfigError, match='low <= high'):
        after('clamp', low=1.0)


def test_a_phase_begins_and_ends():
    moved = [after('frozen', steps=s, start=0.0, stop=0.5)[0, 0] for s in (2, 4)]
    np.testing.assert_allclose(moved, [2 - 0.1, 2 - 0.2], rtol=1e-6)


def test_a_frozen_parameter_gathers_no_momentum():
    section = dict(name='adam', lr=0.1, constraints={'frozen': dict(path='w')})
    tx = chain.build(section, 5).tx
    state = tx.init({'w': W})
    _, state = tx.update({'w': GRAD}, state, {'w': W})
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(state) if leaf.shape == W.shape)
