"""Dictionaries as others expect to find them: SAELens's folder, a model card, an index.

One dictionary is a folder with README.md beside its files. A suite is a tree with names like
Gemma Scope's, SITE/layer_3/width_16k/average_l0_50, an index.json of all of them and one card.
"""
import dataclasses
import pathlib
import re
import shutil
from typing import Any, Iterable, Mapping

import numpy as np

from saex.formats import card, files, native, saelens
from saex.formats.canonical import Canonical
from saex.formats.errors import require


@dataclasses.dataclass(frozen=True)
class Entry:
    """One dictionary of a suite. folder: SAELens's, already written. results: its flat
    evaluation, {'l0': 50.1, 'fvu': 0.2, ...}, in which l0 gives it its name."""
    name: str
    folder: pathlib.Path
    results: Mapping[str, float | None]


def save_pretrained(directory: str | pathlib.Path, dictionary: Any, *, frequency: Any = None,
                    results: Mapping | None = None, about: Mapping | None = None) -> None:
    """Writes one dictionary, whole or not at all, with its card.

    dictionary: a Canonical, or (model, params, stats) of a trained one. about: what the card
    says beside the numbers (card.py). Raises FormatError.
    """
    directory = pathlib.Path(directory)
    if isinstance(dictionary, Canonical):
        saelens.write(directory, dictionary, frequency)
    else:
        native.save(directory, *dictionary, (about or {}).get('provenance', {}))
    row = _row(directory.name, '.', files.json_file(directory / 'cfg.json'), results or {})
    (directory / 'README.md').write_text(card.text([row], about or {}))


def suite(directory: str | pathlib.Path, entries: Iterable[Entry], about: Mapping | None = None,
          figures: Iterable[pathlib.Path] = ()) -> list[dict]:
    """Copies the entries into one tree and writes its index and card; returns the index.

    A dictionary that is there already, file by file the same size, is not copied again.
    Raises FormatError for an entry whose path another one has.
    """
    directory, index = pathlib.Path(directory), []
    for entry in entries:
        cfg = files.json_file(entry.folder / 'cfg.json')
        path = _path(cfg, entry)
        require(path not in {row['path'] for row in index}, f'{entry.name}: another dictionary is '
                f'{path} too (same site, width and L0)')
        target = files.inside(directory, path)
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(p for p in entry.folder.iterdir() if p.is_file()):
            shutil.copyfile(file, target / file.name)
        index.append(_row(entry.name, path, cfg, entry.results))
    require(bool(index), f'{directory}: a suite of no dictionaries')
    index.sort(key=lambda row: row['path'])
    shown = []
    for figure in map(pathlib.Path, figures):
        (directory / 'figures').mkdir(exist_ok=True)
        shutil.copyfile(figure, directory / 'figures' / figure.name)
        shown.append(f'figures/{figure.name}')
    files.write_json(directory / 'index.json', index)
    (directory / 'README.md').write_text(card.text(index, {**(about or {}), 'figures': shown}))
    return index


def of_run(workdir: str | pathlib.Path) -> tuple[list[Entry], dict]:
    """(entries, about) of an experiment's working directory. Raises FormatError."""
    workdir = pathlib.Path(workdir)
    require((workdir / 'results.json').is_file(), f'{workdir}: no results.json: not a finished '
            'run')
    results = files.json_file(workdir / 'results.json')
    config = files.json_file(workdir / 'config.json')
    found = []
    for folder in sorted((workdir / 'dictionaries').iterdir()):
        own = {k.split('/', 1)[1]: v for k, v in results.items()
               if k.startswith(f'{folder.name}/')}
        found.append(Entry(folder.name, folder, own))
    about = {'title': config.get('title', workdir.name), 'dataset': _named(config, 'world') or
             _named(config, 'source'), 'model': _named(config.get('subject', {}), 'model'),
             'tokenizer': config.get('source', {}).get('tokenizer')}
    return found, {k: v for k, v in about.items() if v}


def width(features: int) -> str:
    """16384 -> '16k', 1048576 -> '1m', 1000 -> '1000'."""
    for size, letter in ((2 ** 20, 'm'), (2 ** 10, 'k')):
        if features % size == 0:
            return f'{features // size}{letter}'
    return str(features)


def _named(section: Mapping, key: str) -> str:
    value = section.get(key) or ''
    return str(value.get('name', '')) if isinstance(value, dict) else str(value)


def _path(cfg: dict, entry: Entry) -> str:
    """SITE/layer_N/width_W/average_l0_K, without the parts that are not known."""
    site = str((cfg.get('metadata') or {}).get('hook_name') or '')
    layer = re.search(r'(?:^|\.)(?:blocks|layers?|h)\.(\d+)\.', f'{site}.')
    kind = re.sub(r'[^\w-]', '_', site.rpartition('.')[2]) or 'site'
    l0 = entry.results.get('l0')
    tail = f'average_l0_{round(l0)}' if l0 is not None and np.isfinite(l0) else entry.name
    parts = [kind, f'layer_{layer[1]}' if layer else None, f'width_{width(cfg["d_sae"])}', tail]
    return '/'.join(p for p in parts if p)


def _row(name: str, path: str, cfg: dict, results: Mapping) -> dict:
    """An entry of the index."""
    meta = cfg.get('metadata') or {}
    return {'name': name, 'path': path, 'architecture': cfg.get('architecture'),
            'hook_name': meta.get('hook_name'), 'model_name': meta.get('model_name'),
            'd_in': cfg.get('d_in'), 'd_sae': cfg.get('d_sae'),
            'metrics': {k: v for k, v in sorted(results.items()) if isinstance(
                v, (int, float)) and np.isfinite(v)}}
