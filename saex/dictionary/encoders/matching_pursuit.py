"""Codes by matching pursuit (MP-SAE)."""
import flax.linen as nn

from saex.ops import pursuit
from saex.types import Context, DensePre


class MatchingPursuit(nn.Module):
    """k steps of matching pursuit on x - b_dec over the atoms; the search is the encoder.

    MP-SAE (checked against overcomplete and SAELens): gradients reach the atoms through the
    chosen inner products. Wants the constraint `unit_rows`. A code of k may be read at any
    k' < k: it is the first k' steps.

    nonneg: codes >= 0, for the selector `relu`; otherwise choose with a signed selector.
    """
    features: int
    k: int = 32
    nonneg: bool = True
    needs = frozenset({'atoms'})

    def problems(self):
        if not 0 < self.k <= self.features:
            return [f'k: expected 1 to {self.features} (the number of latents), got {self.k}']
        return []

    def conflicts(self, provided):
        return (['name: a search codes its own target, and y is another; name linear']
                if 'y' in provided else [])

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to codes [B, F]."""
        dictionary = ctx.dictionary
        return DensePre(pursuit.matching(x - dictionary.bias(), dictionary.atoms(), self.k,
                        self.nonneg, ctx.kept))
