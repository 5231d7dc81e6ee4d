"""Documents: text, JSONL and Parquet files, and an English corpus that every machine has."""
import ast
import hashlib
import itertools
import json
import os
import pathlib
import re
import sysconfig
from typing import Any, Iterable, Iterator, NamedTuple
import warnings

import numpy as np

from saex.config import ConfigError

HUB = 'hf:'
SUFFIXES = ('.jsonl', '.parquet', '.txt')
SKIPPED = ('test', 'tests', 'idle_test', 'site-packages', '__pycache__', 'lib2to3')
LEAST, MOST = 60, 100_000          # characters of a document of the built-in corpus; of any
_ENDS = re.compile(r'\n\s*\n|(?<=[.!?])\s+(?=[A-Z])')
_COMMENTS = re.compile(r'(?:^[ \t]*#[^\n]*\n){2,}', re.M)


class Corpus(NamedTuple):
    """documents: str each, or token ids each. fingerprint: SHA-256 over them. counts: what
    was left out or changed: 'empty', 'duplicate', 'surrogates', 'cut'."""
    documents: list
    fingerprint: str
    counts: dict[str, int]


def read(path: str = '', field: str = 'text', most: int = 0) -> Corpus:
    """The documents of a file or folder, or the built-in corpus where path is ''.

    .txt is one document a file; .jsonl and .parquet hold one in `field` of every row; a
    folder is all of its files of these kinds, in the order of their names; 'hf:OWNER/NAME'
    is the train split of a data set of the Hub (or 'hf:OWNER/NAME:SPLIT'), which is streamed
    and needs datasets. Only Parquet needs pyarrow. Duplicates and empty documents are dropped, lone surrogates replaced and
    documents cut at 100,000 characters, each with a count. most: stop after so many, 0 for
    all. Raises ConfigError when a file cannot be read, or nothing is left.
    """
    if path.startswith(HUB):
        found = _hub(path.removeprefix(HUB), field)
    else:
        found = _files(pathlib.Path(path).expanduser(), field) if path else builtin()
    corpus = clean(found, most)
    if not corpus.documents:
        raise ConfigError(f'path: {path or "the built-in corpus"} holds no document'
                          + ('' if path else '; this Python came without its sources, '
                             'name a file or folder of text'))
    return corpus


def clean(documents: Iterable[str], most: int = 0) -> Corpus:
    """Drops the empty and the repeated, replaces what UTF-8 cannot hold, cuts the long."""
    kept, seen = [], set()
    counts = dict.fromkeys(('empty', 'duplicate', 'surrogates', 'cut'), 0)
    digest = hashlib.sha256()
    for text in documents:
        if most and len(kept) == most:
            break
        data = text[:MOST].encode('utf-8', 'replace')
        whole = data.decode()
        mark = hashlib.sha256(data).digest()
        if not whole.strip():
            counts['empty'] += 1
        elif mark in seen:
            counts['duplicate'] += 1
        else:
            counts['surrogates'] += whole != text[:MOST]
            counts['cut'] += len(text) > MOST
            seen.add(mark)
            digest.update(mark)
            kept.append(whole)
    return Corpus(kept, digest.hexdigest(), counts)


def read_ids(path: str, field: str, most: int = 0) -> Corpus:
    """Token ids in place of text, int32 arrays: the rows of a .npy [R, T], or the lists in
    `field` of .jsonl and .parquet. Raises ConfigError when a file cannot be read."""
    place, digest, found = pathlib.Path(path).expanduser(), hashlib.sha256(), []
    if place.suffix == '.npy' and place.is_file():
        try:
            rows = iter(np.load(place, mmap_mode='r', allow_pickle=False))
        except (ValueError, OSError, TypeError) as e:
            raise ConfigError(f'path: {place}: not an array that can be read ({e})') from e
    else:
        rows = _files(place, field, list)
    for row in itertools.islice(rows, most or None):
        row = np.asarray(row)
        if row.ndim != 1 or row.dtype.kind not in 'iu' or not len(row):
            raise ConfigError(f'path: {place}: row {len(found)} of {field!r} is not a list '
                              'of token ids')
        found.append(row.astype(np.int32))
        digest.update(found[-1].tobytes())
    if not found:
        raise ConfigError(f'path: {place} holds no row of token ids')
    return Corpus(found, digest.hexdigest(), {})


