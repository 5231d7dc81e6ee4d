"""A hundred random combinations of parts, with a fixed seed: each is refused in words when it
is built, or trains twenty steps without a NaN or a skipped update."""
import random

import jax
import numpy as np
import pytest

from saex.config import ConfigError
from saex.losses import objective
from tests import test_contract as contract

COUNT, STEPS, GROUPS = 100, 20, 10
GENERAL = dict(
    value=('relu', 'signed', 'square', 'log', 'tanh', 'sigmoid', 'one'),
    score=('pre', 'abs', 'norm', 'gradient'), among=('all', 'row', 'batch', 'column', 'group'),
    budget=('k', 'k', 'norm', 'zipf'), estimator=('hard', 'straight_through', 'none'),
    groups=(4,), k=(4.0,))
TERMS = ('mse', 'nmse', 'cosine', 'l1', 'l1_norm', 'tanh', 'hoyer', 'auxk', 'ghost', 'l0',
         'pre_act', 'prefixes', 'nested_k', 'masked_mse', 'gram', 'gaussian_kl', 'l1_gate',
         'gate_aux', 'commit', 'info_nce', 'orthogonality', 'nuclear', 'kl_bernoulli')


def draw(rng):
    """(parts, sites, target, losses) at random, valid or not."""
    parts = {kind: rng.choice(names) for kind, names in contract.PARTS.items()}
    for kind in ('corruption', 'view'):
        if rng.random() < 0.6:
            del parts[kind]
    if parts['selector'] == 'general' or rng.random() < 0.3:
        parts['selector'] = dict(name='general') | {
            k: rng.choice(v) for k, v in GENERAL.items()}
    sites = contract.S if rng.random() < 0.3 else 1
    losses = {term: dict(k_aux=4) if term == 'auxk' else dict(weight=0.1)
              for term in rng.sample(TERMS, 2)} | {'mse': {}}
    return parts, sites, rng.random() < 0.3, losses


def valid_ones():
    """The first COUNT combinations that build, and the words that refused the others."""
    rng, found, refused = random.Random(0), [], []
    while len(found) < COUNT:
        parts, sites, target, losses = draw(rng)
        try:
            model = contract.build.dictionary(
                dict(features=contract.F, **contract.compose(parts)), contract.D,
                d_out=contract.E if target else None, sites=sites, keys=('grad',))
        except ConfigError as e:
            refused += e.problems
            continue
        provided = contract.build.provided(model) | {'grad'}
        for term in list(losses):
            try:
                objective.build({term: losses[term]}, provided, 10)
            except ConfigError as e:
                refused += e.problems
                del losses[term]
        found.append((parts, sites, target, losses))
    return found, refused


FOUND, REFUSED = valid_ones()


@pytest.mark.parametrize('group', range(GROUPS))
def test_valid_combinations_train(group):
    for parts, sites, target, losses in FOUND[group::GROUPS]:
        _, fn, start, sample = contract.unmade(parts, losses, sites, target, ('grad',))
        batch = contract.Fixed(sites, target).batch(0, contract.B)
        batch['grad'] = batch['y'] if target else batch['x'].reshape(contract.B, -1)

        def run(batch, sample):
            def move(state, _):
                return fn(state, batch, jax.random.key(1))

            return jax.lax.scan(move, start(sample), length=STEPS)

        state, metrics = contract.quick(run)(batch, sample)
        assert int(state.skipped[0]) == 0, (parts, losses)
        assert all(np.isfinite(v).all() for v in metrics.values()), (parts, losses)


def test_refusals_are_words_about_a_part():
    assert len(REFUSED) > 100
    assert all(line.split(':')[0].startswith(('dictionary.', 'losses.')) and len(line) > 30
               for line in REFUSED)
