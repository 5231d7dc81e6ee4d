"""Does some latent mean 'the walker is in room 7'? State coverage and reconstruction."""
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from saex.evals import runner
from saex.ops import stats


@dataclasses.dataclass(frozen=True)
class States:
    """A classifier (t, i) says that a state holds on the rows with f_i > t max_i, where
    max_i is latent i's largest code on the train rows and t is 0, .1, ... .9. With
    F1 = 2 TP / (ON + P) for each (t, i) and state c:

        state_coverage          mean over c of the F1 of the best latent for c, at the one t
                                at which that mean is largest
        state_coverage_per_state_threshold      the same with the best t for each c
        state_reconstruction    c is predicted where any classifier is on that has
                                precision >= `precision` for c and was on for at least
                                `minimum_on` rows; F1 for each c, mean over c, at the best t
        state_floor             mean of 2 p / (1 + p), the coverage of a constant latent
        state_lift              (state_coverage - floor) / (1 - floor)

    max_i, latents, thresholds and classifiers are all chosen on the train rows (split 0),
    and every score above is measured on the test rows (split 1); a caller splits whole
    sequences. The scored states are those that occur in both parts (`states_scored`).
    Karvonen et al. 2024 (board games; checked against SAE_BoardGameEval) choose on the
    rows that they score and count states that cannot occur; both are repaired here, so
    the numbers are not those of the paper.

    Further scalars: state_threshold, state_reconstruction_threshold (the t's chosen);
    states_above_0.5, _0.7, _0.9 (scored states with F1 above, at their own t);
    high_precision_latents (with some classifier at the t of the reconstruction);
    frequent_latents (on, f > 0, for more than `frequent` of all rows), selective_latents
    (of those, the ones with selectivity > `selective`) and selective_states (states that
    are the best of some selective latent).

    arrays, by state [C]: state_f1, state_best_latent, state_best_threshold (own t),
    state_f1_global, state_best_latent_global, state_reconstruction_f1, state_rate (of
    the test rows); NaN for a state that is not scored. mean_activation [M, C] float32 is
    the mean code of latent i on all rows in state c, NaN if c never holds. per_latent:
    best_state, selectivity = max_c mean_activation / Sum_c mean_activation (0 if silent).

    Codes below zero count as off. The largest arrays are float64 [thresholds, M, C].
    """
    thresholds: int = 10
    precision: float = 0.95
    minimum_on: int = 10
    frequent: float = 0.005
    selective: float = 0.5

    needs = frozenset({'codes', 'states', 'split'})
    passes = 3
    reduce = (
        'max',
        {'scale': 'keep', 'tp': 'sum', 'on': 'sum', 'train': 'sum', 'test': 'sum',
         'rows': 'sum', 'fired': 'sum', 'code': 'sum', 'all': 'sum'},
        {'scale': 'keep', 'latent': 'keep', 'threshold': 'keep', 'classifiers': 'keep',
         'tp': 'sum', 'on': 'sum', 'any_tp': 'sum', 'any_on': 'sum'},
    )

    def problems(self):
        lines = []
        if self.thresholds < 1:
            lines.append(f'thresholds: expected >= 1, got {self.thresholds}')
        for name in ('precision', 'frequent', 'selective'):
            if not 0 <= getattr(self, name) <= 1:
                lines.append(f'{name}: expected 0 to 1, got {getattr(self, name)}')
        return lines

    def init(self, spec, previous):
        m, c, t = spec['size'], spec['states'], self.thresholds
        if not previous:
            return {'scale': jnp.zeros(m)}
        state = {'scale': jnp.asarray(previous[0]['scale'], jnp.float32)}
        if len(previous) == 1:
            shapes = {'tp': (t, m, c), 'on': (t, m), 'train': (c,), 'test': (c,),
                      'rows': (2,), 'fired': (m,), 'code': (m, c), 'all': (c,)}
        else:
            state |= self._choose(previous[1])
            shapes = {'tp': (2, c), 'on': (2, c), 'any_tp': (2, t, c), 'any_on': (2, t, c)}
        return state | {name: jnp.zeros(shape) for name, shape in shapes.items()}

    def update(self, state, coder, batch):
        mask = batch['mask'].astype(jnp.float32)
        parts = jnp.stack([mask * (batch['split'] == part) for part in (0, 1)])
        codes, truth = batch['codes'], batch['states'].astype(jnp.float32)
        if 'tp' not in state:
            seen = jnp.where(parts[0][:, None] > 0, codes, 0.0)
            return {'scale': jnp.maximum(state['scale'], seen.max(axis=0))}
        sums = self._score if 'latent' in state else self._tabulate
        return state | {name: state[name] + value
                        for name, value in sums(state, codes, truth, mask, parts).items()}

    def finalize(self, states, spec):
        _, table, score = states
        scored = (table['train'] > 0) & (table['test'] > 0)
        found = self._measure(table, score, scored)
        result = _maps(table, self.frequent, self.selective)
        result.scalars |= found.scalars
        result.arrays |= found.arrays
        left_out = int(np.sum(~scored))
        if left_out:
            result.warnings.append(f'states_scored: {left_out} of {scored.size} states '
                                   'are missing from the train or the test rows')
        return result

    def _grid(self) -> np.ndarray:
        return (np.arange(self.thresholds) / self.thresholds).astype(np.float32)

    def _tabulate(self, state, codes, truth, mask, parts):
        """Pass 1: counts of every classifier on the train rows, and the maps."""
        train = truth * parts[0][:, None]

        def at(t):
            on = (codes > t * state['scale']).astype(jnp.float32)
            return on.T @ train, parts[0] @ on

        tp, on = jax.lax.map(at, jnp.asarray(self._grid()))
        held = truth * mask[:, None]
        return {'tp': tp, 'on': on, 'train': train.sum(axis=0), 'test': parts[1] @ truth,
                'rows': parts.sum(axis=1), 'fired': mask @ (codes > 0).astype(jnp.float32),
                'code': codes.T @ held, 'all': held.sum(axis=0)}

    def _choose(self, table):
        """What the train rows say: latents and thresholds [2, C] (row 0 at the global t,
        row 1 at each state's own) and the high-precision classifiers [T, M, C]."""
        best, latent, kept = [], [], []
        for tp, on in zip(table['tp'], table['on']):
            f1 = stats.f1(tp, on[:, None], table['train'])
            best.append(f1.max(axis=0))
            latent.append(f1.argmax(axis=0))
            kept.append((tp >= self.precision * on[:, None])
                        & (on >= max(self.minimum_on, 1))[:, None])
        best, latent = np.stack(best), np.stack(latent)
        common = best[:, table['train'] > 0].sum(axis=1).argmax()
        index = np.stack([np.full(best.shape[1], common), best.argmax(axis=0)])
        chosen = np.take_along_axis(latent, index, axis=0)
        return {'latent': jnp.asarray(chosen, jnp.int32),
                'threshold': jnp.asarray(self._grid()[index]),
                'classifiers': jnp.asarray(np.stack(kept))}

    def _score(self, state, codes, truth, mask, parts):
        """Pass 2: the chosen latents on the test rows; the classifiers on both parts."""
        latent = state['latent']
        limit = state['threshold'] * state['scale'][latent]
        on = (codes[:, latent] > limit).astype(jnp.float32) * parts[1][:, None, None]

        def at(item):
            t, classifiers = item
            fires = (codes > t * state['scale']).astype(jnp.float32)
            said = (fires @ classifiers.astype(jnp.float32) > 0).astype(jnp.float32)
            return parts @ (said * truth), parts @ said

        any_tp, any_on = jax.lax.map(
            at, (jnp.asarray(self._grid()), state['classifiers']))
        return {'tp': jnp.einsum('nkc,nc->kc', on, truth), 'on': on.sum(axis=0),
                'any_tp': any_tp.swapaxes(0, 1), 'any_on': any_on.swapaxes(0, 1)}

    def _measure(self, table, score, scored):
        shared, own = stats.f1(score['tp'], score['on'], table['test'])
        train = stats.f1(score['any_tp'][0], score['any_on'][0], table['train'])
        at = int(_mean(train[:, scored], axis=1).argmax()) if scored.any() else 0
        rebuilt = stats.f1(score['any_tp'][1], score['any_on'][1], table['test'])[at]
        rate = table['test'] / max(table['rows'][1], 1.0)
        floor = _mean(2 * rate[scored] / (1 + rate[scored]))
        coverage = _mean(shared[scored])
        scalars = {
            'state_coverage': coverage,
            'state_coverage_per_state_threshold': _mean(own[scored]),
            'state_reconstruction': _mean(rebuilt[scored]),
            'state_floor': floor,
            'state_lift': (coverage - floor) / (1 - floor) if floor < 1 else np.nan,
            'state_threshold': score['threshold'][0, 0],
            'state_reconstruction_threshold': self._grid()[at],
            'states_scored': np.sum(scored),
            'high_precision_latents': np.sum(
                score['classifiers'][at][:, scored].any(axis=1)),
        }
        for level in (0.5, 0.7, 0.9):
            scalars[f'states_above_{level}'] = np.sum(own[scored] > level)
        hidden = np.where(scored, 1.0, np.nan)
        arrays = {
            'state_f1': own, 'state_best_latent': score['latent'][1],
            'state_best_threshold': score['threshold'][1],
            'state_f1_global': shared, 'state_best_latent_global': score['latent'][0],
            'state_reconstruction_f1': rebuilt, 'state_rate': rate,
        }
        return runner.Result(scalars={k: float(v) for k, v in scalars.items()},
                             arrays={k: v * hidden for k, v in arrays.items()})


def _maps(table, frequent: float, selective: float) -> runner.Result:
    """Mean activations by state, and which latents prefer one."""
    with np.errstate(divide='ignore', invalid='ignore'):
        mean = table['code'] / table['all']
    known = np.maximum(np.nan_to_num(mean), 0.0)
    total = known.sum(axis=1)
    selectivity = np.divide(known.max(axis=1), total, out=np.zeros_like(total),
                            where=total > 0)
    often = table['fired'] > frequent * table['rows'].sum()
    chosen = often & (selectivity > selective)
    best = known.argmax(axis=1)
    return runner.Result(
        scalars={'frequent_latents': float(often.sum()),
                 'selective_latents': float(chosen.sum()),
                 'selective_states': float(np.unique(best[chosen]).size)},
        per_latent={'best_state': best, 'selectivity': selectivity},
        arrays={'mean_activation': mean.astype(np.float32)})


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """The mean; NaN of nothing, without numpy's warning."""
    return values.mean(axis=axis) if values.size else np.float64(np.nan)
