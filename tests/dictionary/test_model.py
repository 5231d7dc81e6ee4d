"""Several sites, another target, what parts need of each other."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex.config import ConfigError
from saex.dictionary import build
from saex.train import dictionary
from saex.types import Context

X = 5.0 + 3.0 * jax.random.normal(jax.random.key(1), (64, 3, 8))
Y = 2.0 + 7.0 * jax.random.normal(jax.random.key(2), (64, 6))
SCALE = dict(name='chain', parts=('centre', dict(name='scale', to='width')))


def test_sites_lie_side_by_side_and_come_back():
    model = build.dictionary(dict(features=24, transform=SCALE), 8, sites=3)
    params, stats = dictionary.initialise_on(model, build.initialiser({}),
                                             jax.random.key(0), X)
    variables = {'params': params, 'stats': stats}
    assert params['encoder']['w_enc'].shape == (24, 24)
    out = model.apply(variables, X)
    assert out.y_hat.shape == out.y.shape == (64, 24)
    back = model.apply(variables, X, method='reconstruct')
    assert back.shape == X.shape
    centre = stats['transform']['links_0']['centre']
    scale = stats['transform']['links_1']['scale']
    np.testing.assert_allclose(back.reshape(64, 24), out.y_hat / scale + centre, rtol=1e-5)


def test_another_target_has_its_own_transform():
    model = build.dictionary(
        dict(features=24, transform=SCALE, encoder=dict(name='linear', pre_bias=False)), 24,
        d_out=6)
    x = X.reshape(64, 24)
    params, stats = dictionary.initialise_on(model, build.initialiser({'bias': 'mean'}),
                                             jax.random.key(0), x, Y)
    variables = {'params': params, 'stats': stats}
    out = model.apply(variables, x, Context(batch={'y': Y}))
    np.testing.assert_allclose((out.y ** 2).sum(-1).mean(), 6.0, rtol=1e-5)
    np.testing.assert_allclose(params['decoder']['b_dec'], out.y.mean(0), atol=1e-5)
    no_codes = jax.tree.map(jnp.zeros_like, model.apply(variables, x, method='encode'))
    np.testing.assert_allclose(model.apply(variables, no_codes, x, method='decode')[0],
                               Y.mean(0), rtol=1e-5)
    with pytest.raises(ValueError, match=r"batch\['y'\] is missing"):
        model.apply(variables, x)


@pytest.mark.parametrize('section, options, words', [
    (dict(), dict(d_out=6), 'pre_bias: b_dec lives in the space of the target'),
    (dict(encoder=dict(name='linear', pre_bias=False), transform='standardise'),
     dict(d_out=6), 'Standardise cannot be undone from x alone'),
    (dict(encoder=dict(name='linear', pre_bias=False),
          transform=dict(name='chain', parts=('centre', 'standardise'))),
     dict(d_out=6), 'Chain cannot be undone from x alone'),
])
def test_parts_that_do_not_fit_are_refused(section, options, words):
    with pytest.raises(ConfigError, match=words):
        build.dictionary(dict(features=24, **section), 8, **options)


def test_an_initialiser_names_the_parameter_that_is_missing():
    params = {'encoder': {}, 'decoder': {'w_dec': jnp.zeros((4, 2))}}
    with pytest.raises(ConfigError, match="init.bias: these parts have no parameter 'b_dec'"):
        build.initialiser({'bias': 'mean'})(jax.random.key(0), params, jnp.ones((5, 2)))
    kept = build.initialiser({})(jax.random.key(0), params, jnp.ones((5, 2)))
    np.testing.assert_allclose(jnp.linalg.norm(kept['decoder']['w_dec'], axis=-1), 1.0,
                               rtol=1e-6)
