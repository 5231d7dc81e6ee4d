"""Files that are whole or absent, and folders that one run holds at a time."""
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
from typing import Any


@contextlib.contextmanager
def naming(path: Any):
    """A write that fails says to which file."""
    try:
        yield
    except OSError as e:
        if e.filename is None:
            raise OSError(e.errno, e.strerror, str(path)) from e
        raise


def write_atomic(path: pathlib.Path, data: bytes) -> None:
    """Writes by a temporary name, fsync and rename: a kill leaves the old or the new."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.tmp')
    with naming(path), open(temporary, 'wb') as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Strict JSON (NaN refused), keys sorted, atomically."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(path, (text + '\n').encode())


@contextlib.contextmanager
def locked(directory: pathlib.Path):
    """Holds `directory`/lock; the system frees it when the process ends, however it ends.
    Raises OSError when another process holds it."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / 'lock', 'a+', encoding='utf-8') as f:
        try:
            fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            f.seek(0)
            raise OSError(f'{directory} is in use by process {f.read().strip()}; wait for '
                          'it, stop it, or use another --workdir') from e
        f.truncate(0)
        f.write(str(os.getpid()))
        f.flush()
        yield


def name_problem(name: Any) -> str | None:
    """Why `name` cannot name a folder of a run, or None."""
    allowed = r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}'
    if not isinstance(name, str) or not re.fullmatch(allowed, name):
        return (f'{str(name)[:40]!r} cannot name a folder; use 1 to 100 letters, digits, _, '
                '- and ., not first a - or a .')
    return None


def sha256(path: pathlib.Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
