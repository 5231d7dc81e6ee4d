"""Dictionaries as others expect to find them: SAELens's folder, a model card, an index.

One dictionary is a folder with README.md beside its files. A suite is a tree with names
like Gemma Scope's, SITE/layer_3/width_16k/average_l0_50, an index.json of all of them and
one card.
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


def save_pretrained(directory: str | pathlib.Path, dictionary: Any, *,
                    frequency: Any = None,
                    results: Mapping | None = None, about: Mapping | None = None) -> None:
    """Writes one dictionary, whole or not at all, with its card.

    dictionary: a Canonical, or (model, params, stats) of a trained one. about: what the
    card says beside the numbers (card.py). Raises FormatError.
    """
    directory = pathlib.Path(directory)
    if isinstance(dictionary, Canonical):
        saelens.write(directory, dictionary, frequency)
    else:
        native.save(directory, *dictionary, (about or {}).get('provenance', {}))
    row = _row(directory.name, '.', files.json_file(directory / 'cfg.json'), results or {})
    (directory / 'README.md').write_text(card.text([row], about or {}))


def suite(directory: str | pathlib.Path, entries: Iterable[Entry],
          about: Mapping | None = None,
          figures: Iterable[pathlib.Path] = ()) -> list[dict]:
    """Copies the entries into one tree, whole or not at all, in place of an earlier suite;
    returns its index.

    Dictionaries of one site, width and L0 have their names as a last folder. Raises
    FormatError where two have one name as well.
    """
    directory, index, entries = pathlib.Path(directory), [], list(entries)
    cfgs = [files.json_file(entry.folder / 'cfg.json') for entry in entries]
    require(bool(entries), f'{directory}: a suite of no dictionaries')
    paths = [_path(cfg, entry) for cfg, entry in zip(cfgs, entries, strict=True)]
    paths = [f'{path}/{entry.name}' if paths.count(path) > 1 else path
             for path, entry in zip(paths, entries, strict=True)]
    building = _building(directory)
    for entry, cfg, path in zip(entries, cfgs, paths, strict=True):
        require(paths.count(path) == 1,
                f'{path}: the place of two dictionaries; give them names '
                'of their own')
        target = files.inside(building, path)
        target.mkdir(parents=True, exist_ok=True)
        for file in sorted(p for p in entry.folder.iterdir() if p.is_file()):
            shutil.copyfile(file, target / file.name)
        index.append(_row(entry.name, path, cfg, entry.results))
    index.sort(key=lambda row: row['path'])
    shown = []
    for figure in map(pathlib.Path, figures):
        (building / 'figures').mkdir(exist_ok=True)
        shutil.copyfile(figure, building / 'figures' / figure.name)
        shown.append(f'figures/{figure.name}')
    files.write_json(building / 'index.json', index)
    (building / 'README.md').write_text(card.text(index,
                                                  {**(about or {}), 'figures': shown}))
    if directory.exists():
        shutil.rmtree(directory)
    building.rename(directory)
    return index


def _building(directory: pathlib.Path) -> pathlib.Path:
    """An empty folder beside directory, which only an earlier suite may fill."""
    require(not directory.exists() or not any(directory.iterdir())
            or (directory / 'index.json').is_file(),
            f'{directory}: holds something else than a '
            'suite; nothing was written')
    building = directory.with_name(f'{directory.name}.building')
    if building.exists():
        shutil.rmtree(building)
    building.mkdir(parents=True)
    return building


def of_run(workdir: str | pathlib.Path) -> tuple[list[Entry], dict]:
    """(entries, about) of an experiment's working directory. Raises FormatError."""
    workdir = pathlib.Path(workdir)
    require((workdir / 'results.json').is_file(),
            f'{workdir}: no results.json: not a finished '
            'run')
    results = files.json_file(workdir / 'results.json')
    config = files.json_file(workdir / 'config.json')
    found = []
    for folder in sorted((workdir / 'dictionaries').iterdir()):
        own = {k.split('/', 1)[1]: v for k, v in results.items()
               if k.startswith(f'{folder.name}/')}
        found.append(Entry(folder.name, folder, own))
    about = {'title': config.get('title', workdir.name),
             'dataset': _named(config, 'world') or
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
    parts = [kind, f'layer_{layer[1]}' if layer else None, f'width_{width(cfg["d_sae"])}',
             tail]
    return '/'.join(p for p in parts if p)


def _row(name: str, path: str, cfg: dict, results: Mapping) -> dict:
    """An entry of the index."""
    meta = cfg.get('metadata') or {}
    return {'name': name, 'path': path, 'architecture': cfg.get('architecture'),
            'hook_name': meta.get('hook_name'), 'model_name': meta.get('model_name'),
            'd_in': cfg.get('d_in'), 'd_sae': cfg.get('d_sae'),
            'metrics': {k: v for k, v in sorted(results.items()) if isinstance(
                v, (int, float)) and np.isfinite(v)}}