def sentences(documents: Iterable[str]) -> list[str]:
    """The sentences of prose, each once: split at blank lines and after . ! ? before a
    capital; four words or more, two thirds of the characters letters (code is not)."""
    found = {}
    for text in documents:
        for piece in _ENDS.split(text):
            line = ' '.join(piece.split())
            letters = sum(c.isalpha() or c == ' ' for c in line)
            if line.count(' ') >= 3 and 3 * letters >= 2 * len(line):
                found[line] = None
    return list(found)


def builtin(root: str | os.PathLike = '') -> Iterator[str]:
    """Docstrings and comment blocks (two lines or more) of the standard library of the
    Python that runs, tests apart, in the order of the files' names.

    It is read from the machine, never shipped, and differs between Python versions.
    """
    root = root or sysconfig.get_paths()['stdlib']
    for folder, inner, names in os.walk(root):
        inner[:] = sorted(name for name in inner if name not in SKIPPED)
        for name in sorted(n for n in names if n.endswith('.py')):
            source = pathlib.Path(folder, name).read_text('utf-8', 'replace')
            yield from (text for text in _prose(source) if len(text) >= LEAST)


def _prose(source: str) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')          # invalid escapes in old modules
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield (ast.get_docstring(node) or '').strip()
    for block in _COMMENTS.findall(source):
        yield re.sub(r'^[ \t]*# ?', '', block, flags=re.M).strip()


def _files(path: pathlib.Path, field: str, kind: type = str) -> Iterator[Any]:
    """What every row holds in `field`: text, or lists of ids."""
    if path.is_dir():
        names = sorted(p for p in path.rglob('*') if p.suffix in SUFFIXES)
        if not names:
            raise ConfigError(f'path: {path} holds no {", ".join(SUFFIXES)} file')
    elif path.is_file() and path.suffix in SUFFIXES:
        names = [path]
    else:
        raise ConfigError(f'path: expected a folder or a {", ".join(SUFFIXES)} file, got '
                          f'{str(path)!r}' + ('' if path.exists() else ', which is absent'))
    for name in names:
        if name.suffix == '.txt' and kind is not str:
            raise ConfigError(f'path: {name}: text, expected token ids')
        if name.suffix == '.txt':
            yield name.read_text('utf-8', 'replace')
        elif name.suffix == '.jsonl':
            yield from _jsonl(name, field, kind)
        else:
            yield from _parquet(name, field)


def _jsonl(path: pathlib.Path, field: str, kind: type) -> Iterator[Any]:
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as e:
                raise ConfigError(f'path: {path}:{number}: {e}') from e
            if not isinstance(row, dict) or not isinstance(row.get(field), kind):
                wanted = 'text' if kind is str else 'token ids'
                raise ConfigError(f'path: {path}:{number}: expected {wanted} in {field!r}')
            yield row[field]


def _hub(name: str, field: str) -> Iterator[str]:
    try:
        import datasets
    except ImportError as e:
        raise ConfigError(f'path: {HUB}{name} needs datasets: pip install datasets') from e
    name, _, split = name.partition(':')
    try:
        rows = datasets.load_dataset(name, split=split or 'train', streaming=True)
        for number, row in enumerate(rows):
            if not isinstance(row.get(field), str):
                raise ConfigError(f'path: {HUB}{name}: row {number} has no text in {field!r}; '
                                  f'valid: {", ".join(row)}')
            yield row[field]
    except (OSError, ValueError) as e:
        if isinstance(e, ConfigError):
            raise
        raise ConfigError(f'path: {HUB}{name} ({split or "train"}): {e}') from e


def _parquet(path: pathlib.Path, field: str) -> Iterator[str]:
    try:
        from pyarrow import parquet
    except ImportError as e:
        raise ConfigError(f'path: {path}: Parquet needs pyarrow: pip install pyarrow') from e
    file = parquet.ParquetFile(path)
    if field not in file.schema_arrow.names:
        raise ConfigError(f'path: {path} has no column {field!r}; valid: '
                          f'{", ".join(file.schema_arrow.names)}')
    for batch in file.iter_batches(columns=[field]):
        yield from (text or '' for text in batch.column(0).to_pylist())
