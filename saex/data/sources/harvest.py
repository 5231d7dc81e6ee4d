"""Activations of a subject network at one site, harvested live."""
import dataclasses
import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

SUB_BATCH = 512


@dataclasses.dataclass
class Harvest:
    """Rows x [B, D] of `site` at the world's harvest positions, fresh for ever.

    Chunk c samples `sequences` sequences with fold_in(key, c), keeps the harvest positions
    and shuffles the rows with a key of its own: a pure function of (seed, c). A chunk
    serves the same number of batches for ever (counted on chunk 0, less a tenth where
    chunks differ in size), so that batch(step) is a pure function of (seed, step, size).

    chunks: 0 harvests for ever; n > 0 harvests n chunks once, keeps them in memory and
    goes over them again and again, shuffled anew each time.
    """
    world: Any
    subject: Any
    site: str
    sequences: int = 4096
    chunks: int = 0
    seed: int = 0

    def problems(self):
        found = []
        if self.sequences < 1:
            found.append(f'sequences: expected 1 or more, got {self.sequences}')
        if self.chunks < 0:
            found.append(f'chunks: expected 0 (fresh for ever) or more, got {self.chunks}')
        return found

    def __post_init__(self):
        self._kept, self._shuffled = {}, (None, None)
        self._usable = None
        self._sample = jax.jit(self.world.sample, static_argnums=1)

    @property
    def spec(self) -> dict:
        return {'d_in': self.subject.model.width, 'states': self.world.state_count}

    @property
    def fingerprint(self) -> str:
        text = (f'{self.world.fingerprint} {self.subject.fingerprint()} {self.site} '
                f'{self.sequences} {self.chunks} {self.seed}')
        return hashlib.sha256(text.encode()).hexdigest()

    def batch(self, step: int, size: int) -> dict:
        """{'x': [size, D] float32}."""
        if self._usable is None:
            rows = len(self._chunk(0))
            uneven = self._sequence_rows().std() > 0
            self._usable = int(rows * (0.9 if uneven else 1.0))
        per_chunk = self._usable // size
        if per_chunk == 0:
            raise ValueError(f'a chunk of {self.sequences} sequences holds {self._usable} '
                             f'rows, fewer than a batch of {size}; raise source.sequences')
        chunk, part = divmod(step, per_chunk)
        start = part * size
        return {'x': self._chunk(chunk)[start:start + size]}

    def rows(self, key, n: int) -> dict:
        """Evaluation rows of n sequences as host arrays: x, mask, states, tokens, window
        (the last three tokens, -1 before the start), posterior, sequence, position."""
        batch = self._sample(key, n)
        keep = np.asarray(batch['harvest'])
        tokens = np.asarray(batch['tokens'])
        padded = np.pad(tokens, ((0, 0), (2, 0)), constant_values=-1)
        window = np.stack([padded[:, i:i + tokens.shape[1]] for i in range(3)], axis=-1)
        sequence, position = np.nonzero(keep)
        return {'x': np.asarray(self._activations(batch['tokens']))[keep],
                'mask': np.ones(len(sequence), np.float32),
                'states': np.asarray(batch['states'])[keep], 'tokens': tokens[keep],
                'window': window[keep].astype(np.int32), 'sequence': sequence,
                'position': position,
                'posterior': np.asarray(jax.jit(self.world.bayes)(batch))[keep]}

    def sequences_of(self, key, n: int) -> dict:
        """n whole sequences of the world."""
        return self._sample(key, n)

    def _chunk(self, index: int) -> jax.Array:
        """The shuffled rows of the index-th chunk served."""
        if self._shuffled[0] != index:
            key = jax.random.fold_in(jax.random.key(self.seed), index)
            x = self._rows(index % self.chunks if self.chunks else index)
            order = jax.random.permutation(jax.random.split(key)[1], len(x))
            self._shuffled = (index, x[order])
        return self._shuffled[1]

    def _rows(self, chunk: int) -> jax.Array:
        """The rows of a chunk in the order of their sequences."""
        if not self.chunks:
            self._kept.clear()
        if chunk not in self._kept:
            key = jax.random.fold_in(jax.random.key(self.seed), chunk)
            batch = self._sample(jax.random.split(key)[0], self.sequences)
            x = self._activations(batch['tokens']).reshape(-1, self.spec['d_in'])
            self._kept[chunk] = x[np.flatnonzero(np.asarray(batch['harvest']))]
        return self._kept[chunk]

    def _activations(self, tokens) -> jax.Array:
        parts = [self.subject.capture(tokens[i:i + SUB_BATCH], self.site)
                 for i in range(0, len(tokens), SUB_BATCH)]
        return jnp.concatenate(parts).astype(jnp.float32)

    def _sequence_rows(self) -> np.ndarray:
        probe = self._sample(jax.random.key(self.seed), min(self.sequences, 256))
        return np.asarray(probe['harvest']).sum(axis=1)
