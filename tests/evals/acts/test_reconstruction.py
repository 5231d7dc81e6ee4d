import jax.numpy as jnp
import numpy as np
import pytest

from saex.evals import coder, runner
from saex.evals.acts import reconstruction


def direct(y, y_hat, shift=0.0):
    """The Result of y and y_hat, both [N, D]."""
    y, y_hat = jnp.asarray(y, jnp.float32), jnp.asarray(y_hat, jnp.float32)
    evaluation = reconstruction.Reconstruction()
    spec = {'shift': jnp.full(y.shape[1], shift)}
    neutral = evaluation.init(spec, [])
    state = evaluation.update(neutral, None, spec | {'x': y, 'y_hat': y_hat,
                                                     'mask': jnp.ones(len(y))})
    host = runner.merge('sum', state, neutral)
    return evaluation.finalize([host], {})


@pytest.mark.parametrize('shift', [0.0, 2.0])
def test_every_formula_by_hand(shift):
    # e = (1, 0), (0, -1); mean y = (2, 2); deviations (1, -2), (-1, 2)
    s = direct([[3, 0], [1, 4]], [[2, 0], [1, 5]], shift).scalars
    a, b = np.hypot(1, 4), np.hypot(1, 5)
    want = {
        'mse': 1.0, 'mse_per_dim': 0.5, 'fvu': 2 / 10, 'explained_variance': 0.8,
        # Var e = (1/4, 1/4), Var y = (1, 4)
        'fvu_centered_error': 0.5 / 5,
        'nmse_openai': (1 / 9 + 1 / 17) / 2,
        'r2_per_dim_median': ((1 - 1 / 2) + (1 - 1 / 8)) / 2, 'r2_per_dim_min': 0.5,
        'cosine': (1 + 21 / (a * b)) / 2,
        'l2_ratio': (2 / 3 + b / a) / 2,
        'relative_reconstruction_bias': (4 + 26) / (6 + 21),
        'reconstruction_rows': 2,
    }
    assert s == pytest.approx(want, rel=1e-5)


def test_constant_mean_prediction_has_fvu_one():
    s = direct([[3, 0], [1, 4]], [[2, 2], [2, 2]]).scalars
    assert s['fvu'] == pytest.approx(1.0) and s['explained_variance'] == pytest.approx(0)
    assert s['r2_per_dim_min'] == pytest.approx(0.0)


def test_shrunken_reconstruction_shows_in_the_bias_and_the_ratio():
    y = np.random.default_rng(0).normal(size=(50, 4))
    s = direct(y, 0.7 * y).scalars
    assert s['relative_reconstruction_bias'] == pytest.approx(0.7, rel=1e-5)
    assert s['l2_ratio'] == pytest.approx(0.7, rel=1e-5)
    assert s['cosine'] == pytest.approx(1.0, rel=1e-5)
    assert s['nmse_openai'] == pytest.approx(0.09, rel=1e-4)


def test_constant_error_is_free_only_when_centred():
    y = np.random.default_rng(0).normal(size=(50, 4))
    s = direct(y, y + 1.0).scalars
    assert s['fvu_centered_error'] == pytest.approx(0.0, abs=1e-5) and s['fvu'] > 0.5


def test_scaling_and_shifting_together_leave_fvu():
    rng = np.random.default_rng(0)
    y, y_hat = rng.normal(size=(50, 4)), rng.normal(size=(50, 4))
    base = direct(y, y_hat).scalars
    assert direct(3 * y, 3 * y_hat).scalars['fvu'] == pytest.approx(base['fvu'], rel=1e-5)
    assert direct(3 * y, 3 * y_hat).scalars['cosine'] == pytest.approx(base['cosine'])
    far = direct(y + 1000, y_hat + 1000, shift=1000.0).scalars
    assert far['fvu'] == pytest.approx(base['fvu'], rel=1e-3)


def test_no_variance_is_nan_with_a_reason():
    result = direct(np.ones((3, 2)), np.zeros((3, 2)))
    assert np.isnan(result.scalars['fvu']) and np.isnan(result.scalars['r2_per_dim_min'])
    assert any(line.startswith('fvu:') for line in result.warnings)
    assert result.scalars['nmse_openai'] == pytest.approx(1.0)


def test_identity_coder_is_perfect():
    x = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32) + 3
    found = runner.run({'r': reconstruction.Reconstruction()}, coder.Neurons(5),
                       lambda: runner.batches({'x': x}, 8))['r'].scalars
    assert found['fvu'] == 0.0 and found['mse'] == 0.0
    assert found['cosine'] == pytest.approx(1.0, abs=1e-6)
    assert found['relative_reconstruction_bias'] == pytest.approx(1.0, abs=1e-6)
