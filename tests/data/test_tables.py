"""Plain arrays as sources, and files that lie about themselves (fault 35)."""
import json
import struct

import jax
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from saex.config import ConfigError, build
from saex.data import tables
from saex.data.sources.arrays import Arrays

X = np.random.default_rng(0).normal(size=(640, 6)).astype(np.float32)


def zarr(path, values):
    import tensorstore as ts
    spec = {'driver': 'zarr3', 'kvstore': {'driver': 'file', 'path': f'{path}/'},
            'metadata': {'shape': list(values.shape), 'data_type': values.dtype.name,
                         'chunk_grid': {'name': 'regular', 'configuration': {
                             'chunk_shape': [100, values.shape[1]]}}}}
    ts.open(spec, create=True).result().write(values).result()


def put(path, values, kind):
    if kind == 'npy':
        np.save(path / 'a.npy', values)
    elif kind == 'safetensors':
        save_file({'x': values}, path / 'a.safetensors')
    else:
        zarr(path / 'a.zarr', values)
    return str(path / f'a.{kind}')


@pytest.mark.parametrize('kind', ['npy', 'safetensors', 'zarr'])
@pytest.mark.parametrize('dtype', [np.float32, np.float16, np.float64, ml_dtypes.bfloat16])
def test_every_row_comes_once_in_the_type_on_disk(tmp_path, kind, dtype):
    if kind == 'npy' and dtype is ml_dtypes.bfloat16:
        pytest.skip('npy has no bfloat16')
    source = Arrays(put(tmp_path, X.astype(dtype), kind), held_out=10)
    assert source.problems() == [] and source.spec == {'d_in': 6, 'keys': ()}
    assert source.table.rows == 640 and source.table.block == 10
    wanted = X.astype(dtype).astype(np.float32 if dtype is np.float64 else dtype)
    got = np.concatenate([source.batch(i, 32)['x'] for i in range(18)])
    assert got.dtype == wanted.dtype
    held = source.rows(jax.random.key(0), 1000)
    assert held['x'].dtype == np.float32 and held['x'].shape == (60, 6)
    rows = np.concatenate([got.astype(np.float32), held['x']])
    # 580 rows of training, 18 batches of 32 give 576
    found = {r.tobytes() for r in rows}
    assert len(found) == 636 and found <= {r.tobytes() for r in wanted.astype(np.float32)}


def test_columns_beside(tmp_path):
    np.save(tmp_path / 'x.npy', X)
    np.save(tmp_path / 'y.npy', 2 * X[:, :3])
    np.save(tmp_path / 'labels.npy', np.arange(640))
    paths = {k: str(tmp_path / f'{k}.npy') for k in ('y', 'labels')}
    source = Arrays(str(tmp_path / 'x.npy'), **paths)
    assert source.spec == {'d_in': 6, 'keys': ('labels',), 'd_out': 3}
    batch = source.batch(4, 16)
    np.testing.assert_array_equal(batch['x'], X[batch['labels']])
    np.testing.assert_array_equal(batch['y'], 2 * batch['x'][:, :3])
    np.save(tmp_path / 'short.npy', X[:600])        # y.npy is still being read ahead
    paths['y'] = str(tmp_path / 'short.npy')
    assert Arrays(str(tmp_path / 'x.npy'), **paths).problems()[0].startswith(
        f'path: y: {tmp_path}/short.npy holds 600 rows')


def test_the_fingerprint_is_of_the_content(tmp_path):
    path = put(tmp_path, X, 'npy')
    first = Arrays(path).fingerprint
    assert first == Arrays(path).fingerprint != Arrays(path, seed=1).fingerprint
    np.save(path, X + 1)
    assert Arrays(path).fingerprint != first


@pytest.mark.parametrize('values, told', [
    (X[:, 0], r'expected \[N, D\] or \[N, S, D\] for x, got shape \[640\]'),
    (X[:0], r'got shape \[0, 6\]'), (X > 0, 'expected floating point for x, got bool'),
    (np.array([[None]]), 'not an array that can be read')])
def test_what_is_not_rows_is_refused(tmp_path, values, told):
    np.save(tmp_path / 'a.npy', values)
    with pytest.raises(ConfigError, match=told):
        build('saex.data.sources', dict(name='arrays', path=str(tmp_path / 'a.npy')))


