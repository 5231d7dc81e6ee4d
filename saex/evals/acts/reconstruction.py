"""How much of the activations the reconstruction keeps: each formula under its own name."""
import dataclasses

import jax.numpy as jnp
import numpy as np

from saex.evals import runner


@dataclasses.dataclass(frozen=True)
class Reconstruction:
    """With y [N, D] the target (batch['y'], else x), y' its reconstruction, e = y - y',
    all in raw activation space, and means and sums over the unmasked rows:

        mse                   mean ||e||^2, summed over D
        mse_per_dim           mse / D
        fvu                   Sum ||e||^2 / Sum ||y - mean(y)||^2
        explained_variance    1 - fvu
        fvu_centered_error    Sum_d Var(e_d) / Sum_d Var(y_d): a constant error is free
        nmse_openai           mean (||e||^2 / ||y||^2), of rows with y != 0
        r2_per_dim_median     median over d of 1 - Sum e_d^2 / Sum (y_d - mean(y_d))^2,
        r2_per_dim_min        and the minimum; dimensions without variance are left out
        cosine                mean cos(y, y'), of rows with y != 0 (0 where y' = 0)
        l2_ratio              mean (||y'|| / ||y||), of rows with y != 0; < 1 is shrinkage
        relative_reconstruction_bias
                              Sum ||y'||^2 / Sum <y', y>, the g of least ||y'/g - y||^2;
                              < 1 is shrinkage (Rajamanoharan et al. 2024, Gated SAEs)
        reconstruction_rows   rows that were counted

    Sources: fvu and explained_variance are SAELens' streaming form, fvu_centered_error
    is dictionary_learning's, nmse_openai that of openai/sparse_autoencoder (whose y is
    centred first; here it is raw), the bias SAEBench's; all checked against those codes.
    SAELens' older per-token explained variance depends on how rows fall into batches and
    is left out.

    arrays: r2_per_dim [D], NaN for a dimension without variance.
    """
    needs = frozenset({'x', 'y_hat', 'shift'})
    passes = 1
    reduce = ('sum',)

    def init(self, spec, previous):
        d = np.shape(spec['shift'])        # the target's width
        scalars = ('rows', 'nonzero', 'hat', 'dot', 'cosine', 'ratio', 'relative')
        vectors = ('y', 'y_square', 'error', 'error_square')
        return {name: jnp.zeros(()) for name in scalars} | {
            name: jnp.zeros(d) for name in vectors}

    def update(self, state, coder, batch):
        mask = batch['mask'].astype(jnp.float32)
        y = batch.get('y', batch['x']).astype(jnp.float32)
        y_hat = batch['y_hat']
        error, shifted = y - y_hat, y - batch['shift']
        length, length_hat = (jnp.linalg.norm(v, axis=-1) for v in (y, y_hat))
        nonzero = mask * (length > 0)
        # 1 stands in for a length of 0, whose rows have weight 0
        over = 1.0 / jnp.where(length > 0, length, 1.0)
        over_hat = 1.0 / jnp.where(length_hat > 0, length_hat, 1.0)
        dot = jnp.sum(y * y_hat, axis=-1)
        sums = {
            'rows': mask.sum(),
            'nonzero': nonzero.sum(),
            'hat': mask @ length_hat ** 2,
            'dot': mask @ dot,
            'cosine': nonzero @ (dot * over * over_hat),
            'ratio': nonzero @ (length_hat * over),
            'relative': nonzero @ (jnp.sum(error ** 2, axis=-1) * over ** 2),
            'y': mask @ shifted,
            'y_square': mask @ shifted ** 2,
            'error': mask @ error,
            'error_square': mask @ error ** 2,
        }
        return {name: state[name] + value for name, value in sums.items()}

    def finalize(self, states, spec):
        s, = states
        n, nonzero = s['rows'], s['nonzero']
        with np.errstate(divide='ignore', invalid='ignore'):
            spread = _clean(s['y_square'] - s['y'] ** 2 / n, s['y_square'])
            error_spread = s['error_square'] - s['error'] ** 2 / n
            squares, total = s['error_square'].sum(), spread.sum()
            r2 = np.where(spread > 0, 1.0 - s['error_square'] / spread, np.nan)
            fvu = squares / total if total > 0 else np.nan
            scalars = {
                'mse': squares / n,
                'mse_per_dim': squares / n / r2.size,
                'fvu': fvu,
                'explained_variance': 1.0 - fvu,
                'fvu_centered_error': error_spread.sum() / total if total > 0 else np.nan,
                'nmse_openai': s['relative'] / nonzero,
                'r2_per_dim_median': np.median(r2[spread > 0]) if total > 0 else np.nan,
                'r2_per_dim_min': r2[spread > 0].min() if total > 0 else np.nan,
                'cosine': s['cosine'] / nonzero,
                'l2_ratio': s['ratio'] / nonzero,
                'relative_reconstruction_bias': s['hat'] / s['dot'],
                'reconstruction_rows': n,
            }
        reasons = {'fvu': (total <= 0, 'the rows have no variance'),
                   'cosine': (nonzero == 0, 'every row is zero'),
                   'relative_reconstruction_bias': (s['dot'] == 0, '<y_hat, y> sums to 0')}
        return runner.Result(
            scalars={k: float(v) for k, v in scalars.items()}, arrays={'r2_per_dim': r2},
            warnings=[f'{k}: {why}' for k, (failed, why) in reasons.items() if failed])


def _clean(spread: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Sums of squared deviations; 0 for a constant, of which float32 left some noise."""
    return np.where(spread > 1e-6 * scale, spread, 0.0)
