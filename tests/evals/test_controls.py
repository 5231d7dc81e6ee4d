import jax.numpy as jnp
import numpy as np
import pytest

from saex.evals import controls


def test_always_on_and_last_token():
    batch = {'x': jnp.zeros((3, 2)), 'tokens': jnp.array([2, 0, 2])}
    np.testing.assert_array_equal(controls.AlwaysOn().codes(batch), np.ones((3, 1)))
    np.testing.assert_array_equal(controls.LastToken(3).codes(batch),
                                  [[0, 0, 1], [1, 0, 0], [0, 0, 1]])


def test_window_knows_what_it_was_fitted_on():
    seen = np.array([[1, 2, 3], [0, 0, 1], [1, 2, 3], [9, 9, 9]])
    one = controls.Window.fit(seen)
    assert one.size == 3
    codes = one.codes({'window': jnp.array([[1, 2, 3], [3, 2, 1], [0, 0, 1]])})
    np.testing.assert_array_equal(codes.sum(1), [1, 0, 1])
    np.testing.assert_array_equal(one.windows[codes.argmax(1)[0]], [1, 2, 3])
    np.testing.assert_array_equal(controls.Window.fit(seen, most=1).windows, [[1, 2, 3]])


def test_linear_probe_reads_exclusive_states():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=90)
    truth = np.eye(3, dtype=bool)[label]
    x = np.eye(3)[label] * 4 + rng.normal(size=(90, 3)) * .2
    one = controls.LinearProbe.fit(x, truth)
    assert one.exclusive and one.size == 3
    np.testing.assert_array_equal(one.codes({'x': jnp.asarray(x)}), truth)


def test_linear_probe_reads_independent_bits():
    rng = np.random.default_rng(0)
    truth = rng.random((90, 3)) < .5
    x = (truth * 4.0) @ rng.normal(size=(3, 5)) + rng.normal(size=(90, 5)) * .01
    one = controls.LinearProbe.fit(x, truth)
    assert not one.exclusive
    np.testing.assert_array_equal(one.codes({'x': jnp.asarray(x)}), truth)


def test_posterior_is_hard_or_soft():
    batch = {'posterior': jnp.array([[.2, .7, .1], [.5, .5, 0]])}
    np.testing.assert_array_equal(controls.Posterior(3).codes(batch),
                                  [[0, 1, 0], [1, 0, 0]])
    soft = controls.Posterior(3, hard=False)
    np.testing.assert_array_equal(soft.codes(batch), batch['posterior'])


@pytest.mark.parametrize('one', [controls.AlwaysOn(), controls.LastToken(3),
                                 controls.Posterior(3)])
def test_detectors_reconstruct_nothing(one):
    assert one.reconstruct({}, None) is None and one.atoms() is None
