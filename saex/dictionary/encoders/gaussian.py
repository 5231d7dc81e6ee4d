"""Codes drawn from a Gaussian (vSAE)."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.dictionary.encoders import linear
from saex.types import Context, DensePre


class Gaussian(nn.Module):
    """pre = mu + exp(logvar / 2) e in training, mu in evaluation, e ~ N(0, I), with

        mu = (x - b_dec) w_enc + b_enc,  logvar = x w_var + b_var, or 0 (learn_variance off)

    vSAE (checked against an index copy of the authors' repository; there the branch with
    fixed variance does not sample, ours does). The loss is `gaussian_kl`.

    Parameters: w_enc [D, F], b_enc [F]; w_var [D, F], b_var [F] when learn_variance.
    """
    d_in: int
    features: int
    pre_bias: bool = True
    learn_variance: bool = False
    provides = frozenset({'w_enc', 'mu', 'logvar'})

    def conflicts(self, provided):
        return linear.pre_bias_conflicts(self.pre_bias, provided)

    def setup(self):
        shape, zeros = (self.d_in, self.features), nn.initializers.zeros
        self.w_enc = self.param('w_enc', nn.initializers.lecun_uniform(), shape)
        self.b_enc = self.param('b_enc', zeros, shape[1:])
        if self.learn_variance:
            self.w_var = self.param('w_var', zeros, shape)
            self.b_var = self.param('b_var', zeros, shape[1:])

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to pre-activations [B, F], with extras mu and logvar [B, F]."""
        mu = (x - ctx.dictionary.bias() if self.pre_bias else x) @ self.w_enc + self.b_enc
        logvar = (x @ self.w_var + self.b_var if self.learn_variance
                  else jnp.zeros_like(mu))
        z = mu
        if ctx.train:
            if ctx.key is None:
                raise ValueError('the encoder gaussian draws codes in training: ctx.key is '
                                 'missing')
            z = mu + jnp.exp(0.5 * logvar) * jax.random.normal(ctx.key, mu.shape, mu.dtype)
        return DensePre(z, {'mu': mu, 'logvar': logvar})
