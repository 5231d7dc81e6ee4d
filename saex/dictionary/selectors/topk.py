"""The k largest latents of each row."""
import flax.linen as nn
import jax

from saex.types import Codes, Context, Pre


class TopK(nn.Module):
    """f = max(pre, 0) on the k largest pre-activations of the row, 0 elsewhere.

    Gao et al. 2024 (checked against openai/sparse_autoencoder). The gradient flows through
    the kept entries only. ||f||_0 <= k, with fewer where a kept pre-activation is <= 0.
    """
    features: int
    k: int = 32

    def problems(self):
        if not 0 < self.k <= self.features:
            return [f'k: expected 1 to {self.features} (the number of latents), got {self.k}']
        return []

    def __call__(self, pre: Pre, ctx: Context):
        """Sparse codes [B, k], and no gate."""
        values, indices = pre.top_k(self.k)
        return Codes(self.features, values=jax.nn.relu(values), indices=indices), None

    def export(self):
        """SAELens's architecture, its own cfg keys, and thresholds or None."""
        return 'topk', {'k': self.k, 'rescale_acts_by_decoder_norm': False}, None
