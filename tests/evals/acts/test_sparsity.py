import jax.numpy as jnp
import numpy as np
import pytest

from saex.evals import runner
from saex.evals.acts import sparsity


def direct(codes, **options):
    codes = jnp.asarray(codes, jnp.float32)
    evaluation, spec = sparsity.Sparsity(**options), {'size': codes.shape[1]}
    neutral = evaluation.init(spec, [])
    state = evaluation.update(neutral, None, {'codes': codes, 'mask': jnp.ones(len(codes))})
    return evaluation.finalize([runner.merge(evaluation.reduce[0], neutral, state)], spec)


def test_every_number_by_hand():
    result = direct([[2, 0, 0, 1], [4, 0, 0, 0], [0, 0, 0, -3], [6, 0, 0, 1]], dense=0.6)
    want = {'l0': 6 / 4, 'l0_std': 0.5, 'l1': 17 / 4, 'dead_fraction': 0.5,
            'alive_fraction': 0.5, 'dense_fraction': 0.5,
            'density_entropy': np.log(2) / np.log(4), 'sparsity_rows': 4}
    assert result.scalars == pytest.approx(want, rel=1e-6)
    np.testing.assert_allclose(result.per_latent['density'], [.75, 0, 0, .75])
    np.testing.assert_allclose(result.per_latent['mean_active'],
                               [4, np.nan, np.nan, -1 / 3], rtol=1e-6)
    np.testing.assert_allclose(result.per_latent['max'], [6, 0, 0, 3])
    assert list(np.flatnonzero(result.arrays['density_histogram'])) == [0, 98]
    assert result.arrays['density_histogram'].sum() == 4


def test_planted_densities_come_back():
    rng = np.random.default_rng(0)
    p = np.array([0.01, 0.1, 0.5])
    codes = (rng.random((4000, 3)) < p) * rng.random((4000, 3))
    found = direct(codes).per_latent['density']
    assert np.all(np.abs(found - p) < 4 * np.sqrt(p * (1 - p) / 4000))


def test_fixed_k_has_no_spread():
    codes = np.eye(8)[np.arange(64) % 8] + np.eye(8)[(np.arange(64) + 1) % 8]
    scalars = direct(codes).scalars
    assert scalars['l0'] == 2.0 and scalars['l0_std'] == 0.0
    assert scalars['density_entropy'] == pytest.approx(1.0)


def test_one_latent_has_no_entropy_and_says_so():
    result = direct(np.ones((3, 1)))
    assert np.isnan(result.scalars['density_entropy'])
    assert result.warnings[0].startswith('density_entropy:')
