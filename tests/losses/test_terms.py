"""Each term by hand on two rows and three latents."""
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.losses import dead, objective, reconstruction, sparsity
from saex.types import Codes, Context, DensePre, Output


class Threshold:
    def threshold(self):
        return jnp.array([0.5, 1.0, 1.0])


class Dictionary:
    selector = Threshold()
    w = jnp.array([[1.0, 0.0], [0.0, 2.0], [0.6, 0.8]])

    def norms(self):
        return jnp.array([1.0, 2.0, 1.0])

    def dead(self):
        return jnp.array([False, False, True])

    def bias(self):
        return jnp.array([5.0, 5.0])

    def decode_transformed(self, codes):
        return codes.dense() @ self.w + self.bias()


PRE = jnp.array([[1.0, 0.0, 0.5], [2.0, 3.0, -1.0]])
F = jnp.array([[1.0, 0.0, 0.0], [2.0, 3.0, 0.0]])
Y = jnp.array([[1.0, 1.0], [0.0, 2.0]])
Y_HAT = jnp.array([[0.0, 1.0], [0.0, 0.0]])
OUT = Output(x=Y, y=Y, pre=DensePre(PRE), codes=Codes(3, F), y_hat=Y_HAT,
             gate=(F > 0).astype(jnp.float32))
CTX = Context(dictionary=Dictionary())


@pytest.mark.parametrize('term, expected', [
    (reconstruction.mse, [1.0, 4.0]),
    (sparsity.l1, [1.0, 5.0]),
    (sparsity.l1_norm, [1.0, 8.0]),
    (sparsity.l0, [1.0, 2.0]),
    (lambda o, c: sparsity.l0_target(o, c, target=3.0), [0.25, 0.25]),   # (1.5/3 - 1)^2
    (sparsity.tanh, [np.tanh(4.0), np.tanh(8.0) + np.tanh(24.0)]),
    (sparsity.pre_act, [0.5, 2.0]),                                      # only latent 2
    (lambda o, c: sparsity.pre_act(o, c, only_dead=False), [2.5, 2.0]),
])
def test_by_hand(term, expected):
    np.testing.assert_allclose(term(OUT, CTX), expected, rtol=1e-6)


def test_auxk_by_hand():
    # residual e = [[1, 0], [0, 2]]; the one dead latent has pre .5 and -1, so it guesses
    # [.3, .4] and 0. Errors: .49 + .16 = .65 and 4. mean(e) = [.5, 1]; spread
    # (.25 + 1 + .25 + 1) / 2 = 1.25. One dead of k_aux = 2 gives the factor 1/2.
    value = dead.auxk(OUT, CTX, k_aux=2)
    np.testing.assert_allclose(value, [0.5 * 0.65 / 1.25, 0.5 * 4.0 / 1.25], rtol=1e-6)


def test_a_term_whose_needs_are_not_met_is_refused():
    with pytest.raises(config.ConfigError, match='l0 needs gate'):
        objective.build({'l0': {}}, frozenset(), 10)
