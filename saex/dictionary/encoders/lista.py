"""ISTA with learned matrices."""
import flax.linen as nn
import jax.numpy as jnp

from saex.dictionary.encoders import linear
from saex.ops import pursuit
from saex.types import Context, DensePre


class Lista(nn.Module):
    """z_0 = shrink(u, t),  z_{i+1} = shrink(u - z_i w_inhibit, t),  u = (x - b_dec) w_enc.

    With w_enc = D^T / L, w_inhibit = D D^T / L - I and t = l1 / L this is ISTA. LISTA (Gregor
    and LeCun 2010; reconstructed). w_inhibit is shared by the `steps` and starts at 0, so
    that the first code is that of a ReLU encoder with threshold t.

    Parameters: w_enc [D, F], w_inhibit [F, F], level [F].
    """
    d_in: int
    features: int
    steps: int = 3
    init: float = 0.01
    nonneg: bool = True
    pre_bias: bool = True
    provides = frozenset({'w_enc'})

    def conflicts(self, provided):
        return linear.pre_bias_conflicts(self.pre_bias, provided)

    def setup(self):
        self.w_enc = self.param('w_enc', nn.initializers.lecun_uniform(),
                                (self.d_in, self.features))
        self.w_inhibit = self.param('w_inhibit', nn.initializers.zeros,
                                    (self.features, self.features))
        self.level = self.param('level', nn.initializers.constant(self.init),
                                (self.features,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to codes [B, F]."""
        u = (x - ctx.dictionary.bias() if self.pre_bias else x) @ self.w_enc
        z = pursuit.shrink(u, self.level, self.nonneg)
        for _ in range(self.steps):
            z = pursuit.shrink(u - jnp.matmul(z, self.w_inhibit), self.level, self.nonneg)
        return DensePre(z)
