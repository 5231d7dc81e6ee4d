"""Tensors of a `.pt` file, without torch and without running what the file says.

torch.save writes a zip: `NAME/data.pkl`, a pickle program that builds the object, and
`NAME/data/KEY`, raw storages. The program is not given to `pickle`: it is interpreted here,
opcode by opcode, and a global may only be one of the names below, each of which builds
plain data. Anything else is refused: other classes, old files that are not zips, compressed
members, a tensor that reaches past its storage.
"""
import pathlib
import pickletools
import struct
import zipfile

import ml_dtypes
import numpy as np

from saex.formats.errors import FormatError, require

STORAGES = {'FloatStorage': np.float32, 'DoubleStorage': np.float64,
            'HalfStorage': np.float16,
            'BFloat16Storage': ml_dtypes.bfloat16, 'LongStorage': np.int64,
            'IntStorage': np.int32, 'ShortStorage': np.int16, 'CharStorage': np.int8,
            'ByteStorage': np.uint8, 'BoolStorage': np.bool_}
CALLS = {('collections', 'OrderedDict'), ('torch._utils', '_rebuild_tensor_v2'),
         ('torch._utils', '_rebuild_parameter'), ('torch', 'device'), ('torch', 'Size')}
PUSH = {'INT', 'BININT', 'BININT1', 'BININT2', 'LONG', 'LONG1', 'LONG4', 'FLOAT',
        'BINFLOAT',
        'BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8', 'BINSTRING', 'SHORT_BINSTRING',
        'UNICODE', 'BINBYTES', 'SHORT_BINBYTES'}
CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
LIMIT = 2_000_000       # opcodes, and bytes of the program times 64


def load(path: str | pathlib.Path):
    """The object that torch.save wrote: dicts, lists, numbers, strings and arrays.

    Raises FormatError for anything that is not such data.
    """
    path = pathlib.Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _Program(path, archive).run()
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError) as e:
        raise FormatError(f'{path}: not a zip that torch.save writes ({e}); an old file: '
                          'open it '
                          'in torch and save it again, or convert it to safetensors') from e
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
            struct.error) as e:
        if isinstance(e, FormatError):
            raise
        raise FormatError(f'{path}: its pickle is broken ({type(e).__name__}: {e})') from e


