"""Gaussian noise on the encoder's input."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.types import Context


class Noise(nn.Module):
    """x~ = x + scale e in training, e ~ N(0, I); the target stays clean (denoising
    autoencoders). scale is in units of the transformed input."""
    scale: float = 0.1
    provides = frozenset({'clean'})

    def problems(self):
        return [] if self.scale >= 0 else [f'scale: expected 0 or more, got {self.scale}']

    def __call__(self, x, ctx: Context):
        """x [B, D] to (x~ [B, D], kept [B, D])."""
        kept = jnp.ones_like(x)
        if not ctx.train:
            return x, kept
        key = jax.random.fold_in(ctx.key, 1)
        return x + self.scale * jax.random.normal(key, x.shape, x.dtype), kept
