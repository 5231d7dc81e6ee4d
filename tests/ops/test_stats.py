import jax
import numpy as np
import pytest

from saex.ops import stats


def test_f1_by_hand():
    # tp 2 of on 3 and positives 5: precision 2/3, recall 2/5 -> 2 * 2 / 8
    np.testing.assert_allclose(stats.f1([2, 0, 0], [3, 4, 0], [5, 1, 0]), [0.5, 0, 0])
    assert stats.f1(np.ones((3, 1)), np.ones((3, 1)), np.ones(2)).shape == (3, 2)


def test_pca_of_a_known_covariance():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(4000, 2)) * [3.0, 1.0]
    axes = np.array([[0.6, 0.8], [0.8, -0.6]])
    mean, components, variances = stats.pca(latent @ axes + [5.0, -1.0])
    np.testing.assert_allclose(mean, [5.0, -1.0], atol=0.2)
    np.testing.assert_allclose(components, axes, atol=0.03)
    np.testing.assert_allclose(variances, [9.0, 1.0], rtol=0.08)


def test_pca_is_exact_on_four_points():
    mean, components, variances = stats.pca([[2, 1], [-2, 1], [0, 2], [0, 0]])
    np.testing.assert_allclose(mean, [0, 1])
    np.testing.assert_allclose(components, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(variances, [2.0, 0.5])


def test_logistic_intercept_is_the_log_odds():
    x = np.zeros((8, 1))                         # nothing to learn from: only base rates
    y = np.eye(2)[[0, 0, 0, 0, 0, 0, 1, 1]]
    w, b = stats.logistic(x, y)
    assert float(w[0, 0]) == 0.0
    assert float(b[0] - b[1]) == pytest.approx(np.log(3), abs=1e-3)
    w, b = stats.logistic(x, y, multinomial=False)
    np.testing.assert_allclose(b, [np.log(3), -np.log(3)], atol=1e-3)


@pytest.mark.parametrize('multinomial', [True, False])
def test_logistic_meets_the_first_order_conditions(multinomial):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 3)) * [1.0, 10.0, 0.1] + [0.0, 4.0, 2.0]
    label = (x[:, 0] + rng.normal(size=300) > 0).astype(int) + (x[:, 1] > 8)
    y, l2 = np.eye(3)[label], 0.05
    w, b = (np.asarray(v, np.float64) for v in stats.logistic(x, y, multinomial, l2))
    logits = x @ w + b
    if multinomial:
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
    else:
        p = 1 / (1 + np.exp(-logits))
    std = x.std(axis=0)
    z = (x - x.mean(axis=0)) / std
    np.testing.assert_allclose(z.T @ (p - y) / 300 + l2 * w * std[:, None], 0, atol=2e-4)
    np.testing.assert_allclose((p - y).mean(axis=0), 0, atol=2e-4)


def test_logistic_separates_what_is_separable():
    rng = np.random.default_rng(2)
    label = rng.integers(4, size=200)
    x = np.eye(4)[label] * 5 + rng.normal(size=(200, 4)) * 0.3
    w, b = stats.logistic(x, jax.nn.one_hot(label, 4))
    assert np.mean(np.argmax(x @ np.asarray(w) + np.asarray(b), 1) == label) == 1.0
