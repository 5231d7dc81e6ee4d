"""Writing a store, shard by shard; what was interrupted goes on where it stopped."""
import pathlib
import sys
from typing import Any, Callable, Iterator, Mapping

import numpy as np
import tqdm

from saex.data.store import layout, statistics
from saex.data.store.layout import StoreError

Rows = dict[str, np.ndarray]


def write(path: str | pathlib.Path, produce: Callable[[int], Rows | None], rows: int,
          columns: Mapping[str, tuple], provenance: Mapping, shard: int = 65536,
          block: int = 1024) -> None:
    """Fills the store at `path`, or goes on filling it, until it holds `rows` rows.

    produce(i): the rows of chunk i as host arrays, a pure function of i; None after the
    last chunk. columns: name -> (shape of one row, dtype name). provenance: JSON that a
    reader compares. shard: rows of one file; block: rows that one read gives.

    A shard counts when it is whole on disk; what a kill leaves is written again. Raises
    StoreError for a store of something else, for a value that is not finite in `dtype`
    (with the chunk, and the row's document, position and token), and for an empty chunk.
    """
    path = pathlib.Path(path)
    about, stamp = _begin(path, {
        'version': layout.VERSION, 'provenance': dict(provenance), 'slots': rows,
        'shard': min(shard, -(-rows // block) * block), 'block': block, 'columns': {
            name: {'shape': list(shape), 'dtype': dtype}
            for name, (shape, dtype) in columns.items()}})
    if about['complete']:
        return
    arrays = {name: layout.array(path, name, about, create=True) for name in columns}
    bar = tqdm.tqdm(total=rows, initial=about['rows'], desc=f'harvest to {path}', unit='row',
                    unit_scale=True, mininterval=5, file=sys.stderr)
    for made, mark in _shards(path, produce, about):
        start = about['rows']
        stop = start + len(made['x'])
        for write_ in [arrays[name][start:stop].write(value) for name, value in made.items()]:
            write_.result()
        about = about | {'rows': stop, 'next': mark, 'statistics': statistics.add(
            about['statistics'], made['x'])}
        stamp = layout.write_about(path, about, stamp)
        bar.update(stop - start)
    bar.close()
    if not about['rows']:
        raise StoreError(f'{path}: not one row was harvested')
    layout.write_about(path, about | {'complete': True}, stamp)


def _begin(path: pathlib.Path, wanted: dict) -> tuple[dict, Any]:
    """What is there already, or a new beginning."""
    about, stamp = layout.read_about(path)
    if about is not None:
        found = layout.differences(about['provenance'], wanted['provenance'])
        found += layout.differences({k: about.get(k) for k in wanted if k != 'provenance'},
                                    {k: v for k, v in wanted.items() if k != 'provenance'})
        if found:
            raise StoreError(f'{path} holds other activations: {"; ".join(found)}; name '
                             'another path, or delete it')
        return about, stamp
    if path.is_dir() and any(path.iterdir()):
        raise StoreError(f'{path}: not empty, and not a store')
    path.mkdir(parents=True, exist_ok=True)
    width = int(np.prod(wanted['columns']['x']['shape']))
    about = wanted | {'rows': 0, 'next': [0, 0], 'complete': False,
                      'statistics': statistics.empty(width)}
    return about, layout.write_about(path, about, stamp)


def _shards(path: pathlib.Path, produce: Callable, about: Mapping
            ) -> Iterator[tuple[Rows, list[int]]]:
    """The rows of each shard that is still to be written, and where the next begins:
    [chunk, row in it]."""
    (chunk, skip), left = about['next'], about['slots'] - about['rows']
    parts, have = [], 0
    while left:
        made = produce(chunk)
        if made is None:
            break
        made = {name: _stored(f'{path}: chunk {chunk}', name, made, column['dtype'])
                for name, column in about['columns'].items()}
        count = len(made['x'])
        if not count:
            raise StoreError(f'{path}: chunk {chunk} holds no row; the mask leaves nothing')
        while skip < count and left:
            take = min(count - skip, min(about['shard'], left) - have)
            parts.append({k: v[skip:skip + take] for k, v in made.items()})
            have, skip = have + take, skip + take
            if have == min(about['shard'], left):
                yield _joined(parts), [chunk, skip] if skip < count else [chunk + 1, 0]
                left, parts, have = left - have, [], 0
        chunk, skip = chunk + 1, 0
    if parts:
        yield _joined(parts), [chunk, skip]


def _joined(parts: list[Rows]) -> Rows:
    return {k: np.concatenate([part[k] for part in parts]) for k in parts[0]}


def _stored(where: str, name: str, rows: Rows, dtype: str) -> np.ndarray:
    """The column in the type of the store, finite."""
    with np.errstate(over='ignore'):
        value = rows[name].astype(layout.dtype(dtype))
    bad = None if dtype.startswith('int') else statistics.first_not_finite(value)
    if bad is None:
        return value
    at = f'row {bad}'
    if 'where' in rows:
        at += ' (document {}, position {}, token {})'.format(*rows['where'][bad])
    finite = np.isfinite(np.asarray(rows[name][bad], np.float32)).all()
    raise StoreError(f'{where}: {name} of {at} is ' + (
        f'too large for {dtype}; use bfloat16 or float32' if finite else 'not finite'))
