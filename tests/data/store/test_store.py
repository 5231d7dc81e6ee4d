"""Faults 24 to 29 of the table of faults: what a store refuses, and what it survives."""
import json
import shutil

import ml_dtypes
import numpy as np
import pytest

from saex.data.store import layout, statistics
from saex.data.store.layout import StoreError
from saex.data.store.read import Store
from saex.data.store.write import write

COLUMNS = {'x': ((4,), 'float32'), 'where': ((3,), 'int32')}
ABOUT = {'model': 'a' * 64, 'sites': ['blocks.0'], 'tokenizer': 't', 'mask': ['bos']}


def chunk(index, rows=23, last=None):
    """Chunks of different sizes."""
    if last is not None and index >= last:
        return None
    rng = np.random.default_rng(index)
    n = rows + index % 3
    where = np.stack([np.full(n, index), np.arange(n), rng.integers(0, 9, n)], 1)
    return {'x': 3 + rng.normal(size=(n, 4)), 'where': where}


def make(path, produce=chunk, rows=100, columns=COLUMNS, about=ABOUT, shard=32, block=8):
    write(path, produce, rows, columns, about, shard, block)


def read(store, start=0, stop=None):
    return store.ask(start, store.rows if stop is None else stop, store.columns)()


def everything(rows=100):
    parts = [chunk(i) for i in range(rows // 20 + 1)]
    return {k: np.concatenate([p[k] for p in parts])[:rows] for k in parts[0]}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp('store') / 'whole'
    make(path)
    return path


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / 'copy')


def test_rows_come_back_with_their_places_and_statistics(whole):
    store, made = Store(whole), everything()
    found = read(store)
    np.testing.assert_array_equal(found['x'], made['x'].astype(np.float32))
    np.testing.assert_array_equal(found['where'], made['where'])
    x, held = found['x'].astype(np.float64), store.statistics
    np.testing.assert_allclose(held['mean'], x.mean(0), rtol=1e-12)
    np.testing.assert_allclose(held['m2'], x.var(0) * 100, rtol=1e-12)
    norms = np.linalg.norm(x, axis=1)
    np.testing.assert_allclose([held['norm'], held['norm_max']], [norms.mean(), norms.max()])
    gamma = np.linalg.norm(x.mean(0)) / np.sqrt(x.var(0).sum())
    np.testing.assert_allclose(statistics.outlier(held), gamma)
    assert store.provenance == ABOUT
    make(whole, produce=None)                                   # already complete


@pytest.mark.parametrize('dtype', layout.DTYPES)
def test_types(tmp_path, dtype):
    make(tmp_path, columns=COLUMNS | {'x': ((4,), dtype)})
    found = read(Store(tmp_path))['x']
    kind = ml_dtypes.bfloat16 if dtype == 'bfloat16' else dtype
    assert found.dtype == kind
    np.testing.assert_array_equal(found, everything()['x'].astype(kind))


@pytest.mark.parametrize('at', [0, 2, 4])
def test_a_killed_harvest_goes_on_and_ends_in_the_same_bytes(whole, tmp_path, at):
    """Killed in chunk `at`: before the first shard was whole, or after one or more."""
    def killed(index):
        if index == at:
            raise KeyboardInterrupt
        return chunk(index)

    asked = []

    def counted(index):
        asked.append(index)
        return chunk(index)

    path = tmp_path / 'store'
    with pytest.raises(KeyboardInterrupt):
        make(path, killed)
    if at:
        held = Store(path, partial=True).rows
        with pytest.raises(StoreError, match=f'holds {held} of 100 rows.*run it again'):
            Store(path)
    make(path, counted)
    assert asked[0] == {0: 0, 2: 1, 4: 2}[at]                    # not from the start
    names = sorted(p.relative_to(whole) for p in whole.rglob('*') if p.is_file())
    for name in names:
        assert (path / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_kill_between_the_data_and_their_description(whole, tmp_path, monkeypatch):
    told, path = [], tmp_path / 'store'

    def killed(*args):
        told.append(args)
        if len(told) == 3:                       # begun, one shard, and not the second
            raise KeyboardInterrupt
        return write_about(*args)

    write_about = layout.write_about
    monkeypatch.setattr(layout, 'write_about', killed)
    with pytest.raises(KeyboardInterrupt):
        make(path)
    monkeypatch.undo()
    assert (path / 'x' / 'c' / '1').exists() and Store(path, partial=True).rows == 32
    make(path)
    for name in ('zarr.json', 'x/c/1/0', 'where/c/3/0'):
        assert (path / name).read_bytes() == (whole / name).read_bytes()


def test_a_world_that_ends_early_makes_a_shorter_store(tmp_path):
    make(tmp_path, lambda i: chunk(i, last=2))
    assert Store(tmp_path).rows == 23 + 24


@pytest.mark.parametrize('change, told', [
    ({'model': 'b' * 64}, 'model is aaaaaaaaaaaa, asked for bbbbbbbbbbbb'),
    ({'sites': ['blocks.1']}, r"sites is \['blocks.0'\], asked for \['blocks.1'\]"),
    ({'tokenizer': 'u'}, "tokenizer is 't', asked for 'u'"),
    ({'mask': []}, r"mask is \['bos'\], asked for \[\]")])
def test_a_store_of_something_else_is_refused(whole, change, told):
    with pytest.raises(StoreError, match=f'holds other activations: {told}'):
        make(whole, about=ABOUT | change)
    with pytest.raises(StoreError, match='slots is 100, asked for 200'):
        make(whole, rows=200)


@pytest.mark.parametrize('column', ['x', 'where'])
def test_every_flipped_bit_is_found(copy, column):
    """One bit of every 13th byte of a shard; a flip may also break the shard's index."""
    file = copy / column / 'c' / '0' / '0'
    data = file.read_bytes()
    for i in range(0, len(data), 13):
        file.write_bytes(data[:i] + bytes([data[i] ^ 4]) + data[i + 1:])
        with pytest.raises(StoreError, match=f'rows 0 to 31 of {column} cannot be read'):
            read(Store(copy), 0, 32)
        assert len(read(Store(copy), 32, 100)['x']) == 68


@pytest.mark.parametrize('damage', ['truncated', 'missing'])
def test_a_file_that_is_not_whole_is_found(copy, damage):
    file = copy / 'x' / 'c' / '1' / '0'
    file.write_bytes(file.read_bytes()[:50]) if damage == 'truncated' else file.unlink()
    with pytest.raises(StoreError, match='rows 40 to 47 of x cannot be read.*harvest it again'):
        read(Store(copy), 40, 48)


@pytest.mark.parametrize('name, text, told', [
    ('zarr.json', '{"node_type": "group"}', 'is not that of a store'),
    ('zarr.json', None, 'no store of activations'),
    ('x/zarr.json', '{}', 'column x: '), ('x/zarr.json', None, 'column x: ')])
def test_a_store_without_its_description_is_refused(copy, name, text, told):
    (copy / name).write_text(text) if text else (copy / name).unlink()
    with pytest.raises(StoreError, match=told):
        Store(copy)


def test_a_description_that_was_edited_is_refused(copy):
    held = json.loads((copy / 'zarr.json').read_text())
    held['attributes']['saex']['rows'] = 96
    (copy / 'zarr.json').write_text(json.dumps(held))
    with pytest.raises(StoreError, match='was changed after it was written'):
        Store(copy)


@pytest.mark.parametrize('value, dtype, told', [
    (np.nan, 'float32', 'not finite'), (np.inf, 'bfloat16', 'not finite'),
    (1e5, 'float16', 'too large for float16; use bfloat16')])
def test_what_is_not_finite_is_named_and_not_stored(tmp_path, value, dtype, told):
    def bad(index):
        made = chunk(index)
        if index == 2:
            made['x'][7, 1] = value
        return made

    token = chunk(2)['where'][7, 2]
    with pytest.raises(StoreError) as error:
        make(tmp_path, bad, columns=COLUMNS | {'x': ((4,), dtype)})
    assert f'chunk 2: x of row 7 (document 2, position 7, token {token}) is {told}' in str(
        error.value)
    assert Store(tmp_path, partial=True).rows == 32


def test_chunks_without_rows_end_in_an_error(tmp_path):
    with pytest.raises(StoreError, match='chunk 1 holds no row'):
        make(tmp_path, lambda i: {k: v[:0] if i else v for k, v in chunk(i).items()})
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'file').write_text('')
    with pytest.raises(StoreError, match='not empty, and not a store'):
        make(tmp_path / 'other')


def test_two_writers_do_not_mix(tmp_path):
    def second(index):
        if index == 2:
            make(tmp_path, rows=100)                  # another process finishes the store
        return chunk(index)

    with pytest.raises(StoreError, match='another process writes this store'):
        make(tmp_path, second)
    np.testing.assert_array_equal(read(Store(tmp_path))['where'], everything()['where'])
