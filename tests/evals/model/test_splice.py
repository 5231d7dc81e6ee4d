import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.evals import coder, controls, runner
from saex.evals.model import splice

V, T = 3, 4
EMBED = np.array([[2.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], np.float32)
HEAD = np.array([[1.0, 0.0, 0.5], [0.0, 2.0, -0.5]], np.float32)


def subject(params, tokens, at_site):
    """The site is the embedding; the head sees its running sum."""
    embed, head = params
    return jnp.cumsum(at_site(embed[tokens]), axis=1) @ head


LOGITS = jax.tree_util.Partial(subject, (EMBED, HEAD))


def data(n=5, seed=0):
    """Targets are what the subject predicts, so that an ablation costs something."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(V, size=(n, T))
    targets = (np.cumsum(EMBED[tokens], axis=1) @ HEAD).argmax(-1)
    return {'tokens': tokens, 'targets': targets,
            'weights': rng.integers(2, size=(n, T)).astype(np.float32),
            'harvest': rng.random((n, T)) < .5}


def measure(rows, by, mean=(0.3, 0.2), size=2, logits=LOGITS, **options):
    return runner.run({'s': splice.Splice(**options)}, by,
                      lambda: runner.batches(rows, size),
                      {'logits': logits, 'mean': np.array(mean, np.float32)})['s']


def log_softmax(z):
    return z - np.log(np.exp(z).sum(-1, keepdims=True))


def loop(rows, replace, mean):
    """Independent: (ce of each run, kl, agreement, positions) over plain loops."""
    ce, kl, agree, n = {}, 0.0, 0, 0
    runs = {'clean': None, 'spliced': replace, 'zero': lambda x: 0 * x,
            'mean': lambda x: np.array(mean)}
    for tokens, targets, weights, harvest in zip(
            rows['tokens'], rows['targets'], rows['weights'], rows['harvest']):
        logs = {}
        for run, value in runs.items():
            x = EMBED[tokens].astype(np.float64)
            for t in range(T):
                if harvest[t] and value is not None:
                    x[t] = value(x[t])
            logs[run] = log_softmax(np.cumsum(x, 0) @ HEAD)
        if not harvest.any():
            continue
        for t in range(harvest.argmax(), T):
            if weights[t] > 0:
                n += 1
                for run in runs:
                    ce[run] = ce.get(run, 0.0) - logs[run][t, targets[t]]
                p = np.exp(logs['clean'][t])
                kl += (p * (logs['clean'][t] - logs['spliced'][t])).sum()
                agree += logs['clean'][t].argmax() == logs['spliced'][t].argmax()
    return {k: v / n for k, v in ce.items()}, kl / n, agree / n, n


def test_identity_loses_nothing():
    s = measure(data(), coder.Neurons(2)).scalars
    assert s['kl'] == 0.0 and s['ce_increase'] == 0.0
    assert s['loss_recovered'] == s['kl_score'] == s['top1_agreement'] == 1.0


def test_against_a_plain_loop():
    rows, mean = data(9, seed=3), (0.3, 0.2)
    first = coder.PCA(jnp.zeros(2), jnp.array([[1.0, 0.0]]))       # keeps coordinate 0
    s = measure(rows, first, mean).scalars
    ce, kl, agree, n = loop(rows, lambda x: x * [1, 0], mean)
    for run, value in ce.items():
        assert s[f'ce_{run}'] == pytest.approx(value, rel=1e-5), run
    assert s['kl'] == pytest.approx(kl, rel=1e-5) and s['splice_positions'] == n
    assert s['top1_agreement'] == pytest.approx(agree)
    assert s['loss_recovered'] == pytest.approx(
        (ce['zero'] - ce['spliced']) / (ce['zero'] - ce['clean']), rel=1e-4)
    assert s['loss_recovered_mean'] == pytest.approx(
        (ce['mean'] - ce['spliced']) / (ce['mean'] - ce['clean']), rel=1e-4)


def test_zero_output_recovers_nothing():
    nothing = coder.PCA(jnp.zeros(2), jnp.zeros((1, 2)))
    s = measure(data(9, seed=3), nothing, mean=(0, 0)).scalars
    assert s['loss_recovered'] == s['loss_recovered_mean'] == 0.0
    assert s['kl'] == s['kl_zero'] == s['kl_mean'] and s['kl_score'] == 0.0


def test_by_hand():
    # one sequence, head = identity on 2 tokens; token 0 embeds to (log 3, 0)
    params = jnp.array([[np.log(3), 0.0], [0.0, 0.0]]), jnp.eye(2)
    rows = {'tokens': np.array([[1, 0]]), 'targets': np.array([[0, 0]]),
            'weights': np.ones((1, 2), np.float32), 'harvest': np.array([[False, True]])}
    s = measure(rows, coder.PCA(jnp.zeros(2), jnp.zeros((1, 2))), mean=(np.log(3), 0),
                logits=jax.tree_util.Partial(subject, params)).scalars
    assert s['splice_positions'] == 1                        # position 0 comes before
    assert s['ce_clean'] == pytest.approx(-np.log(3 / 4))
    assert s['ce_zero'] == s['ce_spliced'] == pytest.approx(np.log(2))
    assert s['kl'] == pytest.approx(.75 * np.log(.75 / .5) + .25 * np.log(.25 / .5))
    assert s['ce_mean'] == pytest.approx(s['ce_clean'])


def test_an_ablation_that_costs_nothing_gives_no_ratio():
    rows = data()
    result = measure(rows, coder.Neurons(2), logits=lambda tokens, at_site: jnp.zeros(
        (*tokens.shape, V)))
    assert np.isnan(result.scalars['loss_recovered'])
    assert any(line.startswith('loss_recovered: the ablation') for line in result.warnings)


def test_soft_targets_and_nothing_to_count():
    rows = data()
    soft = np.eye(V, dtype=np.float32)[rows['targets']]
    hard = measure(rows, coder.Neurons(2)).scalars
    got = measure(rows | {'soft_targets': soft}, coder.Neurons(2)).scalars
    assert got == pytest.approx(hard, rel=1e-6)
    empty = measure(rows | {'harvest': np.zeros((5, T), bool)}, coder.Neurons(2))
    assert np.isnan(empty.scalars['ce_clean']) and empty.scalars['splice_positions'] == 0
    assert 'ce_clean: no position is counted' in empty.warnings


def test_what_is_missing_is_named():
    with pytest.raises(config.ConfigError, match='LastToken does not reconstruct'):
        measure(data(), controls.LastToken(V))
    rows = data()
    del rows['targets']
    with pytest.raises(config.ConfigError, match='no targets or soft_targets'):
        measure(rows, coder.Neurons(2))
