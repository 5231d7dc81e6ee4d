"""Latents as a sparse probability vector."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.types import Codes, Context, Pre


class Sparsemax(nn.Module):
    """f = scale * (projection of pre / scale on the simplex {p >= 0, Sum p = 1}).

        p_j = max(z_j - t, 0),  t = (Sum of the m largest z - 1) / m,
        m = the largest i with 1 + i z_(i) > Sum of the i largest z

    Martins and Astudillo 2016 (checked by its optimality conditions). The gradient goes
    through the support. Every row keeps at least one latent; a larger scale keeps more.
    """
    features: int
    scale: float = 1.0

    def problems(self):
        return ([] if self.scale > 0 else
                [f'scale: expected a positive number, got {self.scale}'])

    def __call__(self, pre: Pre, ctx: Context):
        """Dense codes [B, F], and no gate."""
        z = pre.dense().astype(jnp.float32) / self.scale
        ordered = -jnp.sort(-jax.lax.stop_gradient(z), axis=-1)
        sums = jnp.cumsum(ordered, axis=-1)
        count = jnp.arange(1, z.shape[-1] + 1)
        size = jnp.sum(1 + count * ordered > sums, axis=-1, keepdims=True)
        last = jnp.take_along_axis(ordered, size - 1, axis=-1)
        on = jax.lax.stop_gradient(z) >= last
        level = (jnp.sum(jnp.where(on, z, 0.0), -1, keepdims=True) - 1) / jnp.sum(
            on, -1, keepdims=True)
        return Codes(self.features, self.scale * jax.nn.relu(jnp.where(on, z - level, 0.0))), None
