"""How many latents fire, how often each one does, and which never do."""
import dataclasses

import jax.numpy as jnp
import numpy as np

from saex.evals import runner

EDGES = np.linspace(-10.0, 0.0, 101)     # of log10 density, the bins of SAEBench


@dataclasses.dataclass(frozen=True)
class Sparsity:
    """A latent fires on a row when its code is not 0. Over the unmasked rows:

        l0, l0_std         mean and standard deviation of the latents that fire on a row
        l1                 mean Sum_j |f_j|
        dead_fraction      latents that fire on none of these rows, of all M. The window
                           is these rows (`sparsity_rows`): a latent rarer than one in as
                           many counts as dead
        alive_fraction     1 - dead_fraction
        dense_fraction     latents that fire on more than `dense` of the rows
        density_entropy    H(q) / log M with q_j = p_j / Sum p, in [0, 1]; 1 when all fire
                           equally often

    per_latent: density p_j (fraction of the rows), mean_active (mean code of the rows on
    which it fires; NaN if none), max (largest |code|). arrays: density_histogram, latents
    by log10 p_j with bin edges density_edges (a dead latent is in the first bin).
    """
    dense: float = 0.1

    needs = frozenset({'codes'})
    passes = 1
    reduce = ({'rows': 'sum', 'l0': 'sum', 'l0_square': 'sum', 'l1': 'sum',
               'count': 'sum', 'total': 'sum', 'max': 'max'},)

    def problems(self):
        return [] if 0 < self.dense < 1 else [
            f'dense: expected a fraction between 0 and 1, got {self.dense}']

    def init(self, spec, previous):
        zeros = {name: jnp.zeros(()) for name in ('rows', 'l0', 'l0_square', 'l1')}
        return zeros | {name: jnp.zeros(spec['size']) for name in ('count', 'total', 'max')}

    def update(self, state, coder, batch):
        mask, codes = batch['mask'].astype(jnp.float32), batch['codes']
        on = (codes != 0).astype(jnp.float32)
        l0 = on.sum(axis=-1)
        size = jnp.abs(codes) * mask[:, None]
        sums = {'rows': mask.sum(), 'l0': mask @ l0, 'l0_square': mask @ l0 ** 2,
                'l1': size.sum(), 'count': mask @ on, 'total': mask @ codes}
        return {name: state[name] + value for name, value in sums.items()} | {
            'max': jnp.maximum(state['max'], size.max(axis=0))}

    def finalize(self, states, spec):
        s, = states
        n, count = s['rows'], s['count']
        with np.errstate(divide='ignore', invalid='ignore'):
            density = count / n
            l0 = s['l0'] / n
            scalars = {
                'l0': l0,
                'l0_std': np.sqrt(np.maximum(s['l0_square'] / n - l0 ** 2, 0.0)),
                'l1': s['l1'] / n,
                'dead_fraction': np.mean(count == 0) if n else np.nan,
                'alive_fraction': np.mean(count > 0) if n else np.nan,
                'dense_fraction': np.mean(density > self.dense) if n else np.nan,
                'density_entropy': _entropy(count),
                'sparsity_rows': n,
            }
            mean_active = np.where(count > 0, s['total'] / count, np.nan)
        logs = np.log10(np.maximum(np.nan_to_num(density), 10.0 ** EDGES[0]))
        why = ['density_entropy: needs two latents and one that fires'] if np.isnan(
            scalars['density_entropy']) else []
        return runner.Result(
            scalars={k: float(v) for k, v in scalars.items()},
            per_latent={'density': density, 'mean_active': mean_active, 'max': s['max']},
            arrays={'density_histogram': np.histogram(logs, EDGES)[0],
                    'density_edges': EDGES},
            warnings=why)


def _entropy(count: np.ndarray) -> float:
    if count.size < 2 or count.sum() == 0:
        return np.nan
    q = count[count > 0] / count.sum()
    return float(-np.sum(q * np.log(q)) / np.log(count.size))
