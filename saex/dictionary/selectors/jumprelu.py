"""A learned threshold for each latent."""
import math

import flax.linen as nn
import jax.numpy as jnp

from saex.ops import ste
from saex.types import Codes, Context, Pre


class JumpRelu(nn.Module):
    """f = pre 1[pre > theta], theta [F] learned by straight-through estimators (ops/ste.py).

    Rajamanoharan et al. 2024 (checked). parametrisation 'direct' trains theta itself (keep
    it above a floor with the constraint `floor`); 'log' trains log theta, whose gradient
    carries the factor theta by the chain rule. Adam moves a log threshold by at most
    exp(lr steps), so short runs want 'direct'. `to_input` lets the jump reach the
    pre-activation too (Anthropic, January 2025). init and bandwidth are in units of the
    transformed input; thresholds stay float32.

    Parameters: threshold [F] or log_threshold [F]. The gate is the step function of the
    *pre*-activation, for L0 penalties.
    """
    features: int
    init: float = 0.001
    bandwidth: float = 0.001
    parametrisation: str = 'direct'
    to_input: bool = False
    provides = frozenset({'gate', 'threshold'})

    def problems(self):
        found = []
        if self.parametrisation not in ('direct', 'log'):
            found.append("parametrisation: expected 'direct' or 'log', got "
                         f'{self.parametrisation!r}')
        for name in ('init', 'bandwidth'):
            if not getattr(self, name) > 0:
                found.append(f'{name}: expected a positive number, got {getattr(self, name)}')
        return found

    def setup(self):
        if self.parametrisation == 'log':
            self.raw = self.param('log_threshold', nn.initializers.constant(
                math.log(self.init)), (self.features,))
        else:
            self.raw = self.param('threshold', nn.initializers.constant(self.init),
                                  (self.features,))

    def threshold(self):
        """theta [F]."""
        return jnp.exp(self.raw) if self.parametrisation == 'log' else self.raw

    def __call__(self, pre: Pre, ctx: Context):
        """Dense codes [B, F] and the gate [B, F]."""
        value, theta = pre.dense().astype(jnp.float32), self.threshold()
        codes = ste.jump(value, theta, self.bandwidth, self.to_input)
        gate = ste.step(value, theta, self.bandwidth, self.to_input)
        return Codes(self.features, codes), gate

    def export(self):
        """SAELens's architecture, its own cfg keys, and thresholds or None."""
        return 'jumprelu', {}, self.threshold()
