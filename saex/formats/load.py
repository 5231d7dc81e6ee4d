"""Opens a dictionary of any known format.

The format is recognised from names and keys, never from luck: a place that two readers
claim, or none, is refused in words, and so is a folder that holds several dictionaries.
Give `format` where the files cannot say.
"""
import pathlib
from typing import Any, Mapping

from saex.formats import (circuit_tracer, dictionary_learning, files, gemma_scope,
                          hub as hub_,
                          llama_scope, openai, overcomplete, saelens, smaller, sparsify)
from saex.formats.canonical import Canonical
from saex.formats.errors import FormatError, require
from saex.formats.place import Place

READERS = {
    'saelens': (saelens.claims, saelens.read),
    'gemma_scope': (gemma_scope.claims, gemma_scope.read),
    'sparsify': (sparsify.claims, sparsify.read),
    'dictionary_learning': (dictionary_learning.claims, dictionary_learning.read),
    'openai': (openai.claims, openai.read),
    'llama_scope': (llama_scope.claims, llama_scope.read),
    'circuit_tracer': (circuit_tracer.claims, circuit_tracer.read),
    'overcomplete': (overcomplete.claims, overcomplete.read),
    'e2e_sae': (smaller.claims_e2e, smaller.read_e2e),
    'goodfire': (smaller.claims_goodfire, smaller.read_goodfire),
    'qwen_scope': (smaller.claims_qwen, smaller.read_qwen),
    'neverix': (smaller.claims_neverix, smaller.read_neverix),
}
WRITERS = {
    'saelens': saelens.write, 'gemma_scope': gemma_scope.write, 'sparsify': sparsify.write,
    'dictionary_learning': dictionary_learning.write,
    'circuit_tracer': circuit_tracer.write}


def load(path: str | pathlib.Path, item: str | None = None, format: str | None = None, *,
         hub: Mapping | None = None, **options: Any) -> Canonical:
    """The dictionary at a local path (a file, or the folder of one dictionary), or in a
    repository of the Hub (owner/name).

    item: a name below path, of a folder that holds several. format: one of READERS, where
    recognition is ambiguous. hub: revision, token, endpoint, cache of hub.fetch. options:
    what the reader of that format asks for in words. Raises FormatError, a ValueError of
    one line.
    """
    place = Place(local(path, item, hub))
    name = format or recognise(place)
    require(name in READERS, f'format {name!r} is unknown; known: {", ".join(READERS)}')
    try:
        return READERS[name][1](place, **options)
    except TypeError as e:
        if 'unexpected keyword' in str(e):
            raise FormatError(f'{place.path}: the reader of {name}: {e}') from e
        raise


def local(path: str | pathlib.Path, item: str | None = None, hub: Mapping | None = None
          ) -> pathlib.Path:
    """The local path of item, fetched where path is no file or folder but a repository."""
    require(str(path) not in ('', '.') and '\0' not in str(path),
            f'{str(path)!r}: not a path')
    if not pathlib.Path(path).exists() and hub_.NAME.fullmatch(str(path)):
        path = hub_.fetch(str(path), item, **(hub or {}))
    return files.inside(path, item) if item else pathlib.Path(path)


def recognise(place: Place) -> str:
    """The name of the only reader that claims the place."""
    found = [name for name, (claims, _) in READERS.items() if claims(place)]
    if len(found) == 1:
        return found[0]
    if found:
        raise FormatError(f'{place.path}: could be {" or ".join(found)}; pass format')
    below = sorted(str(p.parent.relative_to(place.folder))
                   for p in place.folder.rglob('*.json')
                   if p.name in ('cfg.json', 'config.json') and p.parent != place.folder)
    if place.file is None and below:
        raise FormatError(f'{place.path}: holds {len(below)} dictionaries '
                          f'({", ".join(below[:4])}'
                          f'{", ..." if len(below) > 4 else ""}): name one')
    keys = sorted(map(str, place.keys))
    require(not any(k.startswith('params/') for k in keys),
            f'{place.path}: a composition of '
            "saex's own; saex.from_pretrained opens it")
    if {'W_enc', 'W_dec'} <= place.keys:
        shape = place.arrays['W_enc'].shape
        raise FormatError(f'{place.path}: W_enc of shape {shape} and no config says '
                          'whether its '
                          'rows are inputs or latents; pass format')
    raise FormatError(f'{place.path}: no known format; it holds '
                      f'{", ".join(keys[:8] or place.names[:8]) or "nothing"}')
