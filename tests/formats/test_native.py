"""A canonical dictionary becomes one that trains, and comes back."""
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from saex.formats import fold, load, native
from saex.formats.errors import FormatError
from saex.losses import objective
from saex.train import dictionary
from tests.formats import _examples as ex


def apply(built, method, x):
    model, params, stats = built
    return model.apply({'params': params, 'stats': stats}, jnp.asarray(x), method=method)


CASES = [(name, scaled) for name in ('relu', 'topk', 'jumprelu', 'batch_topk', 'gated')
         for scaled in (False, True)]


@pytest.mark.parametrize('name, scaled', CASES)
def test_there_and_back(name, scaled):
    c = ex.canonical(name)
    c = fold.unfold(c, 0.4, np.linspace(-1, 1, 5), subtract=True) if scaled else c
    built, x = native.to_dictionary(c), ex.rows(c)
    np.testing.assert_allclose(apply(built, 'encode', x).dense(), c.encode(x), atol=5e-5)
    np.testing.assert_allclose(apply(built, 'reconstruct', x), c.reconstruct(x), atol=2e-4)
    ex.same(c, native.from_dictionary(*built), atol=1e-4)


def test_a_loaded_dictionary_trains_on():
    c = dataclasses.replace(ex.canonical('batch_topk'), threshold=None)
    model, params, stats = native.to_dictionary(c)
    goal = objective.build({'mse': {}}, frozenset(), 30)
    problem = dictionary.problem(model, goal, None, 64)
    optimizer = optax.adam(1e-2)
    x = jnp.asarray(ex.rows(c, 64))

    @jax.jit
    def step(params, stats, opt_state, i):
        def value(p):
            return problem.loss(p, stats, {k: 1.0 for k in goal.weights}, {'x': x},
                                jax.random.key(0), i)
        (loss, (_, stats_)), grads = jax.value_and_grad(value, has_aux=True)(params)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return jax.tree.map(jnp.add, params, updates), stats_, opt_state, loss

    opt_state, losses = optimizer.init(params), []
    for i in range(30):
        params, stats, opt_state, loss = step(params, stats, opt_state, i)
        losses.append(float(loss))
    assert losses[-1] < 0.7 * losses[0]
    after = native.from_dictionary(model, params, stats)
    assert after.threshold is not None and (after.encode(np.asarray(x)) > 0).any()


def test_a_selector_can_be_converted():
    model, params, _ = native.to_dictionary(ex.canonical('relu'),
                                            selector=dict(name='topk', k=2))
    assert model.selector.k == 2
    np.testing.assert_array_equal(params['decoder']['w_dec'], ex.canonical('relu').w_dec)


def test_what_has_no_trainable_part_is_refused():
    with pytest.raises(FormatError, match='no groupmax selector'):
        native.to_dictionary(ex.canonical('groupmax'))
    with pytest.raises(FormatError, match='cross_layer'):
        native.to_dictionary(ex.cross_layer())


def test_saved_dictionaries_are_read_back(tmp_path):
    c = ex.canonical('topk', input_scale=0.5, output_scale=2.0, subtract_b_dec=True)
    native.save(tmp_path / 'sae', *native.to_dictionary(c), {'hook_name': 'here'})
    found = load.load(tmp_path / 'sae')
    assert found.provenance['hook_name'] == 'here' and fold.fold_needed(found) == []
    ex.same(c, found, atol=5e-5)
