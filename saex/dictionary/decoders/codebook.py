"""The mean (or sum) of the chosen codes."""
import flax.linen as nn
import jax.numpy as jnp

from saex.types import Codes


class Codebook(nn.Module):
    """y_hat = Sum_j f_j w_dec_j / Sum_j f_j (mean) or the sum, for codes that are 0 or 1.

    Codebook features (Tamkin et al. 2023: mean; checked against codebook-features; the port
    in e2e_sae sums). No bias. Parameters: w_dec [F, E].
    """
    d_out: int
    features: int
    mean: bool = True
    provides = frozenset({'codes'})

    def setup(self):
        self.w_dec = self.param('w_dec', nn.initializers.normal(), (self.features,
                                                                    self.d_out))

    def __call__(self, codes: Codes, x=None):
        """Codes of B rows to [B, E]."""
        f = codes.dense()
        total = f @ self.w_dec
        return total / jnp.maximum(f.sum(-1, keepdims=True), 1.0) if self.mean else total

    def atoms(self):
        """[F, E], one row for each code."""
        return self.w_dec

    def norms(self):
        """Euclidean norm of each code, [F]."""
        return jnp.linalg.norm(self.w_dec, axis=-1)

    def bias(self):
        """0 [E]."""
        return jnp.zeros(self.d_out)
