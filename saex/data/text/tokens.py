"""Tokenizers: one from a Hugging Face directory, or a small BPE trained here and cached."""
import functools
import hashlib
import json
import os
import pathlib
from typing import Any, Iterable

import numpy as np

from saex.config import ConfigError

BOS, EOS, PAD = '<bos>', '<eos>', '<pad>'
ROLES = ('bos', 'eos', 'pad')
SLACK = 1024         # rows by which models round their vocabulary up


class Tokens:
    """A `tokenizers.Tokenizer` and the ids of its special tokens.

    bos, eos, pad: id or None. Text never becomes a special token, and no template adds
    one: `encode` gives the ids of the text alone, so that packing adds BOS exactly once.
    """

    def __init__(self, inner: Any, names: dict[str, str | None]):
        self._inner = inner
        inner.encode_special_tokens = True
        inner.no_truncation()
        inner.no_padding()
        self.bos, self.eos, self.pad = (
            inner.token_to_id(names[r]) if names.get(r) else None for r in ROLES)
        added = inner.get_added_tokens_decoder()
        self.special = tuple(sorted(i for i, token in added.items() if token.special))
        ids = inner.get_vocab(with_added_tokens=True).values()
        self.size = max(ids) + 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the vocabulary, merges and special tokens."""
        told = json.loads(self._inner.to_str())
        told = [told['model'], told['added_tokens'], self.bos, self.eos, self.pad]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def encode(self, documents: list[str]) -> list[np.ndarray]:
        """Ids of each document, int32, no special token added."""
        return [np.asarray(e.ids, np.int32)
                for e in self._inner.encode_batch(documents, add_special_tokens=False)]

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The text of every token alone, '' for an id without one."""
        special = {i: self._inner.id_to_token(i) for i in self.special}
        return tuple(special.get(i) or self._inner.decode([i]) for i in range(self.size))

    def text(self, ids: Iterable[int]) -> str:
        """Ids back to text, special tokens included."""
        return self._inner.decode([int(i) for i in ids], skip_special_tokens=False)


def load(path: str | os.PathLike) -> Tokens:
    """The tokenizer of a local Hugging Face directory: tokenizer.json, and the names of its
    special tokens from tokenizer_config.json or special_tokens_map.json. Raises
    ConfigError when there is none."""
    folder = pathlib.Path(path).expanduser()
    file = folder / 'tokenizer.json'
    if not file.is_file():
        raise ConfigError(f'tokenizer: {folder} has no tokenizer.json; name a local Hugging '
                          'Face directory (hf download OWNER/NAME --local-dir DIR)')
    try:
        inner = _library().Tokenizer.from_file(str(file))
    except Exception as e:        # the library raises a bare Exception for a bad file
        raise ConfigError(f'tokenizer: {file}: {e}') from e
    return Tokens(inner, _special_names(folder))


def _special_names(folder: pathlib.Path) -> dict[str, str | None]:
    found = {}
    for name in ('special_tokens_map.json', 'tokenizer_config.json'):
        if (folder / name).is_file():
            held = json.loads((folder / name).read_text('utf-8'))
            for role in ROLES:
                value = held.get(f'{role}_token')
                value = value.get('content') if isinstance(value, dict) else value
                found[role] = value or found.get(role)
            # BERT's rows begin with [CLS] and end with [SEP]
            found['bos'] = found.get('bos') or held.get('cls_token')
            found['eos'] = found.get('eos') or held.get('sep_token')
    return {k: v.get('content') if isinstance(v, dict) else v for k, v in found.items()}


def train(documents: list[str], size: int, cache: pathlib.Path) -> Tokens:
    """A byte-level BPE of `size` tokens, <bos>, <eos> and <pad> among them; deterministic.
    Kept in `cache`, by a name made from the documents' hash and the size."""
    library = _library()
    told = hashlib.sha256(f'{library.__version__} {size}'.encode())
    for text in documents:
        told.update(hashlib.sha256(text.encode()).digest())
    file = cache / f'bpe-{told.hexdigest()[:16]}.json'
    if not file.is_file():
        inner = library.Tokenizer(library.models.BPE())
        inner.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = library.decoders.ByteLevel()
        inner.train_from_iterator(documents, library.trainers.BpeTrainer(
            vocab_size=size, special_tokens=[BOS, EOS, PAD], show_progress=False,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet()))
        cache.mkdir(parents=True, exist_ok=True)
        building = file.with_suffix(f'.{os.getpid()}')
        inner.save(str(building))
        building.replace(file)
    return Tokens(library.Tokenizer.from_file(str(file)),
                  dict(zip(ROLES, (BOS, EOS, PAD))))


def problems_with(tokens: Tokens, vocab: int, trained_with: str | None = None) -> list[str]:
    """[] when a model of `vocab` token rows can read these ids; else one line each.

    Models round their rows up by less than 1024. trained_with: the fingerprint of the
    model's own tokenizer, where it is known.
    """
    found = []
    if tokens.size > vocab:
        found.append(f'tokenizer: its largest id is {tokens.size - 1}, but the model has '
                     f'{vocab} token rows')
    elif vocab - tokens.size >= SLACK:
        found.append(f'tokenizer: it has {tokens.size} tokens and the model {vocab}: not '
                     'the tokenizer that this model was trained with')
    if trained_with not in (None, tokens.fingerprint):
        found.append(f'tokenizer: fingerprint {tokens.fingerprint[:12]}, but the model was '
                     f'trained with {trained_with[:12]}')
    return found


def _library():
    try:
        import tokenizers
        return tokenizers
    except ImportError as e:
        raise ConfigError('text needs the tokenizers library: '
                          "pip install 'saex[text]'") from e
