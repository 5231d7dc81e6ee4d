"""The k latents of largest magnitude, with their signs."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.types import Codes, Context, Pre


class AbsTopK(nn.Module):
    """f = pre on the k largest |pre| of the row, 0 elsewhere: one latent, two poles.

    AbsTopK (checked against SAELens, which follows the authors' code). No ReLU: with b_enc
    = 0, f(b + v) = -f(b - v). Dead latents need AuxK with `signed`.
    """
    features: int
    k: int = 32
    provides = frozenset({'signed'})

    def problems(self):
        if not 0 < self.k <= self.features:
            return [f'k: expected 1 to {self.features} (the number of latents), got {self.k}']
        return []

    def __call__(self, pre: Pre, ctx: Context):
        """Sparse codes [B, k], and no gate."""
        value = pre.dense()
        _, indices = jax.lax.top_k(jnp.abs(value), self.k)
        return Codes(self.features, values=jnp.take_along_axis(value, indices, axis=-1),
                     indices=indices), None

    def export(self):
        """SAELens's architecture, its own cfg keys, and thresholds or None."""
        return 'abstopk', {'k': self.k, 'rescale_acts_by_decoder_norm': False}, None
