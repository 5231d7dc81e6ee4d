"""Training a subject network on a world, as a Problem."""
from typing import Any

import jax
import jax.numpy as jnp

from saex.subjects import objective
from saex.train.state import Problem


class WorldSource:
    """Sequences of a world; batch(step) is a pure function of (seed, step, size)."""

    def __init__(self, world: Any, seed: int):
        self._world, self._key = world, jax.random.key(seed)
        self._sample = (world.sample if getattr(world, 'on_host', False)
                        else jax.jit(world.sample, static_argnums=1))
        self.spec, self.fingerprint = {}, world.fingerprint

    def batch(self, step: int, size: int) -> dict:
        return self._sample(jax.random.fold_in(self._key, step), size)


def problem(model: Any) -> Problem:
    """Next-token cross-entropy of `model` on the sequences of a world."""
    def init(key, sample):
        return model.init(key, jnp.zeros((1, model.context), jnp.int32))['params'], {}

    def loss(params, stats, weights, batch, key, step):
        logits, _ = model.apply({'params': params}, batch['tokens'])
        value = objective.loss(logits, batch)
        return value, ({'metrics/loss': value,
                        'metrics/accuracy': objective.accuracy(logits, batch)}, stats)

    return Problem(lambda source: None, init, loss, {},
                    summary=('metrics/loss', 'metrics/accuracy'))
