"""Batches of a table in a globally shuffled order.

A table has `path`, `rows`, `block` (rows that are read at once), `columns` {name: (shape of
a row, dtype)}, `fingerprint`, and `ask(start, stop, names)`, which begins to read and gives
a call that returns {name: [stop - start, ...]}.

The rows of an epoch are a permutation: its blocks are permuted, every `window` rows' worth
of blocks are read together, and the rows of a window are permuted. Both are functions of
(seed, epoch, window), so batch(step) is a function of (seed, step, size) and a resume needs
nothing but the step. Fewer rows than a batch are left over at the end of each epoch.
"""
from concurrent import futures
from typing import Any

import numpy as np

from saex.config import ConfigError

WINDOW = 65536


class Stream:
    """held_out: one block in so many is left out (0: none), or with test=True the only ones
    that are read. ahead: windows that a thread reads and shuffles while those before are
    used. 'where' stays on disk."""

    def __init__(self, table: Any, seed: int = 0, window: int = WINDOW, held_out: int = 0,
                 test: bool = False, ahead: int = 1):
        self.table, self._seed, self._ahead = table, seed, ahead
        starts = np.arange(0, table.rows, table.block)
        if held_out:
            starts = starts[(np.arange(len(starts)) % held_out == held_out - 1) == test]
        self._blocks = np.stack([starts, np.minimum(starts + table.block, table.rows)], 1)
        self._columns = {k: v for k, v in table.columns.items() if k != 'where'}
        self._wide = max(1, window // table.block)
        self.rows = int((self._blocks[:, 1] - self._blocks[:, 0]).sum())
        self._held: dict[tuple, futures.Future] = {}
        self._epoch: tuple = (None,)
        self._thread = futures.ThreadPoolExecutor(1, 'saex-stream')

    @property
    def windows(self) -> int:
        return -(-len(self._blocks) // self._wide)

    def batch(self, step: int, size: int) -> dict[str, np.ndarray]:
        """{name: [size, ...]}. Raises ConfigError when there are fewer rows than that."""
        in_epoch = self.rows // size
        if not in_epoch:
            raise ConfigError(f'{self.table.path}: {self.rows} rows to read, fewer than a '
                              f'batch of {size}')
        epoch, part = divmod(step, in_epoch)
        first, last = part * size, (part + 1) * size
        ends = self._order(epoch)[1]
        pieces, at = [], int(np.searchsorted(ends, first, side='right'))
        while first < last:
            rows, base = self._window(epoch, at), ends[at - 1] if at else 0
            stop = min(last, ends[at])
            pieces.append({k: v[first - base:stop - base] for k, v in rows.items()})
            first, at = stop, at + 1
        if len(pieces) == 1:
            return pieces[0]
        return {k: np.concatenate([p[k] for p in pieces]) for k in pieces[0]}

    def _order(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """(the epoch's blocks in their order, rows up to the end of each window)."""
        if self._epoch[0] != epoch:
            blocks = self._permuted(epoch)
            sums = np.cumsum(blocks[:, 1] - blocks[:, 0])
            last = np.minimum(np.arange(1, self.windows + 1) * self._wide, len(blocks)) - 1
            self._epoch = (epoch, blocks, sums[last])
        return self._epoch[1:]

    def _permuted(self, epoch: int) -> np.ndarray:
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._blocks))
        return self._blocks[order]

    def _window(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """The shuffled rows of a window; the next ones are asked for as well."""
        near = [(epoch + i // self.windows, i % self.windows)
                for i in range(index - 1, index + 1 + self._ahead)]
        self._held = {key: self._held[key] for key in near if key in self._held}
        for key in near[1:]:
            if key not in self._held:
                self._held[key] = self._thread.submit(self._load, *key)
        return self._held[epoch, index].result()

    def _load(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        blocks = self._permuted(epoch)[index * self._wide:(index + 1) * self._wide]
        asked = [self.table.ask(int(start), int(stop), self._columns)
                 for start, stop in blocks]
        ends = np.cumsum(blocks[:, 1] - blocks[:, 0])
        rng = np.random.default_rng([self._seed, epoch, index])
        place = np.split(rng.permutation(ends[-1]), ends[:-1])
        made = {name: np.empty((ends[-1], *shape), dtype)
                for name, (shape, dtype) in self._columns.items()}
        for rows, to in zip(asked, place):
            for name, value in rows().items():
                made[name][to] = value
        return made
