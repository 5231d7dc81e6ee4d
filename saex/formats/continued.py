"""Training goes on from a dictionary that this or another library saved.

    dictionaries = {'tuned': dict(
        **continued.sections('google/gemma-scope-2b-pt-res', item='layer_3/...'),
        losses=..., optim=..., steps=..., batch_size=...)}

The dictionary is folded first, so that it reads raw activations and has no transform to fit
(a per-row norm stays, as `standardise`). Its threshold starts where the file has it.
"""
from typing import Any, Mapping

import jax.numpy as jnp

from saex import tree
from saex.config import ConfigError
from saex.formats import fold, load, native


def sections(path: str, selector: Mapping | str | None = None, **options: Any) -> dict:
    """{'dictionary', 'init'} of a config: the parts of the saved dictionary, and the start
    that fills them. selector: another one to convert to. options: item, format and those of
    load.load. Raises FormatError."""
    c, changed = _folded(path, options), {} if selector is None else {'selector': selector}
    start = dict(name='saex.formats.continued', path=str(path), options=options)
    return {'dictionary': native.section(c, changed)[0], 'init': {'encoder': start}}


def continued(key, params, sample, path: str, options: Mapping | None = None):
    """An initialiser (slot 'encoder', which runs last): the parameters of the dictionary at
    `path`, where the parts of the config have parameters of that name.

    Raises ConfigError where a shape differs.
    """
    _, found, _ = native.to_dictionary(_folded(path, dict(options or {})), selector=None)
    have, found = tree.flatten(params), tree.flatten(found)
    wrong = [f'init.encoder: {path} has {name} {list(found[name].shape)}, the config '
             f'{list(have[name].shape)}' for name in sorted(have)
             if name in found and found[name].shape != have[name].shape]
    if wrong or 'decoder/w_dec' not in have:
        raise ConfigError(wrong or [f'init.encoder: {path} fits no linear decoder'])
    return tree.unflatten({k: jnp.asarray(found.get(k, v), v.dtype)
                           for k, v in have.items()})


def _folded(path: str, options: Mapping):
    c = load.load(path, **options)
    return fold.fold(c) if c.rows == 'none' else c
