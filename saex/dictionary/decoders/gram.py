"""The decoder of a bilinear autoencoder: quadratic features rebuild x x^T."""
import flax.linen as nn
import jax.numpy as jnp

from saex.types import Codes


class Gram(nn.Module):
    """X_hat = Sum_h f_h l_h r_h^T approximates x x^T; the loss is `gram`, which never forms it.

    y_hat is X_hat applied to x, Sum_h f_h l_h (r_h . x), which is x ||x||^2 where X_hat is
    exact, and so x itself on unit rows (the reading of X_hat in x's space is ours).
    Dooms's bilinear autoencoder (checked against tdooms/bae).

    Parameters: left, right [F, D].
    """
    d_in: int
    d_out: int
    features: int
    provides = frozenset({'gram', 'factors'})
    needs = frozenset({'quadratic_codes'})

    def conflicts(self, provided):
        return (['name: x x^T is rebuilt from the codes of x; it has no other target y']
                if 'y' in provided else [])

    def setup(self):
        init = nn.initializers.orthogonal()
        self.left = self.param('left', init, (self.features, self.d_in))
        self.right = self.param('right', init, (self.features, self.d_in))

    def __call__(self, codes: Codes, x=None):
        """Codes of B rows and the rows x [B, D] to [B, D]."""
        if x is None:
            raise ValueError('the decoder gram reconstructs only beside its input x')
        return (codes.dense() * (x @ self.right.T)) @ self.left

    def factors(self):
        """(L, R), [F, D] each."""
        return self.left, self.right

    def gram(self):
        """(L L^T) * (R R^T) [F, F]: inner products of the features l_h r_h^T."""
        return (self.left @ self.left.T) * (self.right @ self.right.T)

    def atoms(self):
        """(l_h + r_h) / 2 [F, D]: the feature's own direction where l = r."""
        return 0.5 * (self.left + self.right)

    def norms(self):
        """Frobenius norm of l_h r_h^T, [F]."""
        return jnp.linalg.norm(self.left, axis=-1) * jnp.linalg.norm(self.right, axis=-1)

    def bias(self):
        """0 [D]."""
        return jnp.zeros(self.d_out)
