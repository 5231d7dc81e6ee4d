"""Files that lie (ecosystem.md §4, faults 35, 36 and 46): one line that names the file."""
import io
import json
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from saex.formats import files
from saex.formats.errors import FormatError

GOOD = save({'a': np.ones((2, 3), np.float32), 'b': np.zeros(4, np.float32)})
SIZE = struct.unpack('<Q', GOOD[:8])[0]
HEAD, BODY = json.loads(GOOD[8:8 + SIZE]), GOOD[8 + SIZE:]


def with_header(head, body=BODY):
    raw = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack('<Q', len(raw)) + raw + body


def changed(**entry):
    return with_header(HEAD | {'a': HEAD['a'] | entry})


LIES = {
    'empty': b'', 'seven bytes': b'1234567', 'cut header': GOOD[:20], 'cut body': GOOD[:-4],
    'longer body': GOOD + b'1234', 'huge header': struct.pack('<Q', 2 ** 62) + GOOD[8:],
    'zero header': struct.pack('<Q', 0) + GOOD[8:], 'list': with_header([]),
    'text': with_header(b'hello'), 'not utf-8': with_header(b'\xff\xfe{}'),
    'deep': with_header(b'{"a":' * 20000), 'twice': with_header(
        json.dumps(HEAD).replace('{', '{"a": {}, ', 1).encode()),
    'shape larger': changed(shape=[20, 30]), 'shape smaller': changed(shape=[1]),
    'shape negative': changed(shape=[-2, -3]), 'shape text': changed(shape='2,3'),
    'dtype': changed(dtype='F99'), 'dtype other size': changed(dtype='F64'),
    'offsets swapped': changed(data_offsets=[24, 0]),
    'offsets past the end': changed(data_offsets=[0, 10 ** 12]),
    'offsets overlap': changed(data_offsets=[4, 28]), 'no offsets': with_header(
        HEAD | {'a': {'dtype': 'F32', 'shape': [2, 3]}}),
    'overflow': changed(shape=[2 ** 62, 2 ** 62])}


@pytest.mark.parametrize('lie', LIES)
def test_safetensors_headers_that_lie(lie, tmp_path):
    (tmp_path / 'x.safetensors').write_bytes(LIES[lie])
    with pytest.raises(FormatError, match='x.safetensors') as e:
        files.tensors(tmp_path / 'x.safetensors')
    assert '\n' not in str(e.value)


def npz(path, members, compress=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compress) as out:
        for name, raw in members.items():
            out.writestr(name, raw)
    return path


def npy(array=None, shape=None, descr='<f4', allow_pickle=False):
    out = io.BytesIO()
    if array is not None:
        np.save(out, array, allow_pickle=allow_pickle)
    else:
        np.lib.format.write_array_header_1_0(
            out, {'descr': descr, 'fortran_order': False, 'shape': shape})
    return out.getvalue()


def test_npz_that_lie(tmp_path):
    one = np.ones(3, np.float32)
    evil = np.array([[1], [2, 3]], object)
    told = {
        'dtype object': npz(tmp_path / '1.npz', {'W.npy': npy(evil, allow_pickle=True)}),
        'does not fit': npz(tmp_path / '2.npz',
                            {'W.npy': npy(shape=(2 ** 40,)) + bytes(12)}),
        'does not fit|cut short': npz(tmp_path / '3.npz', {'W.npy': npy(one)[:-4]}),
        'grow 200-fold': npz(tmp_path / '4.npz', {'W.npy': npy(np.zeros(10 ** 6))},
                             zipfile.ZIP_DEFLATED),
        'unexpected member': npz(tmp_path / '5.npz', {'../W.txt': b'x'}),
        'npy header': npz(tmp_path / '6.npz',
                          {'W.npy': b'\x93NUMPY\x01\x00\x10\x00{lambda: 0}'}),
        'expected numbers': npz(tmp_path / '7.npz', {'W.npy': npy(np.array(['a']))}),
        'not an npz': tmp_path / '8.npz'}
    (tmp_path / '8.npz').write_bytes(b'PK\x03\x04' + bytes(40))
    for said, path in told.items():
        with pytest.raises(FormatError, match=said):
            files.tensors(path)
    good = npz(tmp_path / '9.npz', {'W.npy': npy(np.asfortranarray(np.eye(3)[:2]))})
    np.testing.assert_array_equal(files.tensors(good)['W'], np.eye(3)[:2])


@pytest.mark.parametrize('name', ['../../x', '/etc/x', 'a\0b', '', 'a/../b', 'x' * 300,
                                  '..',
                                  'a\\b', 'C:\\x'])
def test_names_that_leave_their_folder(name, tmp_path):
    with pytest.raises(FormatError, match='not a name below'):
        files.inside(tmp_path, name)


@pytest.mark.parametrize('name', ['blocks.3/hook', 'größe', 'a b', 'layer_3/width_16k'])
def test_names_that_stay(name, tmp_path):
    assert tmp_path in files.inside(tmp_path, name).parents


def test_json_and_yaml_that_lie(tmp_path):
    for raw in (b'[]', b'{', b'\xff', b'{"a": 1, "a": 2}', b'[' * 100000):
        (tmp_path / 'x.json').write_bytes(raw)
        with pytest.raises(FormatError, match='x.json'):
            files.json_file(tmp_path / 'x.json')
    for raw in (b'- 1', b'a: [', b'\xff', b'a: !!python/object/apply:os.getcwd []'):
        (tmp_path / 'x.yaml').write_bytes(raw)
        with pytest.raises(FormatError, match='x.yaml'):
            files.yaml_file(tmp_path / 'x.yaml')
