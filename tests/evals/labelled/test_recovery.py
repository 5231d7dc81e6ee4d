from flax import struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex.evals import coder, runner
from saex.evals.labelled import recovery


@struct.dataclass
class Planted:
    """Codes are handed over in batch['posterior']."""
    rows: jax.Array

    @property
    def size(self):
        return self.rows.shape[0]

    def codes(self, batch):
        return batch['posterior']

    def reconstruct(self, batch, codes):
        return codes @ self.rows

    def atoms(self):
        return self.rows


def score(atoms, codes, true_atoms, true_codes, **options):
    codes, true_codes = np.asarray(codes, np.float32), np.asarray(true_codes, np.float32)
    true_atoms = np.asarray(true_atoms, np.float32)
    rows = {'x': true_codes @ true_atoms, 'posterior': codes, 'true_codes': true_codes}
    return runner.run({'r': recovery.Recovery(**options)},
                      Planted(jnp.asarray(atoms, jnp.float32)),
                      lambda: runner.batches(rows, 16), {'true_atoms': true_atoms})['r']


def world(n=40, d=16, rows=200, seed=0):
    rng = np.random.default_rng(seed)
    atoms = rng.normal(size=(n, d))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    codes = (rng.random((rows, n)) < .15) * rng.uniform(.5, 2, (rows, n))
    return rng, atoms, codes


def test_permuted_truth_recovers_everything():
    rng, atoms, codes = world()
    order = rng.permutation(40)
    result = score(atoms[order], codes[:, order], atoms, codes)
    s = result.scalars
    for name in ('recovered@0.9', 'recovered@0.8', 'mmcs_features', 'mmcs_latents', 'mcc',
                 'uniqueness', 'feature_f1', 'latent_f1', 'amplitude_correlation',
                 'shrinkage_slope'):
        assert s[name] == pytest.approx(1.0, abs=1e-5), name
    assert s['true_l0'] == pytest.approx((codes > 0).sum(1).mean())
    np.testing.assert_array_equal(result.per_latent['best_feature'], order)


def test_random_dictionary_recovers_nothing():
    rng, atoms, codes = world(n=128, d=64, rows=100)
    x = (codes @ atoms).astype(np.float32)
    rows = {'x': x, 'true_codes': codes.astype(np.float32)}
    chance = coder.RandomDictionary.fit(jax.random.key(0), x, 128, 8)
    s = runner.run({'r': recovery.Recovery()}, chance, lambda: runner.batches(rows, 50),
                   {'true_atoms': atoms})['r'].scalars
    assert s['recovered@0.9'] == s['recovered@0.8'] == 0.0
    assert .25 < s['mmcs_features'] < .5 and .25 < s['mcc'] < .5
    assert s['feature_f1'] < .6


def test_shrinkage_and_scale():
    _, atoms, codes = world()
    s = score(atoms, 0.7 * codes, atoms, codes).scalars
    assert s['shrinkage_slope'] == pytest.approx(0.7, rel=1e-4)
    assert s['amplitude_correlation'] == pytest.approx(1.0, abs=1e-4)


def test_by_hand():
    # two features on the axes; latent 0 is feature 0, latent 1 is diagonal, 2 is dead
    atoms = [[1, 0], [1, 1], [-1, 0]]
    true_codes = [[1, 0], [2, 0], [0, 1], [0, 0]]
    codes = [[1, 0, 0], [0, 2, 0], [0, 1, 0], [0, 3, 0]]
    result = score(atoms, codes, np.eye(2), true_codes)
    s, root = result.scalars, np.sqrt(.5)
    assert s['recovered@0.9'] == 0.5 and s['mmcs_features'] == pytest.approx((1 + root) / 2)
    assert s['mmcs_latents'] == pytest.approx((2 + root) / 3)
    assert s['mcc'] == pytest.approx((1 + root) / 2)
    assert s['uniqueness'] == pytest.approx(1 / 3)        # the diagonal ties to feature 0
    # latent 0: tp 1, on 1, true 2 -> 2/3; latent 1 to feature 0: tp 1, on 3 -> 2/5
    assert s['latent_f1'] == pytest.approx((2 / 3 + 2 / 5) / 2)
    # feature 1 is best met by latent 1: tp 1, on 3, true 1 -> 1/2
    assert s['feature_f1'] == pytest.approx((2 / 3 + 1 / 2) / 2)
    # slopes: latent 0: 1 * 1 / 1; latent 1: 2 * 2 / 4
    assert s['shrinkage_slope'] == pytest.approx(1.0)
    pairs = [np.corrcoef([1, 0, 0, 0], [1, 2, 0, 0])[0, 1],
             np.corrcoef([0, 2, 1, 3], [1, 2, 0, 0])[0, 1]]
    np.testing.assert_allclose(result.per_latent['amplitude_correlation'],
                               [*pairs, np.nan], rtol=1e-5)
    assert s['true_max_cosine'] == 0.0
    signed = score(atoms, codes, np.eye(2), true_codes, signed=True)
    assert signed.per_latent['best_cosine'][2] == 0.0


def test_a_silent_dictionary_is_nan_with_a_reason():
    _, atoms, codes = world(n=4, d=4, rows=20)
    result = score(atoms, 0 * codes, atoms, codes)
    assert np.isnan(result.scalars['latent_f1']) and result.scalars['feature_f1'] == 0
    assert 'latent_f1: no latent fired' in result.warnings
