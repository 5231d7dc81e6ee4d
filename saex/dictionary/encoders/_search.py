"""What encoders that search the atoms share."""
import flax.linen as nn

from saex.types import Context, DensePre


class Search(nn.Module):
    """pre = search(x - b_dec, atoms, k, nonneg, kept), a function of ops/pursuit.py.

    nonneg: codes >= 0; else choose them with a selector that keeps signs.
    """
    features: int
    k: int = 32
    nonneg: bool = True
    needs = frozenset({'atoms'})
    provides = frozenset({'searched'})
    search = None       # a static method of the subclass

    def problems(self):
        if not 0 < self.k <= self.features:
            return [f'k: expected 1 to {self.features} (the number of latents), got {self.k}']
        return []

    def conflicts(self, provided):
        return conflicts(self.nonneg, provided)

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to codes [B, F]."""
        dictionary = ctx.dictionary
        return DensePre(self.search(x - dictionary.bias(), dictionary.atoms(), self.k,
                                    self.nonneg, ctx.kept))


def conflicts(nonneg: bool, provided) -> list[str]:
    """What a search cannot work with."""
    found = []
    if 'y' in provided:
        found.append('name: a search codes its own target, and y is another; name linear')
    if not nonneg and 'signed' not in provided:
        found.append('nonneg: codes of either sign need a selector that keeps signs (abs_topk, '
                     "or general with value='signed')")
    return found
