"""A store of activations on disk: a zarr group whose arrays have their rows in common.

    PATH/zarr.json      the group; its attributes say what the rows are and how many are whole
    PATH/x/             [N, D], or [N, S, D] of S sites
    PATH/where/         [N, 3] int32: document, position, token of each row
    PATH/y/ ...         whatever else the rows carry: targets, labels, pairs, gradients

Every array is sharded; a block of rows is one inner chunk with a crc32c of its own, so a
flipped bit is an error of that block, and a missing file is an error and never zeros.
"""
import hashlib
import json
import pathlib
from typing import Any, Mapping

import numpy as np

from saex.config import ConfigError

VERSION = 1
DTYPES = ('bfloat16', 'float16', 'float32')


class StoreError(ConfigError):
    """A store that is wrong, incomplete or damaged."""


def array(path: pathlib.Path, name: str, about: Mapping, create: bool = False) -> Any:
    """The tensorstore of one column. Raises StoreError."""
    import tensorstore as ts

    tail, checked = about['columns'][name]['shape'], [
        {'name': 'bytes', 'configuration': {'endian': 'little'}}, {'name': 'crc32c'}]
    sharding = {'chunk_shape': [about['block'], *tail], 'codecs': checked,
                'index_codecs': checked, 'index_location': 'end'}
    spec = {'driver': 'zarr3', 'kvstore': {'driver': 'file', 'path': f'{path / name}/'},
            'metadata': {
                'shape': [about['slots'], *tail],
                'data_type': about['columns'][name]['dtype'],
                'chunk_grid': {'name': 'regular', 'configuration': {
                    'chunk_shape': [about['shard'], *tail]}},
                'codecs': [{'name': 'sharding_indexed', 'configuration': sharding}]},
            # without the first a missing file reads as zeros; the second writes true zeros
            'fill_missing_data_reads': False, 'store_data_equal_to_fill_value': True}
    try:
        return ts.open(spec, create=create, open=True).result()
    except ValueError as e:
        raise StoreError(f'{path}: column {name}: {_short(e)}') from e


def read_about(path: pathlib.Path) -> tuple[dict | None, Any]:
    """(what the group says of itself, its generation); (None, _) where there is no store.
    Raises StoreError for a group that is not a store or was changed."""
    found = _files(path).read('zarr.json').result()
    if found.state == 'missing':
        return None, found.stamp.generation
    try:
        held = json.loads(found.value)['attributes']['saex']
        written = held.pop('digest')
    except (ValueError, KeyError, TypeError) as e:
        raise StoreError(f'{path}: zarr.json is not that of a store of activations') from e
    if held.get('version') != VERSION:
        raise StoreError(f'{path}: a store of version {held.get("version")}; this saex reads '
                         f'version {VERSION}')
    if written != digest(held):
        raise StoreError(f'{path}: zarr.json was changed after it was written')
    return held, found.stamp.generation


def write_about(path: pathlib.Path, about: Mapping, generation: Any) -> Any:
    """Writes the group atomically and returns its new generation. Raises StoreError when
    somebody else has written it since `generation`."""
    group = {'zarr_format': 3, 'node_type': 'group', 'attributes': {
        'saex': {**about, 'digest': digest(about)}}}
    text = json.dumps(group, allow_nan=False)
    stamp = _files(path).write('zarr.json', text.encode(), if_equal=generation).result()
    if not stamp.generation:
        raise StoreError(f'{path}: another process writes this store')
    return stamp.generation


def dtype(name: str) -> np.dtype:
    """The numpy type of a name that zarr uses."""
    import ml_dtypes
    return np.dtype(ml_dtypes.bfloat16 if name == 'bfloat16' else name)


def differences(held: Mapping, wanted: Mapping) -> list[str]:
    """'site is a, asked for b' for every entry that is not the same."""
    return [f'{key} is {_told(held.get(key))}, asked for {_told(wanted.get(key))}'
            for key in sorted({*held, *wanted}) if held.get(key) != wanted.get(key)]


def damaged(path: pathlib.Path, name: str, start: int, stop: int, error: Exception
            ) -> StoreError:
    return StoreError(f'{path}: rows {start} to {stop - 1} of {name} cannot be read '
                      f'({_short(error)}); delete the store and harvest it again')


def _files(path: pathlib.Path) -> Any:
    import tensorstore as ts
    return ts.KvStore.open({'driver': 'file', 'path': f'{path}/'}).result()


def digest(about: Any) -> str:
    """SHA-256 of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def _short(error: Exception) -> str:
    return str(error).split(' [tensorstore_spec=')[0].split(' [source locations=')[0]


def _told(value: Any) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12]
    return repr(value)
