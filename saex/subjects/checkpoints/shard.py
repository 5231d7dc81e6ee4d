"""Where a subject's parameters lie on a mesh, and putting them there one by one."""
from typing import Any, Callable

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
import numpy as np

from saex import tree

__all__ = []       # not itself a subject

# path regex -> the axis that is split: heads, hidden units, vocabulary
SPLIT = (
    (r'(qkv|mlp_in|mlp_gate|head)/(kernel|bias)', -1),
    (r'(attn_proj|mlp_proj)/kernel|token/embedding', 0),
)


def over(mesh: Mesh, axis: str = 'model') -> Callable:
    """A `sharding` for load: the matrices of the blocks, the token embedding and the head
    split over an axis of the mesh where they divide by its size, the rest whole."""
    def sharding(path: str, shape: tuple[int, ...]) -> NamedSharding:
        for pattern, split in SPLIT:
            if tree.matches(pattern, path) and shape[split] % mesh.shape[axis] == 0:
                return NamedSharding(mesh, PartitionSpec(
                    *[None] * (split % len(shape)), axis))
        return NamedSharding(mesh, PartitionSpec())
    return sharding


def place(value: np.ndarray, path: str, sharding: Any) -> jax.Array:
    """One host tensor on its devices; each receives its own slice only."""
    where = sharding(path, value.shape) if callable(sharding) else sharding
    if where is None:
        return jax.numpy.asarray(value)
    return jax.make_array_from_callback(value.shape, where, lambda index: value[index])
