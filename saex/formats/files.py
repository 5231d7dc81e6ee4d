"""Reading files that nobody vouches for: sizes and names are checked before allocation.

`tensors(path)` gives name -> array for .safetensors, .npz, .pt, .pth and .bin; FormatError
for everything else.
"""
import json
import math
import pathlib
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import ml_dtypes  # noqa: F401  (numpy learns bfloat16, which safetensors needs)
import numpy as np

from saex.formats import torch_file
from saex.formats.errors import FormatError, require

HEADER_LIMIT = 100_000_000
RATIO_LIMIT = 200       # bytes out of one byte in: weights do not compress like that
TORCH = ('.pt', '.pth', '.bin')


def tensors(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of one file, by name."""
    path = pathlib.Path(path)
    require(path.is_file(), f'{path}: no such file')
    if path.suffix == '.safetensors':
        return _safetensors(path)
    if path.suffix == '.npz':
        return _npz(path)
    require(path.suffix in TORCH, f'{path}: expected .safetensors, .npz or .pt')
    found = torch_file.load(path)
    require(isinstance(found, dict),
            f'{path}: holds a {type(found).__name__}, expected a dict')
    return found


def json_file(path: pathlib.Path) -> dict:
    """A JSON object; a key twice is an error."""
    try:
        found = json.loads(path.read_bytes().decode(), object_pairs_hook=_once(path))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
        raise FormatError(f'{path}: not JSON ({e})') from e
    require(isinstance(found, dict),
            f'{path}: expected an object, got {type(found).__name__}')
    return found


def yaml_file(path: pathlib.Path) -> dict:
    """A YAML mapping, of plain data only."""
    import yaml
    try:
        found = yaml.safe_load(path.read_bytes().decode())
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as e:
        raise FormatError(f'{path}: not YAML ({str(e).splitlines()[0]})') from e
    require(isinstance(found, dict),
            f'{path}: expected a mapping, got {type(found).__name__}')
    return found


def names(path: pathlib.Path) -> list[str]:
    """Names of the arrays of a .safetensors, from its header alone."""
    return [k for k in _header(path) if k != '__metadata__']


def write_tensors(path: pathlib.Path, arrays: dict) -> None:
    """A .safetensors file of contiguous arrays."""
    from safetensors.numpy import save_file
    save_file({k: np.asarray(v, order='C') for k, v in arrays.items()}, path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Sorted, indented, strict JSON."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + '\n')


def inside(root: str | pathlib.Path, name: str) -> pathlib.Path:
    """root / name, where name (from a config, a hub or a flag) may not leave root."""
    parts = pathlib.PurePosixPath(name).parts
    bad = (not parts or name.startswith('/') or '..' in parts or '\0' in name
           or '\\' in name
           or any(len(p) > 200 for p in parts))
    require(not bad, f'{name[:80]!r}: not a name below {root}')
    return pathlib.Path(root, *parts)


def _once(path):
    def pairs(items):
        found = dict(items)
        require(len(found) == len(items), f'{path}: a key appears twice')
        return found
    return pairs


def _header(path: pathlib.Path) -> dict:
    size = path.stat().st_size
    with path.open('rb') as file:
        start = file.read(8)
        require(len(start) == 8, f'{path}: too short to be safetensors')
        n = struct.unpack('<Q', start)[0]
        require(n <= min(size - 8, HEADER_LIMIT),
                f'{path}: its header says {n} bytes, the file '
                f'has {size}')
        try:
            found = json.loads(file.read(n).decode(), object_pairs_hook=_once(path))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as e:
            raise FormatError(f'{path}: its header is not JSON ({e})') from e
    require(isinstance(found, dict), f'{path}: its header is not an object')
    return found


def _safetensors(path: pathlib.Path) -> dict:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file
    _header(path)
    try:
        return load_file(path)
    except (SafetensorError, KeyError, ValueError, OSError, TypeError) as e:
        raise FormatError(f'{path}: {type(e).__name__}: {e}') from e


def _npz(path: pathlib.Path) -> dict:
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix('.npy')
                require(name != info.filename and name not in found,
                        f'{path}: unexpected member {info.filename!r}')
                bomb = info.file_size > RATIO_LIMIT * max(info.compress_size, 1)
                require(not bomb, f'{path}: {name} would grow {RATIO_LIMIT}-fold: refused')
                with archive.open(info) as member:
                    found[name] = _npy(member, info.file_size, f'{path}: {name}')
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError,
            KeyError,
            UnicodeDecodeError, zlib.error) as e:
        raise FormatError(f'{path}: not an npz ({e})') from e
    return found


def _npy(member, size: int, where: str) -> np.ndarray:
    """One array, its declared size checked against the member's before it is read."""
    head = np.lib.format
    try:
        version = head.read_magic(member)
        read = {(1, 0): head.read_array_header_1_0,
                (2, 0): head.read_array_header_2_0}[version]
        shape, fortran, dtype = read(member)
    except (ValueError, KeyError, SyntaxError, TypeError, struct.error, RecursionError,
            MemoryError, tokenize.TokenError) as e:
        raise FormatError(f'{where}: not a .npy header ({type(e).__name__})') from e
    require(not dtype.hasobject and dtype.kind in 'fiub' and not dtype.subdtype,
            f'{where}: dtype {dtype}, expected numbers')
    count = math.prod(shape)
    require(all(n >= 0 for n in shape) and len(shape) <= 8 and
            count * dtype.itemsize <= size,
            f'{where}: shape {shape} of {dtype} does not fit in '
            f'{size} bytes')
    raw = member.read(count * dtype.itemsize)
    require(len(raw) == count * dtype.itemsize, f'{where}: cut short')
    return np.frombuffer(raw, dtype).reshape(shape, order='F' if fortran else 'C')
