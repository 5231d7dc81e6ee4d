"""Plain arrays on disk: embeddings, features of another program, a store without its model."""
import dataclasses
import functools
import hashlib
from typing import Any

import jax
import numpy as np

from saex.config import ConfigError
from saex.data import stream, tables


@dataclasses.dataclass
class Arrays:
    """Rows x [B, D] (or [B, S, D]) of a .npy or .safetensors file, a zarr array, or a store.

    key: which tensor of a safetensors file. y, pair, grad, labels: paths of further arrays
    with the same rows. The rows come in a globally shuffled order (data/stream.py), each
    once in an epoch. held_out: one block of rows in so many is left for evaluation.
    partial: read a store whose harvest was interrupted. width: expected D; 0 takes what is
    there.
    """
    path: str
    key: str = ''
    y: str = ''
    pair: str = ''
    grad: str = ''
    labels: str = ''
    width: int = 0
    held_out: int = 20
    partial: bool = False
    window: int = stream.WINDOW
    seed: int = 0

    def problems(self) -> list[str]:
        found = [f'{name}: expected {wanted}, got {getattr(self, name)!r}'
                 for name, wanted, ok in (
                     ('held_out', '2 or more', self.held_out >= 2),
                     ('window', '1 or more', self.window >= 1)) if not ok]
        try:
            width = self.table.columns['x'][0][-1]
        except ConfigError as e:
            return found + [f'path: {line}' for line in e.problems]
        if self.width and width != self.width:
            found.append(f'width: {self.path} holds rows of {width}, expected {self.width}')
        return found

    @functools.cached_property
    def table(self) -> Any:
        first = tables.open_table(self.path, self.key, self.partial)
        beside = {name: tables.open_table(getattr(self, name), name=name)
                  for name in ('y', 'pair', 'grad', 'labels') if getattr(self, name)}
        return tables.Joined(first, beside) if beside else first

    @property
    def spec(self) -> dict:
        columns = self.table.columns
        *sites, width = columns['x'][0]
        made = {'d_in': width, 'keys': tuple(sorted(set(columns) - {'x', 'y', 'where'}))}
        made |= {'sites': sites[0]} if sites else {}
        return made | ({'d_out': int(np.prod(columns['y'][0]))} if 'y' in columns else {})

    @property
    def fingerprint(self) -> str:
        told = f'{self.table.fingerprint} {self.held_out} {self.window} {self.seed}'
        return hashlib.sha256(told.encode()).hexdigest()

    def batch(self, step: int, size: int) -> dict:
        """{'x': [size, D]} in the type on disk (float64 as float32)."""
        return self._stream.batch(step, size)

    def rows(self, key: jax.Array, n: int) -> dict:
        """n rows that training does not see, or all of them where there are fewer; 'mask'
        and what stands beside."""
        seed = int(jax.random.randint(key, (), 0, 2 ** 31 - 1))
        held = stream.Stream(self.table, seed, self.window, self.held_out, True, ahead=0)
        found = held.batch(0, min(n, held.rows))
        return found | {'x': np.asarray(found['x'], np.float32),
                        'mask': np.ones(len(found['x']), np.float32)}

    @functools.cached_property
    def _stream(self) -> stream.Stream:
        return stream.Stream(self.table, self.seed, self.window, self.held_out)
