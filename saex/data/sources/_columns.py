"""What the rows of a harvest hold: activations, and what is carried beside them."""
import functools
import math
from typing import Any, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from saex.subjects import objective
from saex.subjects.network import Network

BESIDE = ('labels', 'pair', 'grad')
POOLS = ('', 'mean', 'first')
SUB_BATCH = 512


def widths(model: Any, sites: Sequence[str]) -> dict[str, int]:
    """Site -> values of one row there; the heads of an attention site side by side."""
    def run(key):
        made = model.init(key, *model.example())
        return model.apply(made, *model.example(), capture=tuple(sites))[1]

    return {site: math.prod(x.shape[2:])
            for site, x in jax.eval_shape(run, jax.random.key(0)).items()}


def activations(subject: Network, batch: Mapping, sites: Sequence[str]) -> dict:
    """{site: [n, T, D] float32} by one forward over all of them, a few hundred sequences at
    a time."""
    held, inputs = [], batch.get('images', batch['tokens'])
    for i in range(0, len(inputs), SUB_BATCH):
        real = batch.get('real')
        made = subject.capture(inputs[i:i + SUB_BATCH], tuple(sites),
                               None if real is None else real[i:i + SUB_BATCH])
        held.append({site: _flat(x) for site, x in made.items()})
    return {site: jnp.concatenate([h[site] for h in held]) for site in sites}


def gradients(subject: Network, batch: Mapping, site: str) -> jax.Array:
    """[n, T, D] float32: the gradient at `site` of the cross-entropy summed over the
    weighted positions, so that a row's does not depend on the rest of its batch."""
    wanted = ('tokens', 'targets', 'soft_targets', 'weights', 'real')
    parts = {k: batch[k] for k in wanted if k in batch}
    held = []
    for i in range(0, len(batch['tokens']), SUB_BATCH):
        part = {k: v[i:i + SUB_BATCH] for k, v in parts.items()}
        held.append(_flat(_gradient(subject.model, site, subject.params, part)))
    return jnp.concatenate(held)


def before(x: jax.Array) -> jax.Array:
    """[n, T, ...]: the row one position to the left, zeros at the first."""
    return jnp.pad(x[:, :-1], [(0, 0), (1, 0)] + [(0, 0)] * (x.ndim - 2))


def has_before(batch: Mapping, keep: np.ndarray) -> np.ndarray:
    """[n, T] bool: positions whose left neighbour is harvested too, in the same document."""
    found = np.zeros_like(keep)
    found[:, 1:] = keep[:, 1:] & keep[:, :-1]
    if 'document' in batch:
        document = np.asarray(batch['document'])
        found[:, 1:] &= document[:, 1:] == document[:, :-1]
    return found


def pooled(x: jax.Array, pool: str, real: np.ndarray) -> jax.Array:
    """[n, 1, ...] of [n, T, ...]: the first position, or the mean over the real ones."""
    if pool == 'first':
        return x[:, :1]
    weight = jnp.asarray(real, x.dtype).reshape(real.shape + (1,) * (x.ndim - 2))
    return jnp.sum(x * weight, 1, keepdims=True) / jnp.maximum(
        jnp.sum(weight, 1, keepdims=True), 1)


def norms(x: jax.Array) -> np.ndarray:
    """[n, T]; of the first site where there are several."""
    return np.linalg.norm(np.asarray(x[:, :, 0] if x.ndim == 4 else x), axis=-1)


def places(batch: Mapping, first: int) -> np.ndarray:
    """[n, T, 3] int32: document, position in it, token. Worlds without documents count
    their sequences from `first`."""
    tokens = np.asarray(batch['tokens'])
    document = np.asarray(batch.get('document', first + np.arange(len(tokens))[:, None]))
    offset = np.asarray(batch.get('offset', np.arange(tokens.shape[1])))
    return np.stack([np.broadcast_to(part, tokens.shape)
                     for part in (document, offset, tokens)], -1).astype(np.int32)


def _flat(x):
    return x.reshape(*x.shape[:2], -1).astype(jnp.float32)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _gradient(model, site, params, batch):
    def total(logits):
        return jnp.sum(objective.cross_entropy(logits, batch) * batch['weights'])

    return Network(model, params).gradients(batch['tokens'], (site,), total,
                                            batch.get('real'))[site]
