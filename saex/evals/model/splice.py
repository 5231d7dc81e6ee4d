"""What the subject loses when a dictionary stands in for its activations."""
import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from saex import config
from saex.evals import runner

RUNS = ('clean', 'spliced', 'zero', 'mean')


@dataclasses.dataclass(frozen=True)
class Splice:
    """The subject runs four times: untouched ('clean'), and with its activations at the
    replaced positions set to their reconstruction ('spliced'), to 0 ('zero') and to their
    mean ('mean'). Every other position keeps its own activation.

    Counted are the positions with weight > 0 from the first replaced position of their
    sequence on (what lies before cannot change); each counts once. Over these:

        ce_clean, ce_spliced, ce_zero, ce_mean      mean cross-entropy, nats
        ce_increase             ce_spliced - ce_clean
        loss_recovered          (ce_zero - ce_spliced) / (ce_zero - ce_clean)
        loss_recovered_mean     the same against the mean ablation
        kl, kl_zero, kl_mean    mean KL(p_clean || p_run), nats; kl is of 'spliced'
        kl_score                1 - kl / kl_zero
        top1_agreement          fraction with the same most probable token as clean
        splice_positions        positions that were counted

    The ratios are NaN where the ablation costs less than `least` nats: the site does not
    matter there, and the ratio would be noise. Which ablation is harder differs by
    subject, so both are given (SAEBench, SAELens: zero; checked).

    A batch has tokens [n, T]; harvest [n, T] bool, the positions to replace; weights
    [n, T]; soft_targets [n, T, V] (distributions), else targets [n, T]; mask [n]. The
    spec has mean [D], the mean activation of harvested rows, and

        logits(tokens, at_site) -> [n, T, V]

    which runs the subject with its activations x [n, T, D] at the site replaced by
    at_site(x). A jax.tree_util.Partial with the parameters as arguments keeps them out of
    the compiled program. Raises ConfigError for a coder that does not reconstruct and for
    batches without targets.
    """
    least: float = 1e-3

    needs = frozenset({'tokens', 'harvest', 'weights', 'logits', 'mean'})
    passes = 1
    reduce = ('sum',)

    def init(self, spec, previous):
        names = [f'ce_{run}' for run in RUNS] + [f'kl_{run}' for run in RUNS[1:]]
        return {name: jnp.zeros(()) for name in ('positions', 'agree', *names)}

    def update(self, state, coder, batch):
        logs = {}
        for run, at_site in _replacements(coder, batch).items():
            logits = batch['logits'](batch['tokens'], at_site)
            logs[run] = jax.nn.log_softmax(logits.astype(jnp.float32))
        counted = _counted(batch)
        clean = logs['clean']
        p_clean = jnp.exp(clean)
        agree = jnp.argmax(clean, -1) == jnp.argmax(logs['spliced'], -1)
        sums = {'positions': counted.sum(), 'agree': jnp.sum(counted * agree)}
        for run, log_p in logs.items():
            sums[f'ce_{run}'] = jnp.sum(counted * _cross_entropy(log_p, batch))
            if run != 'clean':
                gap = jnp.sum(p_clean * (clean - log_p), axis=-1)
                sums[f'kl_{run}'] = jnp.sum(counted * gap)
        return {name: state[name] + value for name, value in sums.items()}

    def finalize(self, states, spec):
        s, = states
        n = float(s['positions'])
        mean = {k: float(v) / n if n else np.nan for k, v in s.items()}
        scalars = {f'ce_{run}': mean[f'ce_{run}'] for run in RUNS} | {
            'ce_increase': mean['ce_spliced'] - mean['ce_clean'],
            'kl': mean['kl_spliced'], 'kl_zero': mean['kl_zero'],
            'kl_mean': mean['kl_mean'], 'top1_agreement': mean['agree'],
            'splice_positions': n}
        reasons = [] if n else [f'{k}: no position is counted' for k, v in scalars.items()
                                if np.isnan(v)]
        ratios = {
            'loss_recovered': (mean['ce_zero'] - mean['ce_spliced'],
                               mean['ce_zero'] - mean['ce_clean']),
            'loss_recovered_mean': (mean['ce_mean'] - mean['ce_spliced'],
                                    mean['ce_mean'] - mean['ce_clean']),
            'kl_score': (mean['kl_zero'] - mean['kl_spliced'], mean['kl_zero']),
        }
        for name, (above, below) in ratios.items():
            scalars[name] = above / below if below >= self.least else float('nan')
            if not below >= self.least:
                reasons.append(f'{name}: the ablation costs {below:.2g} nats, '
                               f'less than {self.least:g}')
        return runner.Result(scalars=scalars, warnings=reasons)


def _replacements(coder, batch):
    """Run -> function of the activations [n, T, D] at the site."""
    tokens, harvest = batch['tokens'], batch['harvest'] > 0

    def at_harvest(value):
        return lambda x: jnp.where(harvest[..., None], value(x).astype(x.dtype), x)

    def rebuilt(x):
        rows = {'x': x.reshape(-1, x.shape[-1]), 'tokens': tokens.reshape(-1),
                'mask': (harvest * batch['mask'][:, None]).reshape(-1).astype(jnp.float32)}
        y_hat = coder.reconstruct(rows, coder.codes(rows))
        if y_hat is None:
            raise config.ConfigError(
                f'splice: a {type(coder).__name__} does not reconstruct activations')
        return y_hat.reshape(x.shape)

    return {'clean': lambda x: x, 'spliced': at_harvest(rebuilt),
            'zero': at_harvest(jnp.zeros_like),
            'mean': at_harvest(lambda x: jnp.broadcast_to(batch['mean'], x.shape))}


def _counted(batch):
    """[n, T] float32: weight > 0, at or after the first replaced position, mask 1."""
    downstream = jnp.cumsum((batch['harvest'] > 0).astype(jnp.int32), axis=1) > 0
    return downstream * (batch['weights'] > 0) * batch['mask'][:, None].astype(jnp.float32)


def _cross_entropy(log_p, batch):
    """-Sum_v q_v log p_v, [n, T] nats."""
    if 'soft_targets' in batch:
        return -jnp.sum(batch['soft_targets'] * log_p, axis=-1)
    if 'targets' not in batch:
        raise config.ConfigError('splice: the batches have no targets or soft_targets')
    return -jnp.take_along_axis(log_p, batch['targets'][..., None], axis=-1)[..., 0]
