"""One recipe on one world: trained on several seeds at once, and measured.

The seeds are vmapped and the steps scanned, so that a recipe is compiled once. Seed s has
its own planted dictionary (unless the world fixes it), rows and initial parameters.
"""
import importlib
import math
import time
from typing import Any, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from saex import config, experiment
from saex.evals import runner
from saex.evals.acts.reconstruction import Reconstruction
from saex.evals.acts.sparsity import Sparsity
from saex.evals.dictionary import DictionaryCoder
from saex.evals.labelled.recovery import Recovery
from saex.ops import matching
from saex.ops import stats as evals_stats
from saex.train import step
from saex.types import Context

ROWS = 4096


def section(member: Mapping, world: Mapping) -> dict:
    """The recipe's section for {recipe, features, l0, **options} on a world."""
    options = {k: v for k, v in member.items() if k not in ('recipe', 'features', 'l0')}
    module = importlib.import_module(f'experiments.recipes.{member["recipe"]}')
    return module.recipe(member.get('features', world['features']), member['l0'],
                         world['steps'], world['batch_size'], **options)


def sources(world: Mapping, seeds: tuple) -> list:
    fixed = world.get('fixed', False)
    return [config.build('saex.data.sources', world['source'],
                         seed=seeds[0] if fixed else seed) for seed in seeds]


def batches(world: Mapping, seeds: tuple) -> dict:
    """Every training batch, {key: [S, steps, B, ...]}."""
    rows = [jax.vmap(lambda i, s=s: s.batch(i, world['batch_size']))(
        jnp.arange(world['steps'])) for s in sources(world, seeds)]
    return {k: jnp.stack([r[k] for r in rows]) for k in rows[0]}


def run(member: Mapping, world: Mapping, seeds: tuple, data: Mapping) -> dict:
    """{metric: [one number for each seed]}, with 'seconds' of the whole."""
    began = time.monotonic()
    made = experiment.plan({'source': world['source'], 'dictionaries': {
        'it': section(member, world)}}).recipes['it']
    states = train(made, data, seeds)
    found: dict[str, list] = {}
    atoms = []
    for i, source in enumerate(sources(world, seeds)):
        params, stats = jax.tree.map(lambda v, i=i: v[i], (states.params, states.stats))
        coder = DictionaryCoder(made.model, params, {k: v for k, v in stats.items()
                                                     if k != 'events'})
        values = evaluate(coder, source, seeds[i], world)
        atoms.append(np.asarray(coder.atoms()))
        values['skipped'] = float(states.skipped[i, 0])
        for name, value in values.items():
            found.setdefault(name, []).append(value if math.isfinite(value) else None)
    if world.get('fixed'):
        found['stability'] = stability(atoms)
    found['seconds'] = time.monotonic() - began
    return found


def train(made: Any, data: Mapping, seeds: tuple) -> Any:
    """The states after all steps, with a leading axis of seeds."""
    update = step.make(made.problem, made.optimizer)

    def one(seed, data):
        key = jax.random.key(seed)
        sample = {k: v[:8].reshape((-1,) + v.shape[2:]) for k, v in data.items()
                  if k in ('x', 'y')}
        state = step.initial(made.problem, made.optimizer, jax.random.fold_in(key, 0), sample)
        again = jax.random.fold_in(key, 1)
        return jax.lax.scan(lambda s, batch: (update(s, batch, again)[0], None), state, data)[0]

    return jax.jit(jax.vmap(one))(jnp.asarray(seeds), data)


def evaluate(coder: DictionaryCoder, source: Any, seed: int, world: Mapping) -> dict:
    """Metrics on fresh rows: those of the evaluations; rare_cosine, the mean best cosine of the
    rarest quarter of the features; worst_error; and with labels own_label_* (latent c for
    label c) and best_label_* (the best latent for each label), means over labels."""
    rows = source.rows(jax.random.fold_in(jax.random.key(1234), seed), ROWS)
    rows = {k: np.asarray(v) for k, v in rows.items()}
    signed = not world['source'].get('signed', 0.0)
    results = runner.run(
        {'reconstruction': Reconstruction(), 'sparsity': Sparsity(),
         'recovery': Recovery(signed=signed)}, coder,
        lambda: runner.batches(rows, ROWS), {'true_atoms': source.dictionary()})
    found = {k: v for each in results.values() for k, v in each.scalars.items()}
    cosine = results['recovery'].arrays['feature_cosine']
    found['rare_cosine'] = float(np.mean(cosine[3 * len(cosine) // 4:]))
    found['worst_error'] = _worst(coder, rows)
    if 'labels' in rows:
        found |= _detection(coder, rows)
    return found


def _detection(coder: DictionaryCoder, rows: Mapping) -> dict:
    """Firing (F1) and pre-activations (AUC) as detectors of the labels."""
    labels, own = rows['labels'], np.arange(rows['labels'].shape[1])
    on = (np.asarray(coder.codes(rows)) > 0).astype(float)
    pre = np.asarray(nn.apply(_pre, coder.model)(coder.variables, rows['x']))
    f1 = evals_stats.f1(on.T @ labels, on.sum(0)[:, None], labels.sum(0))
    ranks, positives = stats.rankdata(pre, axis=0), labels.sum(0)
    above = ranks.T @ labels - positives * (positives + 1) / 2
    auc = above / (positives * (len(pre) - positives))
    return {f'{who}_label_{name}': float(v[own, own].mean() if who == 'own' else
                                         v.max(axis=0).mean())
            for name, v in (('f1', f1), ('auc', auc)) for who in ('own', 'best')}


def _pre(model, x):
    inside = model.to_inside(x)
    return model.encoder(inside, Context(dictionary=model, x=inside)).dense()


def _worst(coder: DictionaryCoder, rows: Mapping) -> float:
    """Mean relative squared error of the worst hundredth of the rows."""
    goal = rows.get('y', rows['x'])
    made = np.asarray(coder.model.apply(coder.variables, rows['x'], method='reconstruct'))
    error = np.sum((goal - made.reshape(goal.shape)) ** 2, -1) / np.mean(np.sum(goal ** 2, -1))
    return float(np.mean(np.sort(error)[-len(error) // 100:]))


def stability(atoms: list) -> list[float]:
    """Mean best cosine of each seed's atoms with those of the next seed."""
    return [float(np.mean(matching.max_cosine(a, b, False)[0]))
            for a, b in zip(atoms, atoms[1:] + atoms[:1])]
