"""Arrays on disk as tables of rows: a store of saex, .npy, .safetensors, zarr."""
import hashlib
import json
import pathlib
from typing import Any, Callable, Iterable, Mapping

import numpy as np

from saex.config import ConfigError, suggest
from saex.data.store import statistics
from saex.data.store.read import Store

BLOCK = 1024
PROBES = 64
FLOATS = ('float16', 'bfloat16', 'float32', 'float64')


def open_table(path: str, key: str = '', partial: bool = False, name: str = 'x') -> Any:
    """The table at `path`. key: which tensor of a safetensors file; not needed where there
    is one. A store gives all its columns, anything else one that is called `name`. Raises
    ConfigError."""
    place = pathlib.Path(path).expanduser()
    if place.is_dir() and _node(place) == 'group':
        return Store(place, partial)
    for fits, reader in ((place.is_dir() and _node(place) == 'array', _Zarr),
                         (place.is_file() and place.suffix == '.npy', _npy),
                         (place.is_file() and place.suffix == '.safetensors',
                          lambda place: _Safetensors(place, key))):
        if fits:
            return Array(place, reader(place), name)
    raise ConfigError(f'{path}: expected a store of activations, a zarr array, a .npy or a '
                      '.safetensors file' + ('' if place.exists() else ', and it is absent'))


class Array:
    """A table of one column. values: anything with shape, dtype and row slices. labels may
    be of any number type and one-dimensional; the rest is floating point, [N, D] or
    [N, S, D]. Blocks are 1024 rows, or a 64th of a small array."""

    def __init__(self, path: pathlib.Path, values: Any, name: str = 'x'):
        kind, shape = np.dtype(values.dtype), tuple(values.shape)
        if not 1 + (name != 'labels') <= len(shape) <= 3 or not all(shape):
            raise ConfigError(f'{path}: expected [N, D] or [N, S, D] for {name}, got shape '
                              f'{list(shape)}')
        if kind.name not in FLOATS and (name != 'labels' or kind.kind not in 'biu'):
            raise ConfigError(f'{path}: expected floating point for {name}, got {kind.name}')
        self.path, self.rows = path, shape[0]
        self.block = max(1, min(BLOCK, self.rows // 64))
        self._values, self._name = values, name
        kind = np.dtype(np.float32) if kind.name == 'float64' else kind
        self.columns = {name: (shape[1:], kind)}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the shape, the type and 64 rows spread over the array."""
        told = hashlib.sha256(f'{self._values.shape} {self._values.dtype}'.encode())
        for row in np.linspace(0, self.rows - 1, PROBES).astype(int):
            told.update(np.asarray(self._values[int(row):int(row) + 1]).tobytes())
        return told.hexdigest()

    def ask(self, start: int, stop: int, names: Iterable[str]) -> Callable[[], dict]:
        """Rows [start, stop). Raises ConfigError, with the row, for one not finite."""
        def rows():
            x = np.asarray(self._values[start:stop]).astype(self.columns[self._name][1])
            bad = statistics.first_not_finite(x)
            if bad is not None:
                raise ConfigError(f'{self.path}: row {start + bad} holds a value that is not '
                                  'finite')
            return {self._name: x}
        return rows


class Joined:
    """A table and further columns of the same rows."""

    def __init__(self, first: Any, beside: Mapping[str, Any]):
        for name, table in beside.items():
            if table.rows != first.rows:
                raise ConfigError(f'{name}: {table.path} holds {table.rows} rows, '
                                  f'{first.path} {first.rows}')
        self.path, self.rows, self.block = first.path, first.rows, first.block
        self._tables = [first, *beside.values()]
        self.columns = {k: v for t in self._tables for k, v in t.columns.items()}
        self.fingerprint = ' '.join(t.fingerprint for t in self._tables)

    def ask(self, start: int, stop: int, names: Iterable[str]) -> Callable[[], dict]:
        asked = [t.ask(start, stop, [n for n in names if n in t.columns])
                 for t in self._tables]
        return lambda: {k: v for ask in asked for k, v in ask().items()}


def _node(path: pathlib.Path) -> str | None:
    try:
        return json.loads((path / 'zarr.json').read_text())['node_type']
    except (OSError, ValueError, KeyError, TypeError):
        return 'array' if (path / '.zarray').is_file() else None


def _npy(path: pathlib.Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode='r', allow_pickle=False)
    except (ValueError, OSError, EOFError) as e:
        raise ConfigError(f'{path}: not an array that can be read ({e})') from e


class _Safetensors:
    """Row slices of one tensor of a safetensors file."""

    def __init__(self, path: pathlib.Path, key: str):
        import ml_dtypes  # noqa: F401  numpy learns bfloat16 from it
        from safetensors import SafetensorError, safe_open
        try:
            self._file = safe_open(path, framework='numpy')
            names = sorted(self._file.keys())
            key = key or (names[0] if len(names) == 1 else 'x')
            if key not in names:
                raise ConfigError(f'{path}: no tensor {key!r}; {suggest(key, names)}')
            self._slice = self._file.get_slice(key)
            self.shape = tuple(self._slice.get_shape())
            self.dtype = self._slice[0:1].dtype
        except (SafetensorError, OSError, TypeError) as e:
            raise ConfigError(f'{path}: not a safetensors file that can be read ({e})') from e

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._slice[rows]


class _Zarr:
    """Row slices of a zarr array."""

    def __init__(self, path: pathlib.Path):
        import tensorstore as ts

        driver = 'zarr3' if (path / 'zarr.json').is_file() else 'zarr'
        spec = {'driver': driver, 'kvstore': {'driver': 'file', 'path': f'{path}/'},
                'fill_missing_data_reads': False}
        try:
            self._held = ts.open(spec, open=True).result()
        except ValueError as e:
            raise ConfigError(f'{path}: not a zarr array that can be read ({e})') from e
        self._path, self.shape = path, tuple(self._held.shape)
        self.dtype = self._held.dtype.numpy_dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        try:
            return self._held[rows].read().result()
        except ValueError as e:
            raise ConfigError(f'{self._path}: rows {rows.start} to {rows.stop - 1} cannot be '
                              f'read ({e})') from e
