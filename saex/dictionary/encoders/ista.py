"""Codes by proximal gradient steps, from zero or from a predictor."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.dictionary.encoders import _search
from saex.ops import pursuit
from saex.types import Context, DensePre


class Ista(nn.Module):
    """z after `steps` of ISTA on ||x - b_dec - z D||^2 / 2 + l1 ||z||_1 over the atoms.

    The step size is 1 / ||D||^2. predictor: start from F(x) = g max((x - b_dec) w_enc +
    b_enc, 0) and report commit = (sg(z) - F(x))^2, whose loss is `commit`; evaluation then
    is F alone (predictive sparse decomposition, Kavukcuoglu et al. 2010; reconstructed. The
    paper's F is g tanh; ours is the non-negative one, tanh when nonneg is off).
    unrolled: gradients flow through the steps, else z is held constant.

    Parameters with predictor: w_enc [D, F], b_enc [F], gain [F].
    """
    d_in: int
    features: int
    l1: float = 0.1
    steps: int = 20
    nonneg: bool = True
    predictor: bool = False
    unrolled: bool = True
    needs = frozenset({'atoms'})

    @property
    def provides(self):
        return frozenset({'searched'} | ({'w_enc', 'commit'} if self.predictor else set()))

    def problems(self):
        found = [] if self.steps >= 1 else [f'steps: expected 1 or more, got {self.steps}']
        return found + ([] if self.l1 >= 0 else [f'l1: expected 0 or more, got {self.l1}'])

    def conflicts(self, provided):
        return _search.conflicts(self.nonneg, provided)

    def setup(self):
        if self.predictor:
            self.w_enc = self.param('w_enc', nn.initializers.lecun_uniform(),
                                    (self.d_in, self.features))
            self.b_enc = self.param('b_enc', nn.initializers.zeros, (self.features,))
            self.gain = self.param('gain', nn.initializers.ones, (self.features,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to codes [B, F]; with a predictor, extras commit [B, F]."""
        dictionary, x = ctx.dictionary, x - ctx.dictionary.bias()
        if not self.predictor:
            return DensePre(self._search(x, dictionary.atoms(), None, ctx.kept))
        bend = jax.nn.relu if self.nonneg else jnp.tanh
        guess = self.gain * bend(x @ self.w_enc + self.b_enc)
        if not ctx.train:
            return DensePre(guess)
        z = self._search(x, dictionary.atoms(), jax.lax.stop_gradient(guess), ctx.kept)
        return DensePre(z, {'commit': (jax.lax.stop_gradient(z) - guess) ** 2})

    def _search(self, x, atoms, start, kept):
        z = pursuit.ista(x, atoms, self.l1, self.steps, start, self.nonneg, kept)
        return z if self.unrolled else jax.lax.stop_gradient(z)
