"""Rows of unit norm, undone after decoding."""
import flax.linen as nn
import jax.numpy as jnp


class Unit(nn.Module):
    """x' = x / ||x||; a zero row stays zero. Rows keep their norm (ICFL, GBA, bilinear
    autoencoders), so this transform cannot be folded into weights."""
    d_in: int
    per_row = True

    def fit(self, sample):
        """Nothing to fit: every row carries its own norm."""

    def __call__(self, x):
        norm = jnp.linalg.norm(x, axis=-1, keepdims=True)
        return x / jnp.maximum(norm, 1e-12), norm

    def invert(self, y, c):
        return y * c