@pytest.mark.parametrize('options, told', [
    (dict(width=8), 'holds rows of 6, expected 8'), (dict(held_out=1), 'held_out: expected'),
    (dict(path='/absent.npy'), 'and it is absent'), (dict(y='/absent'), 'it is absent')])
def test_problems_are_told(tmp_path, options, told):
    path = put(tmp_path, X, 'npy')
    with pytest.raises(ConfigError, match=told) as error:
        build('saex.data.sources', dict(name='arrays', path=path) | options)
    assert len(error.value.problems) == 1


def test_a_value_that_is_not_finite_is_named(tmp_path):
    bad = X.copy()
    bad[333, 2] = np.nan
    with pytest.raises(ConfigError, match='row 333 holds a value that is not finite'):
        source = Arrays(put(tmp_path, bad, 'npy'))
        for step in range(19):
            source.batch(step, 32)


def test_too_few_rows_for_a_batch(tmp_path):
    with pytest.raises(ConfigError, match='rows to read, fewer than a batch of 1024'):
        Arrays(put(tmp_path, X, 'npy')).batch(0, 1024)


def test_a_npy_that_is_cut_short(tmp_path):
    path = put(tmp_path, X, 'npy')
    (tmp_path / 'a.npy').write_bytes((tmp_path / 'a.npy').read_bytes()[:-4])
    with pytest.raises(ConfigError, match='a.npy: not an array that can be read'):
        tables.open_table(path)


GOOD = {'x': {'dtype': 'F32', 'shape': [640, 6], 'data_offsets': [0, 15360]}}
LIES = {
    'cut short': (GOOD, None, 15000), 'longer than told': (GOOD, None, 15400),
    'end past the file': ({'x': GOOD['x'] | {'data_offsets': [0, 99999]}}, None, 15360),
    'start after end': ({'x': GOOD['x'] | {'data_offsets': [15360, 0]}}, None, 15360),
    'negative': ({'x': GOOD['x'] | {'data_offsets': [-8, 15352]}}, None, 15360),
    'more rows than bytes': ({'x': GOOD['x'] | {'shape': [6400, 6]}}, None, 15360),
    'fewer rows than bytes': ({'x': GOOD['x'] | {'shape': [64, 6]}}, None, 15360),
    'overflowing shape': ({'x': GOOD['x'] | {'shape': [2 ** 63, 2 ** 63]}}, None, 15360),
    'no such type': ({'x': GOOD['x'] | {'dtype': 'Q7'}}, None, 15360),
    'no shape': ({'x': {'dtype': 'F32', 'data_offsets': [0, 15360]}}, None, 15360),
    'overlap': ({**GOOD, 'y': GOOD['x']}, None, 15360),
    'header longer than the file': (GOOD, 10 ** 6, 15360),
    'header of 2 ** 62 bytes': (GOOD, 2 ** 62, 15360),
    'header cut': (GOOD, 20, 15360), 'not JSON': (b'{{{{', None, 15360),
    'empty': (b'', 0, 0)}


@pytest.mark.parametrize('lie', LIES)
def test_a_safetensors_header_that_lies(tmp_path, lie):
    header, length, body = LIES[lie]
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    file = tmp_path / 'a.safetensors'
    file.write_bytes(struct.pack('<Q', len(header) if length is None else length) + header
                     + bytes(body))
    with pytest.raises(ConfigError) as error:
        tables.open_table(str(file))
    assert str(file) in str(error.value) and len(error.value.problems) == 1


def test_which_tensor(tmp_path):
    save_file({'acts': X, 'other': X[:5]}, tmp_path / 'a.safetensors')
    path = str(tmp_path / 'a.safetensors')
    assert tables.open_table(path, 'acts').rows == 640
    with pytest.raises(ConfigError, match="no tensor 'x'; valid: acts, other"):
        tables.open_table(path)


def test_a_missing_chunk_of_a_zarr_array_is_no_zeros(tmp_path):
    path = put(tmp_path, X, 'zarr')
    (tmp_path / 'a.zarr' / 'c' / '3' / '0').unlink()
    with pytest.raises(ConfigError, match='rows 300 to 309 cannot be read'):
        tables.open_table(path).ask(300, 310, ['x'])()
