"""Files that are whole or absent."""
import hashlib
import json
import os
import pathlib
from typing import Any


def write_atomic(path: pathlib.Path, data: bytes) -> None:
    """Writes by a temporary name, fsync and rename; a kill leaves the old file or the new."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + '.tmp')
    with open(temporary, 'wb') as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(temporary, path)


def write_json(path: pathlib.Path, value: Any) -> None:
    """Strict JSON (NaN refused), keys sorted, atomically."""
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    write_atomic(path, (text + '\n').encode())


def sha256(path: pathlib.Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with open(path, 'rb') as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
