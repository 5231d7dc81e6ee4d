"""What an evaluation measures, and the trivial coders to measure it against.

A coder is a pytree (so that one compiled evaluation serves all coders of one shape) with

    size                        M
    codes(batch)                [N, M] float32 of rows in RAW activation space
    reconstruct(batch, codes)   [N, D] in raw space, or None: a detector has none
    atoms()                     [M, D] unit rows in raw space, or None

where batch has 'x' [N, D] and 'mask' [N], and what else the rows carry: 'tokens' [N],
'window' [N, 3], 'states' [N, C], 'posterior' [N, C].

Neurons, principal components and a random dictionary are floors: a trained dictionary
that does not beat them has found nothing. Detectors are in controls.py.
"""
from typing import Any, Protocol

from flax import struct
import jax
import jax.numpy as jnp

from saex import types
from saex.ops import matching, stats

__all__ = []       # a coder is not an evaluation


class Coder(Protocol):
    """See the head of this file."""
    size: int

    def codes(self, batch: types.Batch) -> jax.Array:
        ...

    def reconstruct(self, batch: types.Batch, codes: jax.Array) -> jax.Array | None:
        ...

    def atoms(self) -> jax.Array | None:
        ...


def _signed(values: jax.Array) -> jax.Array:
    """[N, K] to [N, 2K]: positive parts, then negative parts, both >= 0."""
    return jax.nn.relu(jnp.concatenate([values, -values], axis=-1))


def _unsigned(codes: jax.Array) -> jax.Array:
    positive, negative = jnp.split(codes, 2, axis=-1)
    return positive - negative


@struct.dataclass
class Neurons:
    """The raw activations: codes = [relu(x), relu(-x)], M = 2D; reconstructs exactly."""
    d_in: int = struct.field(pytree_node=False)

    @property
    def size(self) -> int:
        return 2 * self.d_in

    def codes(self, batch):
        return _signed(batch['x'].astype(jnp.float32))

    def reconstruct(self, batch, codes):
        return _unsigned(codes)

    def atoms(self):
        return jnp.concatenate([jnp.eye(self.d_in), -jnp.eye(self.d_in)])


@struct.dataclass
class PCA:
    """codes = [relu(p), relu(-p)] with p = (x - mean) components^T; M = 2K.

    mean [D]; components [K, D], unit rows by falling variance. `PCA.fit(x)` makes one.
    """
    mean: jax.Array
    components: jax.Array

    @classmethod
    def fit(cls, x: Any, components: int | None = None) -> 'PCA':
        """From rows x [N, D]; `components` is K, by default D."""
        mean, rows, _ = stats.pca(x)
        return cls(jnp.asarray(mean, jnp.float32),
                   jnp.asarray(rows[:components], jnp.float32))

    @property
    def size(self) -> int:
        return 2 * self.components.shape[0]

    def codes(self, batch):
        return _signed((batch['x'] - self.mean) @ self.components.T)

    def reconstruct(self, batch, codes):
        return self.mean + _unsigned(codes) @ self.components

    def atoms(self):
        return jnp.concatenate([self.components, -self.components])


@struct.dataclass
class RandomDictionary:
    """codes = the k largest of each row of relu((x - mean) atoms^T), the rest 0.

        reconstruct = mean + gain * codes atoms

    with unit Gaussian atoms [M, D] and one scalar gain, fitted by least squares so that
    the length of the reconstruction is not what fails. Centring makes it a higher floor:
    without it a few atoms near the mean would fire on every row.
    """
    mean: jax.Array
    rows: jax.Array
    gain: jax.Array
    k: int = struct.field(pytree_node=False)

    @classmethod
    def fit(cls, key: jax.Array, x: Any, size: int, k: int) -> 'RandomDictionary':
        """M = size atoms drawn from `key`; mean and gain from rows x [N, D], of which a
        few thousand are enough (all their codes are held at once). Raises ValueError
        unless 1 <= k <= size."""
        if not 1 <= k <= size:
            raise ValueError(f'k: expected 1 to {size}, got {k}')
        x = jnp.asarray(x, jnp.float32)
        rows = matching.unit(jax.random.normal(key, (size, x.shape[1])))
        made = cls(x.mean(axis=0), rows, jnp.ones(()), k)
        guess = made.codes({'x': x}) @ rows
        gain = jnp.sum((x - made.mean) * guess) / jnp.maximum(jnp.sum(guess ** 2), 1e-12)
        return made.replace(gain=gain)

    @property
    def size(self) -> int:
        return self.rows.shape[0]

    def codes(self, batch):
        pre = jax.nn.relu((batch['x'] - self.mean) @ self.rows.T)
        values, indices = jax.lax.top_k(pre, self.k)
        return types.Codes(self.size, values=values, indices=indices).dense()

    def reconstruct(self, batch, codes):
        return self.mean + self.gain * (codes @ self.rows)

    def atoms(self):
        return self.rows
