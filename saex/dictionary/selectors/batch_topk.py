"""The B k largest latents of the whole batch."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.ops import select
from saex.types import Codes, Context, Pre


class BatchTopK(nn.Module):
    """Training: f = max(pre, 0) where it is among the k n largest of the n real rows.

    Evaluation: f = max(pre, 0) where pre >= tau, so that a row's codes do not depend on
    its batch. tau is the average (exponential, with the start-up bias divided out) of the
    smallest kept value of the training batches, saved in `stats`.
    Bussmann et al. 2024 (checked against bartbussmann/BatchTopK and SAELens; the bias
    correction is ours: their averages start at 0 or -1 and are wrong early).

    The batch is the global batch on every mesh; masked rows take no part. Exact ties at
    the threshold are all kept. k may be fractional. row_cap > 0 considers only the row_cap
    largest latents of a row, in training and in evaluation: codes are then sparse, and the
    same as without it as long as no row wants more.
    """
    features: int
    k: float = 32.0
    threshold_rate: float = 0.01
    row_cap: int = 0

    def problems(self):
        found = []
        if not 0 < self.k <= self.features:
            found.append(f'k: expected a number in (0, {self.features}] (the number of '
                         f'latents), got {self.k}')
        if self.row_cap and not self.k <= self.row_cap <= self.features:
            found.append(f'row_cap: expected 0 (none) or {self.k:g} (k) to {self.features}, '
                         f'got {self.row_cap}')
        if not 0 < self.threshold_rate <= 1:
            found.append(f'threshold_rate: expected a number in (0, 1], '
                         f'got {self.threshold_rate}')
        return found

    def setup(self):
        self.total = self.variable('stats', 'threshold_total', jnp.zeros, ())
        self.weight = self.variable('stats', 'threshold_weight', jnp.zeros, ())

    def threshold(self):
        """tau, a scalar; 0 before the first training step."""
        return self.total.value / jnp.maximum(self.weight.value, 1e-30)

    def __call__(self, pre: Pre, ctx: Context):
        """Codes, dense or with a row_cap sparse [B, row_cap], and no gate."""
        if self.row_cap:
            values, indices = pre.top_k(self.row_cap)
            kept = self._keep(jax.nn.relu(values), ctx)
            return Codes(self.features, values=kept, indices=indices), None
        return Codes(self.features, self._keep(jax.nn.relu(pre.dense()), ctx)), None

    def _keep(self, active, ctx):
        """active [B, any] with zeros below the threshold of the batch, or tau."""
        if not ctx.train:
            return jnp.where(active >= self.threshold(), active, 0)
        rows = active.shape[0]
        if ctx.mask is not None:
            active = active * ctx.mask[:, None].astype(active.dtype)
            rows = jnp.sum(ctx.mask)
        budget = jnp.round(self.k * rows).astype(jnp.int32)
        tau = select.kth_largest_positive(active, budget)
        kept = jnp.where(active >= tau, active, 0)
        if self.is_mutable_collection('stats'):
            self._observe(kept)
        return kept

    def _observe(self, kept):
        smallest = jnp.min(jnp.where(kept > 0, kept, jnp.inf))
        rate = jnp.where(jnp.isfinite(smallest), self.threshold_rate, 0.0)
        smallest = jax.lax.stop_gradient(jnp.where(rate > 0, smallest, 0.0))
        self.total.value = (1 - rate) * self.total.value + rate * smallest
        self.weight.value = (1 - rate) * self.weight.value + rate

    def export(self):
        """A JumpReLU with the evaluation threshold. SAELens keeps pre > theta, we keep
        pre >= tau: theta is a hair below tau."""
        return 'jumprelu', {}, self.threshold() * (1 - 1e-6)
