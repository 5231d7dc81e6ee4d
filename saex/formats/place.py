"""A file or folder on disk, as the readers look at it."""
import functools
import pathlib
import re

from saex.formats import files
from saex.formats.errors import FormatError, require


class Place:
    """path: a weights file, or a folder that holds one dictionary."""

    def __init__(self, path: str | pathlib.Path):
        self.path = pathlib.Path(path)
        require(self.path.exists(), f'{self.path}: no such file or folder')
        self.file = self.path if self.path.is_file() else None
        self.folder = self.path.parent if self.file else self.path
        self.names = sorted(p.name for p in self.folder.iterdir())

    def has(self, pattern: str) -> bool:
        """True when a file of the place has a name that the regex matches whole."""
        names = [self.file.name] if self.file else self.names
        return any(re.fullmatch(pattern, n) for n in names)

    def one(self, pattern: str) -> pathlib.Path:
        """The only file of that name. Raises FormatError for none or several."""
        names = [self.file.name] if self.file else self.names
        found = [n for n in names if re.fullmatch(pattern, n)]
        require(len(found) == 1, f'{self.path}: {len(found)} files match {pattern}'
                + (f' ({", ".join(found[:4])}, ...): name one' if found else ''))
        return self.folder / found[0]

    def config(self, name: str, up: int = 0) -> dict:
        """The JSON beside the weights, {} where there is none; up: also look in parents."""
        for folder in [self.folder, *self.folder.parents[:up]]:
            if (folder / name).is_file():
                return files.json_file(folder / name)
        return {}

    @functools.cached_property
    def weights(self) -> pathlib.Path | None:
        """The file that holds the arrays: the one given, or the only candidate."""
        if self.file:
            return self.file
        known = [n for n in self.names if n in WEIGHTS]
        if not known:
            known = [n for n in self.names if pathlib.Path(n).suffix in SUFFIXES
                     and n not in BESIDE]
        return self.folder / known[0] if len(known) == 1 else None

    @functools.cached_property
    def keys(self) -> frozenset:
        """Names of the arrays in `weights`."""
        if self.weights is None or self.weights.suffix not in SUFFIXES:
            return frozenset()
        if self.weights.suffix == '.safetensors':       # its header is enough
            return frozenset(files.names(self.weights))
        return frozenset(map(str, self.arrays))

    @functools.cached_property
    def arrays(self) -> dict:
        """The arrays of `weights`."""
        if self.weights is None:
            raise FormatError(f'{self.path}: no single weights file; it holds '
                              f'{", ".join(self.names[:8]) or "nothing"}')
        found = files.tensors(self.weights)
        nested = found.get('sae')
        return nested if isinstance(nested, dict) else found


SUFFIXES = ('.safetensors', '.npz', '.pt', '.pth', '.bin')
WEIGHTS = ('sae_weights.safetensors', 'sae.safetensors', 'params.npz', 'params.safetensors',
           'ae.pt', 'sae_weights.pt')
BESIDE = ('sparsity.safetensors', 'activations_store_state.safetensors', 'trainer_state.pt',
          'activation_whitening.safetensors', 'optimizer.pt')


def take(arrays: dict, *names: str, where) -> list:
    """The named arrays; FormatError lists what is missing."""
    missing = [n for n in names if n not in arrays]
    require(not missing, f'{where}: no {", ".join(missing)}; it holds '
            f'{", ".join(map(str, list(arrays)[:12]))}')
    return [arrays[n] for n in names]


def flipped(matrix, where):
    """The transpose of a matrix. Raises FormatError for another shape."""
    require(getattr(matrix, 'ndim', 0) == 2, f'{where}: expected a matrix, got shape '
            f'{getattr(matrix, "shape", type(matrix).__name__)}')
    return matrix.T


def word(config: dict, key: str, where, default: str | None = None):
    """A string of a config. Raises FormatError for anything else."""
    value = config.get(key, default)
    require(value is default or isinstance(value, str),
            f'{where}: {key} is {value!r}, expected a string')
    return value


def flag(config: dict, key: str, where, default: bool = False) -> bool:
    """A bool of a config; 0 and "false" are not. Raises FormatError."""
    value = config.get(key, default)
    require(isinstance(value, bool), f'{where}: {key} is {value!r}, expected true or false')
    return value


def number(config: dict, key: str, kind: type, where, default=None):
    """A number of a config, of the right type. Raises FormatError."""
    value = config.get(key, default)
    fine = isinstance(value, kind) or (kind is float and isinstance(value, int))
    if value is None and default is None and key not in config:
        raise FormatError(f'{where}: no {key}')
    require(fine and not isinstance(value, bool)
            or (kind is bool and isinstance(value, bool)),
            f'{where}: {key} is {value!r}, expected {kind.__name__}')
    return value
