"""Writes the zip that torch.load(weights_only=True) reads: a flat dict of arrays."""
import io
import pathlib
import pickle
import zipfile

import numpy as np

NAMES = {'float32': 'FloatStorage', 'float64': 'DoubleStorage', 'int64': 'LongStorage',
         'int32': 'IntStorage'}


def save(path: str | pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Tensors by name. dtypes: float32, float64, int32, int64."""
    program = io.BytesIO()
    program.write(pickle.PROTO + b'\x02' + pickle.EMPTY_DICT + pickle.MARK)
    for i, (name, array) in enumerate(arrays.items()):
        _text(program, name)
        _tensor(program, str(i), np.asarray(array))
    program.write(pickle.SETITEMS + pickle.STOP)
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as archive:
        archive.writestr('ae/data.pkl', program.getvalue())
        archive.writestr('ae/byteorder', 'little')
        for i, array in enumerate(arrays.values()):
            archive.writestr(f'ae/data/{i}', np.ascontiguousarray(array).tobytes())
        archive.writestr('ae/version', '3\n')


def _tensor(out, key: str, array: np.ndarray) -> None:
    """torch._utils._rebuild_tensor_v2(storage, 0, shape, stride, False, OrderedDict())."""
    out.write(pickle.GLOBAL + b'torch._utils\n_rebuild_tensor_v2\n' + pickle.MARK)
    out.write(pickle.MARK)
    _text(out, 'storage')
    out.write(pickle.GLOBAL + b'torch\n' + NAMES[array.dtype.name].encode() + b'\n')
    _text(out, key)
    _text(out, 'cpu')
    _int(out, array.size)
    out.write(pickle.TUPLE + pickle.BINPERSID)
    _int(out, 0)
    stride = [int(np.prod(array.shape[i + 1:])) for i in range(array.ndim)]
    for numbers in (array.shape, stride):
        out.write(pickle.MARK)
        for n in numbers:
            _int(out, n)
        out.write(pickle.TUPLE)
    out.write(pickle.NEWFALSE + pickle.GLOBAL + b'collections\nOrderedDict\n')
    out.write(pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.TUPLE + pickle.REDUCE)


def _text(out, text: str) -> None:
    raw = text.encode()
    out.write(pickle.BINUNICODE + len(raw).to_bytes(4, 'little') + raw)


def _int(out, value: int) -> None:
    out.write(pickle.LONG1 + b'\x08' + int(value).to_bytes(8, 'little', signed=True))
