"""The sequences of a world, in the order in which a harvest reads them."""
from typing import Any

import jax
import numpy as np

from saex.data.text import tokens as tokens_lib


class Sequences:
    """`chunk(i)`: n sequences, a pure function of (seed, i).

    A world with `count` sequences is read once in each epoch, in an order of its own; any
    other gives fresh ones for ever.
    """

    def __init__(self, world: Any, n: int, seed: int):
        self.world, self._n = world, n
        self._key = jax.random.key(seed)
        self._sample = sampler(world)
        self._order: tuple = (None, None)

    def chunk(self, index: int) -> dict:
        count = getattr(self.world, 'count', None)
        if count is None:
            return self._sample(self.key(index), self._n)
        at = np.arange(index * self._n, (index + 1) * self._n)
        epoch, place = at // count, at % count
        rows = [self._epoch(e, count)[place[epoch == e]] for e in np.unique(epoch)]
        return self.world.at(np.concatenate(rows))

    def last(self, index: int) -> int | None:
        """How many sequences of chunk `index` belong to the first epoch; None for a world
        that does not end."""
        count = getattr(self.world, 'count', None)
        return None if count is None else max(0, min(self._n, count - index * self._n))

    def key(self, index: int) -> jax.Array:
        return jax.random.split(jax.random.fold_in(self._key, index))[0]

    def _epoch(self, epoch: int, count: int) -> np.ndarray:
        if self._order[0] != epoch:
            key = jax.random.split(jax.random.fold_in(self._key, epoch))[1]
            self._order = (epoch, np.asarray(jax.random.permutation(key, count)))
        return self._order[1]


def on_host(world: Any) -> bool:
    """True for a world that samples with numpy and must not be traced."""
    return getattr(world, 'on_host', False)


def sampler(world: Any):
    """`sample(key, n)` of a world, compiled where it can be."""
    return world.sample if on_host(world) else jax.jit(world.sample, static_argnums=1)


def fit_problems(world: Any, model: Any) -> list[str]:
    """Why `model` cannot read the sequences of `world`: [] or one line each."""
    sides = [getattr(part, 'patch', 0) for part in (world, model)]
    if any(sides):
        found = [(side, side and bool(part.cls)) for side, part in zip(sides, (world, model))]
        return [] if found[0] == found[1] else [
            f'world: (patch, cls) is {found[0]}, the subject has {found[1]}; 0 reads tokens']
    found, context = [], getattr(model, 'context', world.context)
    if world.context > context:
        found.append(f'world.length: sequences of {world.context} tokens, but the subject '
                     f'reads {context}')
    if isinstance(getattr(world, 'tokens', None), tokens_lib.Tokens):
        found += tokens_lib.problems_with(world.tokens, model.vocab)
    return found
