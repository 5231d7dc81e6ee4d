"""Per-row standardisation, undone after decoding."""
import flax.linen as nn
import jax.numpy as jnp


class Standardise(nn.Module):
    """x' = (x - mean(x)) / (std(x) + eps) over the D coordinates of each row.

    std is the unbiased one (divisor D - 1), as torch's default is; eps 1e-5 (Gao et al.
    2024; checked against MLSAE and BatchTopK). Rows keep their own mean and std, so this
    transform cannot be folded into weights.
    """
    d_in: int
    eps: float = 1e-5
    per_row = True

    def fit(self, sample):
        """Nothing to fit: every row carries its own statistics."""

    def __call__(self, x):
        mean = x.mean(axis=-1, keepdims=True)
        std = jnp.std(x, axis=-1, keepdims=True, ddof=1) + self.eps
        return (x - mean) / std, (mean, std)

    def invert(self, y, c):
        mean, std = c
        return y * std + mean
