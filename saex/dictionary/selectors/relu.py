"""Every positive latent is active."""
import flax.linen as nn
import jax

from saex.types import Codes, Context, Pre


class Relu(nn.Module):
    """f = max(pre, 0). Sparsity comes from a penalty (losses/sparsity.py)."""
    features: int

    def __call__(self, pre: Pre, ctx: Context):
        """Codes of the B rows, and no gate."""
        return Codes(self.features, jax.nn.relu(pre.dense())), None

    def export(self):
        """SAELens's architecture, its own cfg keys, and thresholds or None."""
        return 'standard', {}, None
