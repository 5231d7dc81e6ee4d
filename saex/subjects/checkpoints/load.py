"""A subject from a Hugging Face directory: config.json and safetensors.

A family is a table from our parameter paths to the names of its weights; names that differ
between the files on disk and transformers' memory stand side by side, divided by '|'.
"""
import pathlib
import re
from typing import Any, Mapping

import jax
import numpy as np

from saex import tree
from saex.config import ConfigError, suggest
from saex.subjects.checkpoints import decoders, encoders, files, shard
from saex.subjects.checkpoints.family import Family
from saex.subjects.network import Network

__all__ = []       # not itself a subject


def families() -> dict[str, Family]:
    """model_type -> Family."""
    return {**decoders.FAMILIES, **encoders.FAMILIES}


def load(source: str | pathlib.Path, dtype: Any = None, sharding: Any = None,
         revision: str | None = None, family: str | None = None) -> Network:
    """The subject that `source` (a local directory, or a repository of the Hub) holds.

    dtype: of the parameters; None keeps what is stored. sharding: a jax Sharding, or
    `fn(path, shape) -> Sharding` such as shard.over(mesh); tensors go onto it one by one, so
    that no host ever holds the whole model. family: in place of the config's model_type.
    Raises ConfigError that lists every weight that is missing, unused, of a wrong shape, not
    finite, or of a head that the config ties to other values.
    """
    path = files.directory(source, revision)
    model, table = _described(path, family)
    return Network(model, read(model, table, files.Tensors(path), dtype, sharding))


def model(source: str | pathlib.Path, family: str | None = None,
          revision: str | None = None) -> Any:
    """The module that `load` would fill, from config.json alone. Raises ConfigError."""
    return _described(files.directory(source, revision), family)[0]


def _described(path: pathlib.Path, family: str | None) -> tuple[Any, Family]:
    config = files.read_config(path)
    known, kind = families(), family or config['model_type']
    if kind not in known:
        towers = [k for k in known if k.startswith(f'{kind}_')]
        raise ConfigError(f'{path}: model_type {kind!r} ' + (
            f'has several towers; choose family={" or ".join(map(repr, towers))}' if towers
            else f'is unknown; {suggest(kind, known)}'))
    try:
        model = known[kind].model(config)
    except (KeyError, TypeError) as e:
        raise ConfigError(f'{path / "config.json"}: not a config of {kind!r} ({e!r})') from e
    problems = getattr(model, 'problems', list)()
    if problems:
        raise ConfigError([f'{path}: {p}' for p in problems])
    return model, known[kind]


def read(model: Any, family: Family, tensors: Mapping[str, np.ndarray], dtype: Any = None,
         sharding: Any = None) -> dict:
    """The model's parameters from the family's tensors; see `load`."""
    shapes = tree.flatten(jax.eval_shape(
        lambda: model.init(jax.random.key(0), *model.example()))['params'])
    names = {_bare(name, family.prefix): name for name in tensors}
    wanted = {path: _names(family, path, names) for path in shapes}
    problems = _unknown(model, family, names, {n for row in wanted.values() for n in row})
    if len(names) < len(tensors):
        problems.append(f'weights with and without {family.prefix!r} before one name')
    if problems:
        raise ConfigError(problems)
    params = {}
    for path, shape in shapes.items():
        value = _convert(model, family, path, [tensors[names[n]] for n in wanted[path]],
                         shape.shape)
        named = ', '.join(wanted[path])
        if value.shape != shape.shape:
            problems.append(f'{named}: {list(value.shape)} after conversion to {path}; the '
                            f'config asks for {list(shape.shape)}')
        elif not np.isfinite(value).all():
            problems.append(f'{named}: holds NaN or infinity')
        else:
            value = value if dtype is None else value.astype(dtype)
            params[path] = shard.place(value, path, sharding)
    problems += _untied(wanted, names, tensors)
    if problems:
        raise ConfigError(problems)
    return tree.unflatten(params)


TIED = ('lm_head.weight', 'embed_out.weight', 'lm_head.decoder.weight',
        'cls.predictions.decoder.weight')


def _unknown(model, family, names, used) -> list[str]:
    """Lines of the weights that are missing and of those that nothing uses."""
    tied = TIED if getattr(model, 'tied', False) else ()
    ignored = re.compile('|'.join((*family.ignore, *map(re.escape, tied))) or '(?!)')
    return [f'missing weight: {n}' for n in sorted(used) if n not in names] + [
        f'unused weight: {names[n]}' for n in sorted(names)
        if n not in used and not ignored.fullmatch(n)]


def _untied(wanted, names, tensors) -> list[str]:
    """Lines of heads that are stored beside the embedding they are tied to and differ."""
    used = {n for row in wanted.values() for n in row}
    heads = [names[n] for n in TIED if n in names and n not in used]
    if not heads:
        return []
    token = tensors[names[wanted['token/embedding'][0]]]
    return [f'{head}: the config ties it to the token embedding, but it differs'
            for head in heads if not np.array_equal(tensors[head], token)]


def _bare(name: str, prefixes: str) -> str:
    """The name without the first of the prefixes 'a|b' that it has."""
    found = next((p for p in prefixes.split('|') if name.startswith(p)), '')
    return name.removeprefix(found)


def _names(family: Family, path: str, names: Mapping[str, str]) -> tuple[str, ...]:
    found = re.fullmatch(r'blocks_(\d+)/(.*)', path)
    key, index = (f'blocks/{found[2]}', found[1]) if found else (path, '')
    if key not in family.table:
        raise ConfigError(f'the family has no weight for {path}')
    row = family.table[key]
    chosen = []
    for name in (row,) if isinstance(row, str) else row:
        options = [n.replace('{i}', index) for n in name.split('|')]
        chosen.append(next((n for n in options if n in names), options[0]))
    return tuple(chosen)


def _convert(model, family: Family, path: str, parts: list[np.ndarray],
             shape: tuple[int, ...]) -> np.ndarray:
    leaf = path.rsplit('/', 1)[-1]
    if leaf == 'kernel' and parts[0].ndim == 4:      # a convolution [out, in, h, w]
        return parts[0].transpose(2, 3, 1, 0)
    if not path.startswith('blocks') and parts[0].shape[:1] == (1,):
        return parts[0].squeeze(tuple(range(parts[0].ndim - len(shape))))
    if leaf == 'kernel' and (family.linear or path == 'head/kernel'):
        parts = [p.T for p in parts]
    if '/qkv/' in path and len(parts) == 1 and family.packed == 'thirds':
        parts = np.split(parts[0], 3, axis=-1)
    if len(parts) == 1:
        return parts[0]
    size, kv_heads = model.head_dim, model.style.kv_heads or model.heads
    parts = [p.reshape(*p.shape[:-1], kv_heads, -1, size) for p in parts]
    return np.concatenate(parts, axis=-2).reshape(*parts[0].shape[:-3], -1)
