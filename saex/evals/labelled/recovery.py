"""Was the planted dictionary found? Atoms against true atoms, supports, amplitudes."""
import dataclasses

import jax.numpy as jnp
import numpy as np

from saex.evals import runner
from saex.ops import matching, stats


@dataclasses.dataclass(frozen=True)
class Recovery:
    """C_ij = |cos(atom i, true atom j)| (signed if `signed`) of M latents and N features,
    j(i) = argmax_j C_ij; a latent or feature fires where its code is not 0.

        recovered@0.9, recovered@0.8    fraction of the N features with max_i C_ij above
        mmcs_features       mean_j max_i C_ij: are the features found? Denominator N
        mmcs_latents        mean_i max_j C_ij: is each latent a feature? Denominator M
        mcc                 mean C of the one-to-one matching of largest sum, min(M, N)
                            pairs. It rewards small dictionaries: read it with recovered@
        uniqueness          distinct j(i) / M
        feature_f1          mean_j max_i F1 of the supports of i and j, denominator N (a
                            feature that is silent on these rows counts as 0)
        latent_f1           mean over alive latents of the F1 of the supports of i and j(i)
        amplitude_correlation       mean over alive latents of the Pearson correlation of
                            f_i and a_j(i) over all rows
        shrinkage_slope     mean over alive latents of Sum f_i a_j(i) / Sum a_j(i)^2, the
                            least-squares slope through 0 over the rows on which f_i fires;
                            1 for true amplitudes, < 1 for shrunken ones. It is in the
                            units of the codes: those of a dictionary with unit atoms
        true_l0             mean number of features that are active on a row
        true_max_cosine     mean_j max over k != j of C between true atoms: how crowded
                            the planted dictionary is

    Definitions: SAELens' synthetic benchmark and sparse-coding practice (checked); NaN
    where no latent is alive. per_latent: best_feature (j(i)), best_cosine, support_f1,
    amplitude_correlation, shrinkage_slope. arrays, by feature [N]: feature_cosine,
    feature_best_f1, feature_rate. Holds [M, N] on the device.
    """
    signed: bool = False

    needs = frozenset({'codes', 'atoms', 'true_codes', 'true_atoms'})
    passes = 1
    reduce = ({'match': 'keep', 'rows': 'sum', 'both': 'sum', 'on': 'sum', 'true_on': 'sum',
               'f': 'sum', 'ff': 'sum', 'a': 'sum', 'aa': 'sum', 'fa': 'sum',
               'fired_aa': 'sum'},)

    def init(self, spec, previous):
        m, n = len(spec['atoms']), len(spec['true_atoms'])
        _, match = matching.max_cosine(spec['atoms'], spec['true_atoms'], not self.signed)
        shapes = {'rows': (), 'both': (m, n), 'true_on': (n,), 'a': (n,), 'aa': (n,)}
        shapes |= {name: (m,) for name in ('on', 'f', 'ff', 'fa', 'fired_aa')}
        return {'match': jnp.asarray(match, jnp.int32)} | {
            name: jnp.zeros(shape) for name, shape in shapes.items()}

    def update(self, state, coder, batch):
        mask = batch['mask'].astype(jnp.float32)[:, None]
        f, a = batch['codes'] * mask, batch['true_codes'].astype(jnp.float32) * mask
        on, true_on = ((v != 0).astype(jnp.float32) for v in (f, a))
        matched = a[:, state['match']]
        sums = {'rows': mask.sum(), 'both': on.T @ true_on, 'on': on.sum(axis=0),
                'true_on': true_on.sum(axis=0), 'f': f.sum(axis=0),
                'ff': (f ** 2).sum(axis=0), 'a': a.sum(axis=0), 'aa': (a ** 2).sum(axis=0),
                'fa': (f * matched).sum(axis=0),
                'fired_aa': (on * matched ** 2).sum(axis=0)}
        return state | {name: state[name] + value for name, value in sums.items()}

    def finalize(self, states, spec):
        s, = states
        atoms, truth = np.asarray(spec['atoms']), np.asarray(spec['true_atoms'])
        c = matching.cosine(atoms, truth, not self.signed)
        feature_cosine = c.max(axis=0)
        scalars = {f'recovered@{level}': np.mean(feature_cosine > level)
                   for level in (0.9, 0.8)}
        scalars |= {
            'mmcs_features': feature_cosine.astype(np.float64).mean(),
            'mmcs_latents': c.max(axis=1).astype(np.float64).mean(),
            'mcc': c[matching.hungarian(c)].astype(np.float64).mean(),
            'uniqueness': np.unique(s['match']).size / len(atoms),
            'true_max_cosine': matching.max_cosine(
                truth, truth, not self.signed, exclude_self=True)[0].mean(),
        }
        f1 = stats.f1(s['both'], s['on'][:, None], s['true_on'])
        latent = _pairs(s, f1)
        alive = s['on'] > 0
        scalars |= {
            'feature_f1': f1.max(axis=0).mean(),
            'latent_f1': _mean(latent['support_f1'][alive]),
            'amplitude_correlation': _mean(latent['amplitude_correlation'][alive]),
            'shrinkage_slope': _mean(latent['shrinkage_slope'][alive]),
            'true_l0': s['true_on'].sum() / s['rows'] if s['rows'] else np.nan,
        }
        return runner.Result(
            scalars={k: float(v) for k, v in scalars.items()},
            per_latent=latent | {'best_feature': s['match'].astype(int),
                                 'best_cosine': c.max(axis=1)},
            arrays={'feature_cosine': feature_cosine, 'feature_best_f1': f1.max(axis=0),
                    'feature_rate': s['true_on'] / max(s['rows'], 1.0)},
            warnings=[] if alive.any() else [
                f'{name}: no latent fired' for name in
                ('latent_f1', 'amplitude_correlation', 'shrinkage_slope')])


def _pairs(s, f1: np.ndarray) -> dict[str, np.ndarray]:
    """Scores [M] of each latent against its feature j(i); NaN where undefined."""
    match, n = s['match'].astype(int), max(s['rows'], 1.0)
    a, aa = s['a'][match], s['aa'][match]
    spread = _spread(s['f'], s['ff'], n) * _spread(a, aa, n)
    shared = s['fa'] - s['f'] * a / n
    return {
        'support_f1': f1[np.arange(len(match)), match],
        'amplitude_correlation': _ratio(shared, np.sqrt(spread)),
        'shrinkage_slope': _ratio(s['fa'], s['fired_aa']),
    }


def _spread(total: np.ndarray, squares: np.ndarray, n: float) -> np.ndarray:
    """Sum of squared deviations; 0 for a constant, of which float32 left some noise."""
    spread = squares - total ** 2 / n
    return np.where(spread > 1e-6 * squares, spread, 0.0)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined; NaN of nothing."""
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else float('nan')
