"""Every recipe found by listing the folder plans and trains on a tiny planted world."""
import importlib
import inspect
import pathlib

import jax
import numpy as np
import pytest

from saex import experiment
from saex.data.sources.planted_tasks import PlantedTasks
from saex.train import step

FOLDER = pathlib.Path(__file__).parents[2] / 'experiments' / 'recipes'
RECIPES = sorted(f.stem for f in FOLDER.glob('*.py') if not f.stem.startswith('_'))
D, F, STEPS, BATCH = 8, 16, 4, 32
CLOSED = {'pca', 'ica', 'ease', 'ridge'}        # nothing is trained
TARGET = set()                                  # recipes that map x to another y
SOURCE = dict(d_in=D, features=12, l0=2.0, d_out=D)


@pytest.fixture(autouse=True)
def quick_compilation():
    jax.config.update('jax_disable_most_optimizations', True)
    yield
    jax.config.update('jax_disable_most_optimizations', False)


def source(name):
    return PlantedTasks(**SOURCE, keys=('labels', 'pair', 'grad') + (
        ('y',) if name in TARGET else ()))


def plan(name):
    module = importlib.import_module(f'experiments.recipes.{name}')
    section = module.recipe(F, 3, STEPS, BATCH)
    given = dict(SOURCE, name='planted_tasks', keys=source(name).keys)
    return experiment.plan(dict(source=given, dictionaries={name: section})).recipes[name]


@pytest.mark.parametrize('name', RECIPES)
def test_plans_and_trains(name):
    made, rows, key = plan(name), source(name), jax.random.key(0)
    state = jax.jit(lambda s: step.initial(made.problem, made.optimizer, key, s))(
        made.problem.sample(rows))
    first = jax.device_get(state.params)
    fn = jax.jit(step.make(made.problem, made.optimizer))
    for i in range(STEPS):
        state, metrics = fn(state, rows.batch(i, BATCH), key)
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
