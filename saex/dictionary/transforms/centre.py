"""Subtract a fitted centre."""
import flax.linen as nn
import jax.numpy as jnp

from saex.ops import moments


class Centre(nn.Module):
    """x' = x - m, with m the mean or the geometric median of a sample, [D]."""
    d_in: int
    by: str = 'mean'

    def problems(self):
        if self.by not in ('mean', 'geometric_median'):
            return [f"by: expected 'mean' or 'geometric_median', got {self.by!r}"]
        return []

    def setup(self):
        self.centre = self.variable('stats', 'centre', jnp.zeros, (self.d_in,))

    def fit(self, sample):
        """Sets the centre from sample [N, D]."""
        sample = sample.astype(jnp.float32)
        median = self.by == 'geometric_median'
        self.centre.value = moments.geometric_median(sample) if median else sample.mean(0)

    def __call__(self, x):
        return x - self.centre.value, None

    def invert(self, y, c):
        return y + self.centre.value

    def affine(self):
        return self.centre.value, jnp.ones(())
