"""Codes by orthogonal matching pursuit."""
import flax.linen as nn

from saex.ops import pursuit
from saex.types import Context, DensePre


class Omp(nn.Module):
    """k steps of orthogonal matching pursuit on x - b_dec, least squares (non-negative: NNLS).

    OMP and NNLS dictionary learning (checked against overcomplete), ITDA's and ICFL's coder.
    Codes carry no gradient: only the decoder learns, as in the method of optimal directions.

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
        return DensePre(pursuit.orthogonal(x - dictionary.bias(), dictionary.atoms(), self.k,
                        self.nonneg, ctx.kept))
