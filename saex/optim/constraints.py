"""Constraints on parameters, as pairs of optax transforms around the optimizer.

`before` sees gradients, `after` sees the final updates and may change them so that
params + updates satisfies the constraint.
"""
from typing import Callable, NamedTuple

import jax.numpy as jnp
import optax

from saex import tree

__all__ = ['unit_rows', 'floor']


class Constraint(NamedTuple):
    """before and after are optax gradient transformations."""
    before: optax.GradientTransformation
    after: optax.GradientTransformation


def unit_rows(path: str = 'w_dec') -> Constraint:
    """Rows of the named matrix stay on the unit sphere.

    before: the gradient loses its component along each row, g <- g - (g.w / w.w) w.
    after: rows are renormalised, w <- w / ||w||  (Bricken et al. 2023; the order project,
    step, renormalise is dictionary_learning's).
    """
    def project(g, w):
        along = jnp.sum(g * w, -1, keepdims=True) / jnp.sum(w * w, -1, keepdims=True)
        return g - along * w

    def renormalise(w):
        return w / jnp.maximum(jnp.linalg.norm(w, axis=-1, keepdims=True), 1e-12)

    return Constraint(_on(path, project), _retract(path, renormalise))


def floor(path: str = 'threshold', value: float = 0.0) -> Constraint:
    """The named parameter stays >= value (thresholds)."""
    return Constraint(optax.identity(), _retract(path, lambda w: jnp.maximum(w, value)))


def _on(path: str, fn: Callable) -> optax.GradientTransformation:
    """Stateless transform u <- fn(u, w) on the leaves whose path matches."""
    def update(updates, params):
        return tree.map_with_path(
            lambda name, u, w: fn(u, w) if tree.matches(path, name) else u, updates, params)

    return _checked(path, optax.stateless(update))


def _retract(path: str, onto: Callable) -> optax.GradientTransformation:
    """Updates changed so that the new parameter is onto(w + u)."""
    return _on(path, lambda u, w: onto(w + u) - w)


def _checked(path: str, transform) -> optax.GradientTransformation:
    """The transform, refusing at init a path that names no parameter."""
    def init(params):
        tree.mask(params, path)
        return transform.init(params)

    return optax.GradientTransformation(init, transform.update)
