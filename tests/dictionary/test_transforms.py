"""Transforms and corruptions by their defining property; test_contract inverts each."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.types import Context

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(200, 6)) @ RNG.normal(size=(6, 6)) + 3).astype(np.float32)


def fitted(section, sites=2):
    made = config.build('saex.dictionary.transforms', section, d_in=6, sites=sites)
    _, new = made.apply({}, jnp.asarray(X), method='fit', mutable=['stats'])
    return np.asarray(made.apply({'stats': new.get('stats', {})}, jnp.asarray(X))[0])


def test_whitened_rows_have_unit_covariance_and_mean_zero():
    z = fitted('whiten')
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(6), atol=5e-3)


def test_unit_rows_min_max_and_sites():
    np.testing.assert_allclose(np.linalg.norm(fitted('unit'), axis=-1), 1, rtol=1e-5)
    z = fitted('min_max')
    np.testing.assert_allclose([z.min(0), z.max(0)], [[0] * 6, [1] * 6], atol=1e-6)
    z = fitted(dict(name='per_site', part='scale')).reshape(-1, 2, 3)
    np.testing.assert_allclose((z ** 2).sum(-1).mean(0), 1, rtol=1e-4)      # each site
    chained = fitted(dict(name='chain', parts=('centre', dict(name='per_site', part='unit'))))
    np.testing.assert_allclose(np.linalg.norm(chained.reshape(-1, 2, 3), axis=-1), 1, rtol=1e-4)


@pytest.mark.parametrize('by, together', [('coordinate', False), ('row', True)])
def test_mask_hides_its_share_in_training(by, together):
    mask = config.build('saex.dictionary.corruptions', dict(name='mask', share=0.3, by=by))
    x, kept = mask.apply({}, jnp.asarray(X), Context(train=True, key=jax.random.key(0)))
    np.testing.assert_allclose(x, X * kept)
    assert abs(1 - kept.mean() - 0.3) < 0.08
    assert bool((kept.min(-1) == kept.max(-1)).all()) == together
    still, kept = mask.apply({}, jnp.asarray(X), Context())
    assert (still == X).all() and (kept == 1).all()


def test_noise_has_its_scale_in_training():
    noise = config.build('saex.dictionary.corruptions', dict(name='noise', scale=0.5))
    x, kept = noise.apply({}, jnp.asarray(X), Context(train=True, key=jax.random.key(0)))
    assert abs(float(jnp.std(x - X)) - 0.5) < 0.03 and (kept == 1).all()
    assert (noise.apply({}, jnp.asarray(X), Context())[0] == X).all()
