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


CASES = [(name, scaled) for name in ('relu', 'topk', 'abs_topk', 'jumprelu', 'batch_topk',
                                     'gated') for scaled in (False, True)]


@pytest.mark.parametrize('name, scaled', CASES)
def test_there_and_back(name, scaled):
    c = ex.canonical(name)
    c = fold.unfold(c, 0.4, np.linspace(-1, 1, 5), subtract=True) if scaled else c
    built, x = native.to_dictionary(c), ex.rows(c)
    np.testing.assert_allclose(apply(built, 'encode', x).dense(), c.encode(x), atol=5e-5)
    np.testing.assert_allclose(apply(built, 'reconstruct', x), c.reconstruct(x), atol=2e-4)
    found = native.from_dictionary(*built)
    assert found.activation == {'batch_topk': 'jumprelu'}.get(name, name)
    ex.same(c, found, atol=1e-4)


SCALES = {'input_scale': 0.4, 'input_shift': 0.3, 'output_scale': 2.0, 'output_shift': -1.0}


@pytest.mark.parametrize('c', [
    ex.canonical('relu', d_out=4), ex.canonical('jumprelu', d_out=4, **SCALES),
    ex.canonical('topk', w_skip=np.random.default_rng(0).normal(size=(5, 5))),
    ex.canonical('jumprelu', d_out=4, w_skip=np.random.default_rng(0).normal(size=(5, 4)),
                 **SCALES)],
                         ids=lambda c: f'{c.activation}-{c.d_out}-{c.w_skip is not None}')
def test_transcoders_there_and_back(c):
    built, x = native.to_dictionary(c), ex.rows(c)
    np.testing.assert_allclose(apply(built, 'encode', x).dense(), c.encode(x), atol=5e-5)
    np.testing.assert_allclose(apply(built, 'reconstruct', x), c.reconstruct(x), atol=2e-4)
    ex.same(c, native.from_dictionary(*built), atol=1e-4)


SITES = dict(input_scale=np.float32([[0.5], [1.0], [2.0]]),
             output_scale=np.float32([[2.0], [1.0], [0.5]]))


@pytest.mark.parametrize('c', [
    ex.crosscoder('relu', e=5, **SITES), ex.crosscoder('jumprelu', e=5),
    ex.crosscoder('topk'), ex.cross_layer(), ex.cross_layer(**SITES)],
                         ids=lambda c: f'{c.kind}-{c.activation}')
def test_sites_and_layers_become_trainable(c):
    built, x = native.to_dictionary(c), ex.rows(c)
    codes = apply(built, 'encode', x).dense()
    np.testing.assert_allclose(codes.reshape(c.encode(x).shape), c.encode(x), atol=2e-4)
    y = apply(built, 'reconstruct', x).reshape(len(x), c.sites, -1)
    np.testing.assert_allclose(y, c.reconstruct(x), atol=1e-3)


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
    with pytest.raises(FormatError, match='across layers with a skip'):
        native.to_dictionary(ex.cross_layer(skip=True))


def test_saved_dictionaries_are_read_back(tmp_path):
    c = ex.canonical('topk', input_scale=0.5, output_scale=2.0, subtract_b_dec=True)
    native.save(tmp_path / 'sae', *native.to_dictionary(c), {'hook_name': 'here'})
    found = load.load(tmp_path / 'sae')
    assert found.provenance['hook_name'] == 'here' and fold.fold_needed(found) == []
    ex.same(c, found, atol=5e-5)
