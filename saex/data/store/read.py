"""Reading a store."""
import pathlib
from typing import Callable, Iterable

import numpy as np

from saex.data.store import layout
from saex.data.store.layout import StoreError


class Store:
    """A store that is there, as a table of rows (data/stream.py).

    rows, block: int. columns: name -> (shape of one row, dtype). provenance, statistics: as
    they were written. partial: also one that is not complete, with the rows that it has.
    Raises StoreError when there is none.
    """

    def __init__(self, path: str | pathlib.Path, partial: bool = False):
        self.path = pathlib.Path(path)
        about, _ = layout.read_about(self.path)
        if about is None:
            raise StoreError(f'{self.path}: no store of activations')
        if not about['complete'] and not partial:
            raise StoreError(
                f'{self.path}: holds {about["rows"]} of {about["slots"]} rows, the harvest '
                'was interrupted; run it again to go on, or set partial=True to use these')
        self.rows, self.block = about['rows'], about['block']
        self.provenance, self.statistics = about['provenance'], about['statistics']
        self.complete = about['complete']
        self.columns = {name: (tuple(c['shape']), layout.dtype(c['dtype']))
                        for name, c in about['columns'].items()}
        self.fingerprint = layout.digest([self.provenance, self.rows, about['columns']])
        self._arrays = {name: layout.array(self.path, name, about) for name in self.columns}

    def ask(self, start: int, stop: int, names: Iterable[str]) -> Callable[[], dict]:
        """Begins to read rows [start, stop); the call that is returned gives them, or
        raises StoreError with the rows that are damaged."""
        wanted = {name: self._arrays[name][start:stop].read()
                  for name in names}

        def rows() -> dict[str, np.ndarray]:
            found = {}
            for name, future in wanted.items():
                try:
                    found[name] = np.asarray(future.result())
                except ValueError as e:
                    raise layout.damaged(self.path, name, start, stop, e) from e
            return found

        return rows
