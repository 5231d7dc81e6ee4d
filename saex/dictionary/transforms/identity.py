"""x' = x."""
import flax.linen as nn
import jax.numpy as jnp


class Identity(nn.Module):
    """Leaves the input as it is."""
    d_in: int

    def fit(self, sample):
        """Nothing to fit."""

    def __call__(self, x):
        """x [B, D] to (x', c); c is what `invert` needs of each row."""
        return x, None

    def invert(self, y, c):
        """y' [B, E] back to raw space."""
        return y

    def affine(self):
        """(shift [D], scale []) with x' = (x - shift) * scale, for folding into weights."""
        return jnp.zeros(self.d_in), jnp.ones(())
