"""Edits of a subject's activations, as pytrees.

Site and op are static, args are array leaves, so that sweeping a strength compiles once.
An op is a function `(args, x [n, T, D]) -> [n, T, D]`.
"""
from typing import Any, Callable

from flax import struct
import jax
import jax.numpy as jnp


@struct.dataclass
class Edit:
    """x <- op(args, x) at `site`; where `where` [n, T] is False, x stays bit for bit."""
    site: str = struct.field(pytree_node=False)
    op: Callable = struct.field(pytree_node=False)
    args: Any = None
    where: jax.Array | None = None

    def __call__(self, x, text=None):
        new = self.op(self.args, x)
        return new if self.where is None else jnp.where(self.where[..., None], new, x)


def identity(args, x):
    """x."""
    return x


def add(args, x):
    """x + strength * direction; args = (strength [], direction [D])."""
    strength, direction = args
    return x + strength * direction


def scale(args, x):
    """args * x."""
    return args * x


def replace(args, x):
    """args [D] or [n, T, D] in place of x: zero ablation, mean ablation, a splice."""
    return jnp.broadcast_to(args, x.shape).astype(x.dtype)
