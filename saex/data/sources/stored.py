"""Activations of a subject network from a store on disk, harvested when it is not there."""
import dataclasses
import functools
from typing import Any

from saex import config, env
from saex.data import stream
from saex.data.store import layout
from saex.data.store.read import Store
from saex.data.store.write import write


@dataclasses.dataclass
class Stored:
    """Rows of `harvest`, a section of data/sources/harvest.py, by way of the store at `path`
    ('' is one in the cache, named by what it holds).

    What the store lacks is harvested first; an interrupted harvest goes on at the next
    shard. A store of another model, site, tokenizer, mask, corpus or size is refused. The
    rows come in a globally shuffled order (data/stream.py), each once in an epoch.

    store_rows: how many; 0 is every sequence of the world once (only where it ends).
    dtype: on disk, 'bfloat16', 'float16' or 'float32'; batches have it too.
    shard, block: rows of a file, and of one read. window: rows that are shuffled together
    in memory.
    """
    world: Any
    subject: Any
    harvest: dict
    path: str = ''
    store_rows: int = 0
    dtype: str = 'bfloat16'
    shard: int = 65536
    block: int = 1024
    window: int = stream.WINDOW
    seed: int = 0

    def problems(self) -> list[str]:
        found = [f'{name}: expected {low} or more, got {getattr(self, name)!r}'
                 for name, low in (('store_rows', 0), ('block', 1), ('window', 1))
                 if getattr(self, name) < low]
        if self.dtype not in layout.DTYPES:
            found.append(f'dtype: no {self.dtype!r}; '
                         f'{config.suggest(self.dtype, layout.DTYPES)}')
        if not found and self.shard % self.block:
            found.append(f'shard: expected a multiple of block, {self.block}, got '
                         f'{self.shard}')
        if not self.store_rows and not hasattr(self.world, 'count'):
            found.append('store_rows: this world does not end; say how many rows to store')
        return found

    def __post_init__(self):
        self.live = config.build(
            'saex.data.sources', {'name': 'harvest', **self.harvest}, where='source.harvest',
            world=self.world, subject=self.subject, seed=self.seed)

    @property
    def pool(self) -> str:
        return self.live.pool

    @property
    def splice_site(self) -> str:
        return self.live.splice_site

    @property
    def spec(self) -> dict:
        return self.live.spec

    @property
    def fingerprint(self) -> str:
        return layout.digest([self.live.about, self.store_rows, self.dtype, self.block,
                              self.window, self.seed])

    def batch(self, step: int, size: int) -> dict:
        """{'x': [size, D]} in `dtype`, and what the harvest carries beside."""
        return self._stream.batch(step, size)

    def rows(self, key, n: int) -> dict:
        """Rows for evaluation are harvested live, from held-out text: see Harvest."""
        return self.live.rows(key, n)

    def sequences_of(self, key, n: int) -> dict:
        return self.live.sequences_of(key, n)

    @functools.cached_property
    def store(self) -> Store:
        """The store, harvested if need be. Raises StoreError."""
        columns = {name: (shape, self.dtype if kind == 'float' else kind)
                   for name, (shape, kind) in self.live.columns.items()}
        rows = self.store_rows or self._most()
        told = [self.live.about, self.store_rows, self.dtype, self.shard, self.block]
        path = self.path or env.cache() / 'stores' / layout.digest(told)[:16]
        write(path, self.live.chunk, rows, columns, self.live.about, self.shard, self.block)
        return Store(path)

    def _most(self) -> int:
        """Rows that every sequence of the world gives if nothing is masked."""
        if self.live.pool:
            return self.world.count
        sites = len(self.live.sites) if self.live.mix else 1
        return self.world.count * self.world.context * sites

    @functools.cached_property
    def _stream(self) -> stream.Stream:
        return stream.Stream(self.store, self.seed, self.window)
