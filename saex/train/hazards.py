"""What of a config cannot work, or has no effect, found on shapes before any training."""
import functools
from typing import Any

import jax

from saex import tree
from saex.config import ConfigError
from saex.optim.controllers import Constant, L0Control
from saex.train import dictionary, step as step_lib


def find(recipe: Any, where: str) -> tuple[list[str], list[str]]:
    """(errors, warnings) of one dictionary's built parts, one line each.

    Errors: a negative coefficient, a path that matches no parameter, thresholds that are not
    float32 (bfloat16 ones do not move), an L0 that no number of latents reaches, a controller
    of a fixed L0.
    Warnings: a term without weight, counters that no latent can reach, a warm-up that was cut.
    """
    errors, warnings = _paths_and_dtypes(recipe, where), []
    section, selector = recipe.section, recipe.model.selector
    rows = section['steps'] * section['batch_size']
    for label, weight in recipe.problem.weights.items():
        at = f'{where}.losses.{label}'
        if isinstance(weight, L0Control):
            if weight.target > recipe.model.features:
                errors.append(f'{at}.weight.target: {weight.target} of '
                              f'{recipe.model.features} latents cannot be active')
            if getattr(selector, 'fixes_l0', hasattr(selector, 'k')):
                errors.append(f'{at}.weight: the selector fixes L0 by its k, which no '
                              'coefficient can change; use a number, or another selector')
        if isinstance(weight, Constant) and weight.value < 0:
            errors.append(f'{at}.weight: expected 0 or more, got {weight.value}')
        if isinstance(weight, Constant) and weight.value == 0:
            warnings.append(f'{at}.weight: 0, the term has no effect')
        term = section['losses'][label]
        name = term if isinstance(term, str) else term.get('name', label)
        if name == 'auxk' and recipe.model.dead_after >= rows:
            warnings.append(f'{at}: no latent is dead before {recipe.model.dead_after:,} rows '
                            f'and the run has {rows:,}; lower dictionary.dead_after')
    schedule = section['optim'].get('schedule', {})
    warmup = schedule.get('warmup', 0) if not isinstance(schedule, str) else 0
    if warmup > section['steps'] // 2:
        warnings.append(f'{where}.optim.schedule.warmup: {warmup} is cut to half of the '
                        f'{section["steps"]} steps')
    return errors, warnings


def _paths_and_dtypes(recipe: Any, where: str) -> list[str]:
    rows = dictionary.SAMPLE_BATCHES * recipe.section['batch_size']
    sample = {k: jax.ShapeDtypeStruct((rows, *shape), 'float32')
              for k, shape in recipe.rows.items() if k in ('x', 'y')}
    create = functools.partial(step_lib.initial, recipe.problem, recipe.optimizer)
    try:
        state = jax.eval_shape(create, jax.random.key(0), sample)
    except ConfigError as e:
        return [f'{where}: {line}' for line in e.problems]
    return [f'{where}: {path} is {leaf.dtype}; thresholds need float32, smaller steps than '
            'others can hold' for path, leaf in tree.flatten(state.params).items()
            if 'threshold' in path.rsplit('/', 1)[-1] and leaf.dtype != 'float32']
