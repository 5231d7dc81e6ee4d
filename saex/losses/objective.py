"""The objective: named, weighted terms.

    loss = Sum_i weight_i(step) * reduce_rows term_i(out, ctx)

A term is a function `(out, ctx, **options) -> [B]` with one value for each row; rows are
reduced here, over the unmasked rows of the global batch. A weight is a number, a schedule
(optim/schedules.py) or a controller (optim/controllers.py).
"""
import dataclasses
from typing import Any, Callable, Mapping

import jax
import jax.numpy as jnp

from saex import config, types
from saex.types import Context, Output

__all__ = []       # the objective is not itself a term


def needs(*tokens: str) -> Callable:
    """Declares what a term reads beside x: 'gate', 'threshold', or a key of the batch."""
    def mark(fn):
        fn.needs = frozenset(tokens)
        return fn
    return mark


@dataclasses.dataclass(frozen=True)
class Objective:
    """terms: name -> function; weights: name -> weight object (init, value, update)."""
    terms: dict[str, Callable]
    weights: dict[str, Any]

    def __call__(self, out: Output, ctx: Context, weights: Mapping[str, jax.Array]):
        """(loss, {name: unweighted mean of the term}), float32 scalars."""
        values = {name: types.masked_mean(term(out, ctx).astype(jnp.float32), ctx.mask)
                  for name, term in self.terms.items()}
        return sum(weights[name] * value for name, value in values.items()), values


def build(section: Mapping, provided: frozenset, total_steps: int,
          where: str = 'losses') -> Objective:
    """The objective of a section {label: dict(name=..., weight=..., options...)}.

    provided: what the composition can supply ('gate', batch keys ...). Raises ConfigError.
    """
    terms, weights, problems = {}, {}, []
    for label, term in dict(section).items():
        term = {'name': term} if isinstance(term, str) else dict(term)
        at = f'{where}.{label}'
        try:
            weights[label] = build_weight(term.pop('weight', 1.0), total_steps,
                                          f'{at}.weight')
        except config.ConfigError as e:
            problems += e.problems
        term.setdefault('name', label)
        try:
            terms[label] = config.build('saex.losses', term, where=at, positional=2)
        except config.ConfigError as e:
            problems += e.problems
            continue
        missing = getattr(terms[label].func, 'needs', frozenset()) - provided
        if missing:
            problems.append(f'{at}: {term["name"]} needs {", ".join(sorted(missing))}, which '
                            'the selector and the source of this config do not supply')
    if not section:
        problems.append(f'{where}: empty; name at least one term')
    if problems:
        raise config.ConfigError(problems)
    return Objective(terms, weights)


def build_weight(value: Any, total_steps: int, where: str):
    """A weight object from a number or a section."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = {'name': 'constant', 'value': float(value)}
    return config.build('saex.optim.controllers', value, where=where,
                        total_steps=total_steps)
