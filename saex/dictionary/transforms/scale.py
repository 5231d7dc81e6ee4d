"""One scalar for the whole data set."""
import flax.linen as nn
import jax.numpy as jnp


class Scale(nn.Module):
    """x' = x c, with one scalar c such that E||x'||^2 = 1 (to='one') or D (to='width').

    to='one' is Gemma Scope's convention (Lieberum et al. 2024, section 3; checked),
    to='width' the one of default.md's measurements. The scale is a statistic: it is saved
    with every checkpoint and undone after decoding.
    """
    d_in: int
    to: str = 'one'

    def problems(self):
        if self.to not in ('one', 'width'):
            return [f"to: expected 'one' or 'width', got {self.to!r}"]
        return []

    def setup(self):
        self.scale = self.variable('stats', 'scale', jnp.ones, ())

    def fit(self, sample):
        """Sets the scale from sample [N, D]."""
        target = 1.0 if self.to == 'one' else float(self.d_in)
        power = jnp.mean(jnp.sum(sample.astype(jnp.float32) ** 2, axis=-1))
        self.scale.value = jnp.sqrt(target / jnp.maximum(power, 1e-30))

    def __call__(self, x):
        return x * self.scale.value, None

    def invert(self, y, c):
        return y / self.scale.value

    def affine(self):
        return jnp.zeros(self.d_in), self.scale.value
