"""Detectors: coders that see tokens, a constant or the labels, and reconstruct nothing.

Always-on, last-token and window detectors are floors (what a score is worth that no
dictionary is needed for); the linear probe and the Bayes posterior are ceilings.
"""
from typing import Any

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from saex.ops import stats

__all__ = []       # a coder is not an evaluation


class _Detector:
    """A coder without atoms."""

    def reconstruct(self, batch, codes):
        return None

    def atoms(self):
        return None


@struct.dataclass
class AlwaysOn(_Detector):
    """One latent, 1 on every row. Its F1 for a property of base rate p is 2p / (1 + p)."""
    size: int = struct.field(pytree_node=False, default=1)

    def codes(self, batch):
        return jnp.ones((batch['x'].shape[0], self.size), jnp.float32)


@struct.dataclass
class LastToken(_Detector):
    """One-hot of the current token: what the input alone gives away. M = V."""
    size: int = struct.field(pytree_node=False)

    def codes(self, batch):
        return jax.nn.one_hot(batch['tokens'], self.size)


@struct.dataclass
class Window(_Detector):
    """One latent for each window of last tokens; a row whose window is new is all zero.

    windows: [M, 3] int32. `Window.fit(rows)` takes them from the fit rows.
    """
    windows: jax.Array

    @classmethod
    def fit(cls, window: Any, most: int = 4096) -> 'Window':
        """The distinct rows of window [N, 3]; of more than `most`, the most frequent."""
        distinct, count = np.unique(np.asarray(window), axis=0, return_counts=True)
        order = np.argsort(-count, kind='stable')[:most]
        return cls(jnp.asarray(distinct[np.sort(order)], jnp.int32))

    @property
    def size(self) -> int:
        return self.windows.shape[0]

    def codes(self, batch):
        same = batch['window'][:, None, :] == self.windows
        return jnp.all(same, axis=-1).astype(jnp.float32)


@struct.dataclass
class LinearProbe(_Detector):
    """A logistic regression from x to the states: what is linearly readable. M = C.

    codes = one-hot of the largest logit when exactly one state holds on every fit row
    (`exclusive`), else 1[logit > 0] for each state on its own (sigmoid > 1/2).
    weights [D, C]; bias [C]. `LinearProbe.fit(x, states)` makes one.
    """
    weights: jax.Array
    bias: jax.Array
    exclusive: bool = struct.field(pytree_node=False)

    @classmethod
    def fit(cls, x: Any, states: Any, l2: float = 1e-4, steps: int = 200) -> 'LinearProbe':
        """From x [N, D] and states [N, C] bool: multinomial when the states are exclusive,
        else one against the rest. l2, steps: see ops/stats.py logistic."""
        states = np.asarray(states)
        exclusive = bool(np.all(states.sum(axis=1) == 1))
        weights, bias = stats.logistic(x, states, exclusive, l2, steps)
        return cls(weights, bias, exclusive)

    @property
    def size(self) -> int:
        return self.bias.shape[0]

    def codes(self, batch):
        logits = batch['x'] @ self.weights + self.bias
        if self.exclusive:
            return jax.nn.one_hot(jnp.argmax(logits, axis=-1), self.size)
        return (logits > 0).astype(jnp.float32)


@struct.dataclass
class Posterior(_Detector):
    """The world's exact posterior of the states given the tokens: the Bayes ceiling.

    hard: codes = one-hot of the most probable state (the first of equals), for states of
        which exactly one holds. Otherwise codes = the posterior itself, which the
        thresholds of an evaluation then cut; for states that are a function of the tokens
        (a board) it is the states.
    """
    size: int = struct.field(pytree_node=False)
    hard: bool = struct.field(pytree_node=False, default=True)

    def codes(self, batch):
        posterior = batch['posterior'].astype(jnp.float32)
        if not self.hard:
            return posterior
        return jax.nn.one_hot(jnp.argmax(posterior, axis=-1), self.size)
