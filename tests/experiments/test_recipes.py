"""Every recipe found by listing the folder plans, and its loss falls on a tiny planted
world."""
import importlib
import inspect
import pathlib

import jax
import numpy as np
import pytest

from saex import experiment
from saex.data.sources.planted import Planted
from saex.train import step

FOLDER = pathlib.Path(__file__).parents[2] / 'experiments' / 'recipes'
RECIPES = sorted(f.stem for f in FOLDER.glob('*.py') if not f.stem.startswith('_'))
D, F, STEPS, BATCH = 8, 16, 4, 32
CLOSED = {'pca', 'ica'}                 # nothing is trained
SOURCE = dict(name='planted', d_in=D, features=12, l0=2.0)


def plan(name):
    module = importlib.import_module(f'experiments.recipes.{name}')
    section = module.recipe(F, 3, STEPS, BATCH)
    return experiment.plan(dict(source=SOURCE, dictionaries={name: section})).recipes[name]


@pytest.mark.parametrize('name', RECIPES)
def test_plans_and_trains(name):
    made, source, key = plan(name), Planted(**{k: v for k, v in SOURCE.items()
                                               if k != 'name'}), jax.random.key(0)
    state = jax.jit(lambda s: step.initial(made.problem, made.optimizer, key, s))(
        made.problem.sample(source))
    first = jax.device_get(state.params)
    fn = jax.jit(step.make(made.problem, made.optimizer))
    for i in range(STEPS):
        state, metrics = fn(state, source.batch(i, BATCH), key)
    assert int(state.skipped[0]) == 0
    assert all(np.isfinite(v) for v in metrics.values())
    moved = [float(abs(a - b).max()) for a, b in zip(
        jax.tree.leaves(first), jax.tree.leaves(state.params))]
    assert (max(moved) == 0) == (name in CLOSED)


@pytest.mark.parametrize('name', RECIPES)
def test_says_where_its_numbers_come_from(name):
    module = importlib.import_module(f'experiments.recipes.{name}')
    assert module.__doc__ and len(inspect.signature(module.recipe).parameters) >= 4
    assert any(w in module.__doc__.lower() for w in ('checked', 'reconstructed', 'measured',
                                                     'numbers as in', 'ours', 'baseline'))
