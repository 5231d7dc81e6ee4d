"""Each coordinate to the unit interval."""
import flax.linen as nn
import jax.numpy as jnp


class MinMax(nn.Module):
    """x'_d = (x_d - low_d) / (high_d - low_d), from the extremes of a sample; a coordinate
    that does not vary becomes 0. Rows beyond the sample leave [0, 1]."""
    d_in: int

    def setup(self):
        self.low = self.variable('stats', 'low', jnp.zeros, (self.d_in,))
        self.range = self.variable('stats', 'range', jnp.ones, (self.d_in,))

    def fit(self, sample):
        """Sets the extremes from sample [N, D]."""
        low, high = sample.min(0), sample.max(0)
        self.low.value = low
        self.range.value = jnp.where(high > low, high - low, 1.0)

    def __call__(self, x):
        return (x - self.low.value) / self.range.value, None

    def invert(self, y, c):
        return y * self.range.value + self.low.value
