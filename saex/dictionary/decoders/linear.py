"""The linear decoder."""
import flax.linen as nn
import jax.numpy as jnp

from saex.ops import sparse
from saex.types import Codes


class Linear(nn.Module):
    """y_hat = f w_dec + b_dec. Parameters: w_dec [F, E], b_dec [E].

    path and precision: ops/sparse.py.
    """
    d_out: int
    features: int
    path: str = 'auto'
    precision: str = 'float32'
    provides = frozenset({'atoms'})
    plain = True           # y_hat is codes @ atoms() + bias() and nothing else

    def setup(self):
        self.w_dec = self.param('w_dec', nn.initializers.lecun_uniform(in_axis=1, out_axis=0),
                                (self.features, self.d_out))
        self.b_dec = self.param('b_dec', nn.initializers.zeros, (self.d_out,))

    def __call__(self, codes: Codes, x=None):
        """Codes of B rows to [B, E]."""
        return sparse.decode(codes, self.w_dec, self.path, self.precision) + self.b_dec

    def atoms(self):
        """[F, E], one row for each latent."""
        return self.w_dec

    def norms(self):
        """Euclidean norm of each atom, [F]."""
        return jnp.linalg.norm(self.w_dec, axis=-1)

    def bias(self):
        """[E]."""
        return self.b_dec
