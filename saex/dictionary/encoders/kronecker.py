"""Latents as pairs: a factored encoder (KronSAE)."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.dictionary.encoders import linear
from saex.types import Context, DensePre

COMBINE = ('mand', 'product', 'raw')


class Kronecker(nn.Module):
    """Latent (h, i, j) is the conjunction of two parents of head h:

        (p, q)_h  = max((x - b_dec) w_enc + b_enc, 0)_h        p [m], q [n]
        pre_hij   = sqrt(p_hi q_hj)                            combine = 'mand'

    F = heads m n latents from heads (m + n) directions. combine='product' takes p q,
    'raw' the product without the max (the ablations). KronSAE (checked against the paper's
    listing). Deviation: the listing's sqrt(p q + 1e-5) gives a dead pair .003; ours is
    exactly 0 there, with no gradient.

    Parameters: w_enc [D, heads (m + n)], b_enc [heads (m + n)].
    """
    d_in: int
    features: int
    heads: int
    m: int
    n: int
    combine: str = 'mand'
    pre_bias: bool = False

    def problems(self):
        found = []
        if self.heads * self.m * self.n != self.features:
            found.append(f'heads: heads * m * n is {self.heads * self.m * self.n}, but there '
                         f'are {self.features} latents')
        if self.combine not in COMBINE:
            found.append(f'combine: expected one of {", ".join(COMBINE)}, got '
                         f'{self.combine!r}')
        return found

    def conflicts(self, provided):
        return linear.pre_bias_conflicts(self.pre_bias, provided)

    def setup(self):
        width = self.heads * (self.m + self.n)
        self.w_enc = self.param('w_enc', nn.initializers.normal(
            (2 * self.features) ** -0.5), (self.d_in, width))
        self.b_enc = self.param('b_enc', nn.initializers.zeros, (width,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to pre-activations [B, F]."""
        if self.pre_bias:
            x = x - ctx.dictionary.bias()
        parents = (x @ self.w_enc + self.b_enc).reshape(-1, self.heads, self.m + self.n)
        if self.combine != 'raw':
            parents = jax.nn.relu(parents)
        pair = parents[..., :self.m, None] * parents[..., None, self.m:]
        if self.combine == 'mand':
            on = pair > 0
            pair = jnp.where(on, jnp.sqrt(jnp.where(on, pair, 1.0)), 0.0)
        return DensePre(pair.reshape(-1, self.features))
