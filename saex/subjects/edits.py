"""Edits of a subject's activations, as pytrees.

Site and op are static, args are array leaves, so that sweeping a strength compiles once.
An op is a function `(args, x) -> x'` of the whole activation at the site, usually
[n, T, D]. It computes in float32 and the result is cast back. Edits of the latents of a
dictionary are in latents.py.
"""
from typing import Any, Callable

from flax import struct
import jax
import jax.numpy as jnp

from saex.config import ConfigError
from saex.subjects.where import Where

__all__ = []       # not itself a subject


@struct.dataclass
class Edit:
    """x <- op(args, x) at `site`; where `where` is False, x stays bit for bit.

    where: None (all of x), a Where, or an array [n, T] bool, which fits one forward pass
    over those T tokens but not the steps of a generation. Raises ConfigError where it does
    not fit the site.
    """
    site: str = struct.field(pytree_node=False)
    op: Callable = struct.field(pytree_node=False)
    args: Any = None
    where: Where | jax.Array | None = None

    def __call__(self, x, text=None):
        new = self.op(self.args, x).astype(x.dtype)
        if self.where is None:
            return new
        mask = self.where(text) if isinstance(self.where, Where) else self.where
        return jnp.where(self._fit(mask, x), new, x)

    def _fit(self, mask, x):
        """The mask [n, T] over the axes of x."""
        pattern = self.site.endswith('attn_pattern')          # [n, H, T, S]: of the queries
        shape = (x.shape[0], x.shape[2]) if pattern else x.shape[:2]
        if x.ndim < 3 or mask.shape != shape:
            raise ConfigError(
                f'where at {self.site!r}: a mask {list(mask.shape)} over {list(x.shape)}' + (
                    '; this site has no tokens' if x.ndim < 3 else
                    '; for generation use where.span or where.positions'))
        if pattern:
            return mask[:, None, :, None]
        return mask.reshape(shape + (1,) * (x.ndim - 2))


def identity(site, where=None) -> Edit:
    """x."""
    return Edit(site, _identity, None, where)


def add(site, direction, strength=1.0, where=None) -> Edit:
    """x + a v; direction v [D] (or any shape that broadcasts), strength a []."""
    return Edit(site, _add, _arrays(strength, direction), where)


def add_relative(site, direction, strength, where=None) -> Edit:
    """x + a |x| v / |v|, norms over the last axis."""
    return Edit(site, _add_relative, _arrays(strength, direction), where)


def multiply(site, factor, where=None) -> Edit:
    """factor * x; 0 is zero ablation."""
    return Edit(site, _multiply, jnp.asarray(factor), where)


def replace(site, value, where=None) -> Edit:
    """value [D] or [n, T, D] in place of x: mean ablation, resampling, patching."""
    return Edit(site, _replace, jnp.asarray(value), where)


def project_out(site, direction, where=None) -> Edit:
    """x - (x.u) u with u = v / |v|, so that x'.v = 0. Idempotent."""
    return Edit(site, _project_out, jnp.asarray(direction), where)


def set_projection(site, direction, value, where=None) -> Edit:
    """x - relu(x.u) u + c u with u = v / |v|: AxBench's clamping (checked). For x.u >= 0
    the result has x'.u = c; a negative projection is not removed but added to."""
    return Edit(site, _set_projection, _arrays(value, direction), where)


def _arrays(*values):
    return tuple(jnp.asarray(v) for v in values)


def _unit(v):
    v = v.astype(jnp.float32)
    return v / jnp.maximum(jnp.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def _identity(_, x):
    return x


def _add(args, x):
    strength, direction = args
    return x.astype(jnp.float32) + strength * direction


def _add_relative(args, x):
    strength, direction = args
    x = x.astype(jnp.float32)
    return x + strength * jnp.linalg.norm(x, axis=-1, keepdims=True) * _unit(direction)


def _multiply(factor, x):
    return factor * x.astype(jnp.float32)


def _replace(value, x):
    return jnp.broadcast_to(value, x.shape)


def _along(x, u):
    return jnp.sum(x * u, axis=-1, keepdims=True)


def _project_out(direction, x):
    x, u = x.astype(jnp.float32), _unit(direction)
    return x - _along(x, u) * u


def _set_projection(args, x):
    value, direction = args
    x, u = x.astype(jnp.float32), _unit(direction)
    return x - jax.nn.relu(_along(x, u)) * u + value * u
