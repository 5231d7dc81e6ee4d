"""Every selector found by listing the folder: shapes, jit = eager, masked rows inert, one
device = four, finite gradients, nothing breaks at zero input."""
import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.dictionary import build
from saex.losses import objective
from saex.optim import chain
from saex.train import dictionary, step

D, F, B = 8, 32, 16
SELECTORS = config.names('saex.dictionary.selectors')
TRANSFORMS = config.names('saex.dictionary.transforms')
OPTIONS = {'topk': {'k': 3}, 'batch_topk': {'k': 3.0}, 'jumprelu': {'bandwidth': 0.5}}


class Fixed:
    def batch(self, i, size):
        return {'x': jax.random.normal(jax.random.fold_in(jax.random.key(7), i), (size, D))}


def make(selector='relu', transform='identity', losses=None):
    model = build.dictionary(dict(features=F, dead_after=20, transform=transform,
                                  selector=dict(name=selector, **OPTIONS.get(selector, {}))),
                             D)
    losses = losses or {'mse': {}, 'auxk': dict(weight=1 / 32, k_aux=4)}
    problem = dictionary.problem(model, objective.build(losses, build.provided(model), 10),
                                 build.initialiser({}), B)
    optimizer = chain.build(dict(name='adam', lr=1e-2, eps=1e-6, clip=1.0,
                                 constraints={'unit_rows': {}}), 10)
    state = step.initial(problem, optimizer, jax.random.key(0), problem.sample(Fixed()))
    return model, step.make(problem, optimizer), state


def close(a, b, tol):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=tol, rtol=tol), a, b)


@pytest.mark.parametrize('selector', SELECTORS)
def test_jit_equals_eager_and_does_not_recompile(selector):
    _, fn, state = make(selector)
    batch, key = Fixed().batch(0, B), jax.random.key(1)
    compiled = jax.jit(fn)
    close(compiled(state, batch, key), fn(state, batch, key), 1e-5)
    one, _ = compiled(state, batch, key)
    compiled(one, Fixed().batch(1, B), key)
    assert compiled._cache_size() == 1


@pytest.mark.parametrize('selector', SELECTORS)
def test_four_devices_equal_one(selector):
    _, fn, state = make(selector)
    batch, key = Fixed().batch(0, B), jax.random.key(1)
    alone = jax.jit(fn)(state, batch, key)
    mesh = Mesh(np.array(jax.devices()[:4]), ('data',))
    spread = jax.device_put(batch, NamedSharding(mesh, P('data')))
    state = jax.device_put(state, NamedSharding(mesh, P()))
    shared = jax.jit(fn)(state, spread, jax.device_put(key, NamedSharding(mesh, P())))
    close(jax.device_get(shared), jax.device_get(alone), 1e-5)


@pytest.mark.parametrize('selector', SELECTORS)
def test_masked_rows_are_inert(selector):
    _, fn, state = make(selector)
    x, key = Fixed().batch(0, B)['x'], jax.random.key(1)
    padded = {'x': jnp.concatenate([x, 100.0 * jnp.ones((4, D))]),
              'mask': jnp.concatenate([jnp.ones(B), jnp.zeros(4)])}
    close(fn(state, padded, key), fn(state, {'x': x, 'mask': jnp.ones(B)}, key), 1e-5)


@pytest.mark.parametrize('selector', SELECTORS)
def test_zero_input_is_finite(selector):
    _, fn, state = make(selector)
    new, metrics = fn(state, {'x': jnp.zeros((B, D))}, jax.random.key(1))
    assert all(np.isfinite(v).all() for v in jax.tree.leaves((new.params, metrics)))
    assert int(new.skipped[0]) == 0


@pytest.mark.parametrize('selector', SELECTORS)
def test_loss_falls_on_planted_data(selector):
    atoms = jax.random.normal(jax.random.key(3), (12, D))
    on = jax.random.bernoulli(jax.random.key(4), 0.15, (B * 16, 12))
    _, fn, state = make(selector, losses={'mse': {}})
    fn, batch, losses = jax.jit(fn), {'x': on @ atoms}, []
    for i in range(60):
        state, metrics = fn(state, batch, jax.random.key(1))
        losses.append(float(metrics['losses/mse']))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize('transform', TRANSFORMS)
def test_transforms_invert(transform):
    model, _, state = make(transform=transform)
    variables = {'params': state.params, 'stats': state.stats}
    x = 3 + 2 * jax.random.normal(jax.random.key(2), (B, D))

    def there_and_back(module):
        inside, c = module.transform(x)
        return module.transform.invert(inside, c)

    import flax.linen as nn
    close(nn.apply(there_and_back, model)(variables), x, 1e-5)


def test_nan_batch_is_skipped_and_counted():
    _, fn, state = make('topk')
    bad = {'x': jnp.full((B, D), jnp.nan)}
    new, _ = fn(state, bad, jax.random.key(1))
    close(new.params, state.params, 0)
    close(new.stats, state.stats, 0)
    assert new.skipped.tolist() == [1, 1] and int(new.step) == 1
    good, _ = fn(new, Fixed().batch(0, B), jax.random.key(1))
    assert good.skipped.tolist() == [1, 0]


def test_batch_topk_keeps_k_per_row_on_average_and_learns_its_threshold():
    model, fn, state = make('batch_topk')
    variables = {'params': state.params, 'stats': state.stats}
    from saex.types import Context
    out, new = model.apply(variables, Fixed().batch(0, B)['x'], Context(train=True),
                           mutable=['stats'])
    kept = np.asarray(out.codes.dense())
    assert (kept > 0).sum() == 3 * B
    held = new['stats']['selector']
    tau = held['threshold_total'] / held['threshold_weight']
    np.testing.assert_allclose(tau, kept[kept > 0].min(), rtol=1e-6)
    codes = model.apply({'params': state.params, 'stats': {**state.stats, **new['stats']}},
                        Fixed().batch(0, B)['x'], method='encode')
    np.testing.assert_allclose(codes.dense(), kept, rtol=1e-6)
