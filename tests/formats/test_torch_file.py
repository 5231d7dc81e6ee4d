""".pt files without torch: what torch.save writes is read, anything that could run is
not."""
import collections
import io
import pathlib
import pickle
import zipfile

import ml_dtypes
import numpy as np
import pytest

from saex.formats import files, torch_file, torch_write
from saex.formats.errors import FormatError


def archive(path, program, storages=None, order=b'little', compress=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w') as out:
        out.writestr('a/data.pkl', program, compress)
        out.writestr('a/byteorder', order)
        for key, raw in (storages or {}).items():
            out.writestr(f'a/data/{key}', raw)
    return path


class Tensor:
    """Pickles as torch._utils._rebuild_tensor_v2(...) by name, without torch."""

    def __init__(self, storage, offset, shape, stride, kind='FloatStorage'):
        self.args = (storage, offset, shape, stride, kind)


class Pickler(pickle._Pickler):
    def persistent_id(self, value):
        return None

    def save(self, value, *args, **kwargs):
        if not isinstance(value, Tensor):
            return super().save(value, *args, **kwargs)
        storage, offset, shape, stride, kind = value.args
        self.write(b'ctorch._utils\n_rebuild_tensor_v2\n(')
        self.write(b'(' + self._text('storage') + b'ctorch\n' + kind.encode() + b'\n'
                   + self._text(storage[0]) + self._text('cpu'))
        super().save(storage[1])
        self.write(b'tQ')
        for part in (offset, shape, stride, False):
            super().save(part)
        self.write(b'ccollections\nOrderedDict\n)RtR')

    def _text(self, text):
        return pickle.BINUNICODE + len(text).to_bytes(4, 'little') + text.encode()


def dump(value):
    out = io.BytesIO()
    Pickler(out, 2).dump(value)
    return out.getvalue()


RAW = np.arange(12, dtype=np.float32)


@pytest.mark.parametrize('dtype, kind', [
    (np.float32, 'FloatStorage'), (np.float64, 'DoubleStorage'), (np.int64, 'LongStorage'),
    (ml_dtypes.bfloat16, 'BFloat16Storage'), (np.float16, 'HalfStorage')])
def test_strided_and_transposed_tensors_of_every_dtype(dtype, kind, tmp_path):
    raw = RAW.astype(dtype)
    whole, turned = Tensor(('0', 12), 0, (3, 4), (4, 1), kind), Tensor(
        ('0', 12), 1, (4, 2), (1, 4), kind)
    path = archive(tmp_path / 'a.pt', dump(collections.OrderedDict(
        w=whole, t=turned, s=Tensor(('0', 12), 5, (), (), kind), k=3, name='TopK')),
        {'0': raw.tobytes()})
    found = torch_file.load(path)
    np.testing.assert_array_equal(found['w'], raw.reshape(3, 4))
    np.testing.assert_array_equal(found['t'], [raw[[i, i + 4]] for i in (1, 2, 3, 4)])
    assert found['s'] == raw[5] and found['k'] == 3 and found['name'] == 'TopK'


def test_what_we_write_we_read(tmp_path):
    arrays = {'a': np.float32([[1, 2], [3, 4]]), 'k': np.array(7, np.int32),
              'e': np.float64([])}
    torch_write.save(tmp_path / 'a.pt', arrays)
    for name, value in torch_file.load(tmp_path / 'a.pt').items():
        np.testing.assert_array_equal(value, arrays[name])
        assert value.dtype == arrays[name].dtype


class Evil:
    """Unpickling one makes the sentinel file."""

    def __init__(self, how, path):
        self.how, self.path = how, path

    def __reduce__(self):
        return {'open': (open, (self.path, 'w')),
                'eval': (eval, (f'open({self.path!r}, "w")',)),
                'touch': (pathlib.Path.touch, (pathlib.Path(self.path),))}[self.how]


@pytest.mark.parametrize('how', ('open', 'eval', 'touch'))
@pytest.mark.parametrize('protocol', (0, 2, 4))
def test_a_pickle_that_names_anything_else_is_refused_and_not_run(how, protocol, tmp_path):
    sentinel = tmp_path / 'ran'
    program = pickle.dumps({'w': Evil(how, str(sentinel))}, protocol)
    for path in (archive(tmp_path / 'zip.pt', program), tmp_path / 'plain.pt'):
        if path.name == 'plain.pt':
            path.write_bytes(program)
        with pytest.raises(FormatError):
            files.tensors(path)
    assert not sentinel.exists()


@pytest.mark.parametrize('shape, stride, offset', [
    ((4, 4), (4, 1), 0), ((3, 4), (4, 1), 1), ((2,), (11,), 1), ((2 ** 40,), (0,), 0),
    ((-1,), (1,), 0), ((2 ** 62, 4), (0, 1), 0), ((1,), (1,), 2 ** 63)])
def test_a_tensor_past_its_storage(shape, stride, offset, tmp_path):
    path = archive(tmp_path / 'a.pt', dump({'w': Tensor(('0', 12), offset, shape, stride)}),
                   {'0': RAW.tobytes()})
    with pytest.raises(FormatError, match='storage|impossible'):
        torch_file.load(path)


def test_archives_that_are_refused(tmp_path):
    good = dump({'w': Tensor(('0', 12), 0, (12,), (1,))})
    told = {'compressed': archive(tmp_path / '1.pt', good, compress=zipfile.ZIP_DEFLATED),
            'little-endian': archive(tmp_path / '2.pt', good, {'0': RAW.tobytes()}, b'big'),
            'holds 8 bytes': archive(tmp_path / '3.pt', good, {'0': RAW.tobytes()[:8]}),
            'data/0': archive(tmp_path / '4.pt', good)}
    for said, path in told.items():
        with pytest.raises(FormatError, match=said):
            torch_file.load(path)
    (tmp_path / 'old.pt').write_bytes(b'\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.')
    with pytest.raises(FormatError, match='save it again, or convert'):
        torch_file.load(tmp_path / 'old.pt')
    with zipfile.ZipFile(tmp_path / 'loop.pt', 'w') as out:     # memo that holds itself
        out.writestr('a/data.pkl', b'\x80\x02]q\x00h\x00a.')
    with pytest.raises(FormatError):
        files.tensors(tmp_path / 'loop.pt')