class _Program:
    """A stack machine for the part of pickle that a state dict needs."""

    def __init__(self, path, archive):
        self.path, self.archive = path, archive
        infos = archive.infolist()
        names = [i.filename for i in infos]
        require(len(set(names)) == len(names), f'{path}: two members of one name')
        roots = [n for n in names if n.endswith('/data.pkl') and n.count('/') == 1]
        require(len(roots) == 1, f'{path}: {len(roots)} data.pkl, expected 1')
        self.root = roots[0].removesuffix('data.pkl')
        for info in infos:
            require(info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & 1,
                    f'{path}: member {info.filename!r} is compressed or encrypted')
            require(info.file_size <= path.stat().st_size,
                    f'{path}: member {info.filename!r} is larger than the file')
        order = self.root + 'byteorder'
        require(order not in names or archive.read(order).strip() == b'little',
                f'{path}: not little-endian')
        self.program, self.storages = archive.read(roots[0]), {}
        require(len(self.program) < LIMIT * 64, f'{path}: the pickle is too long')
        self.stack, self.memo, self.marks = [], {}, []

    def run(self):
        for count, (op, value, _) in enumerate(pickletools.genops(self.program)):
            require(count < LIMIT, f'{self.path}: too many pickle opcodes')
            if op.name == 'STOP':
                require(len(self.stack) == 1, f'{self.path}: the pickle leaves rubbish')
                return self.stack[0]
            self.step(op.name, value)
        raise FormatError(f'{self.path}: the pickle does not stop')

    def step(self, name, value):
        stack = self.stack
        if name in PUSH:
            stack.append(value)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in ('PROTO', 'FRAME'):
            pass
        elif name == 'MARK':
            self.marks.append(len(stack))
        elif name in ('EMPTY_DICT', 'EMPTY_LIST', 'EMPTY_TUPLE'):
            stack.append({'EMPTY_DICT': {}, 'EMPTY_LIST': [], 'EMPTY_TUPLE': ()}[name])
        elif name in ('TUPLE1', 'TUPLE2', 'TUPLE3'):
            n = int(name[-1])
            stack[-n:] = [tuple(stack[-n:])]
        elif name == 'TUPLE':
            stack.append(tuple(self.since_mark()))
        elif name in ('BINPUT', 'LONG_BINPUT', 'PUT', 'MEMOIZE'):
            self.memo[len(self.memo) if name == 'MEMOIZE' else value] = stack[-1]
        elif name in ('BINGET', 'LONG_BINGET', 'GET'):
            stack.append(self.memo[value])
        elif name in ('SETITEM', 'SETITEMS'):
            self.set_items(self.since_mark() if name == 'SETITEMS' else self.pop(2))
        elif name in ('APPEND', 'APPENDS'):
            items = self.since_mark() if name == 'APPENDS' else self.pop(1)
            require(isinstance(stack[-1], list), f'{self.path}: appends to no list')
            stack[-1].extend(items)
        elif name in ('GLOBAL', 'STACK_GLOBAL'):
            pair = tuple(value.split(' ', 1)) if name == 'GLOBAL' else tuple(self.pop(2))
            stack.append(self.global_(pair))
        elif name == 'BINPERSID':
            stack.append(self.storage(stack.pop()))
        elif name in ('REDUCE', 'NEWOBJ'):
            function, arguments = self.pop(2)
            stack.append(self.call(function, arguments))
        elif name == 'BUILD':       # state of an OrderedDict: torch's _metadata, not needed
            _, = self.pop(1)
            require(isinstance(stack[-1], dict), f'{self.path}: builds an object')
        else:
            raise FormatError(f'{self.path}: pickle opcode {name} is not of a tensor file')

    def pop(self, n):
        found = self.stack[-n:]
        require(len(found) == n, f'{self.path}: the pickle pops an empty stack')
        del self.stack[-n:]
        return found

    def since_mark(self):
        at = self.marks.pop()
        found = self.stack[at:]
        del self.stack[at:]
        return found

    def set_items(self, items):
        require(isinstance(self.stack[-1], dict) and len(items) % 2 == 0,
                f'{self.path}: sets items of no dict')
        self.stack[-1].update(zip(items[::2], items[1::2]))

    def global_(self, pair):
        module, name = pair
        if module == 'torch' and (name in STORAGES or pair in CALLS):
            return _Name(pair)
        require(pair in CALLS,
                f'{self.path}: the pickle names {module}.{name}, which is not data; '
                'refused, nothing was run')
        return _Name(pair)

    def call(self, function, arguments):
        require(isinstance(function, _Name) and function.pair in CALLS,
                f'{self.path}: the pickle calls what is not a tensor')
        name = function.pair[1]
        if name == 'OrderedDict':
            return dict(*arguments)
        if name == '_rebuild_parameter':
            return arguments[0]
        if name in ('device', 'Size'):
            return arguments[0]
        return self.tensor(*arguments[:4])

    def storage(self, key):
        """A persistent id ('storage', type, key, device, count) as a flat array."""
        kind, type_, name, _, count = key
        require(kind == 'storage' and isinstance(type_, _Name)
                and type_.pair[1] in STORAGES,
                f'{self.path}: an unknown persistent id')
        if name not in self.storages:
            dtype = np.dtype(STORAGES[type_.pair[1]])
            raw = self.archive.read(f'{self.root}data/{name}')
            require(type(count) is int and 0 <= count * dtype.itemsize <= len(raw),
                    f'{self.path}: storage {name} holds {len(raw)} bytes, {count} values '
                    'said')
            self.storages[name] = np.frombuffer(raw, dtype, count)
        return self.storages[name]

    def tensor(self, storage, offset, shape, stride):
        require(isinstance(storage, np.ndarray) and len(shape) == len(stride) and all(
            type(v) is int and v >= 0 for v in (offset, *shape, *stride)),
            f'{self.path}: a tensor of impossible shape')
        last = offset + sum((n - 1) * s for n, s in zip(shape, stride))
        size = int(np.prod(shape, dtype=object)) if shape else 1
        require(not size or (last < storage.size and size <= storage.size),
                f'{self.path}: a tensor of shape {tuple(shape)} reaches past its storage '
                'of '
                f'{storage.size}')
        step = storage.dtype.itemsize
        view = np.lib.stride_tricks.as_strided(
            storage[offset:], tuple(shape), tuple(s * step for s in stride),
            writeable=False)
        return np.array(view) if size else np.zeros(tuple(shape), storage.dtype)


class _Name:
    """A global of the pickle: a name, never the thing."""

    def __init__(self, pair):
        self.pair = pair

