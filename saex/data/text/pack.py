"""Token sequences become rows of one length.

    packed     documents joined, <bos> before and <eos> after each, cut every T + 1 tokens:
               no padding, a row may hold parts of several documents
    split      every document cut into rows of its own, <bos> before each: no row crosses a
               boundary, the last row of a document is padded
    examples   one row for each document, cut at T + 1 tokens: a forward for each example,
               no concatenation (FAST, R3 of the methods; reconstructed)
    sentences  one row for each sentence, cut at T tokens with <eos> last (what encoders of
               sentences are given)
    pretokenised   rows of T + 1 token ids that are taken as they are (`given`)
"""
from typing import NamedTuple

import numpy as np

from saex.config import ConfigError
from saex.data.text.tokens import Tokens

PACKINGS = ('packed', 'split', 'examples', 'sentences', 'pretokenised')
LEAST = 8            # tokens of a row that is not full


class Rows(NamedTuple):
    """tokens, document, offset [R, T + 1] int32: the token ids, which document, and which
    token of it; -1 and -1 at padding. short: pieces of fewer than 8 tokens, left out."""
    tokens: np.ndarray
    document: np.ndarray
    offset: np.ndarray
    short: int


def pack(encoded: list[np.ndarray], tokens: Tokens, length: int, packing: str) -> Rows:
    """Rows of T + 1 = length + 1 tokens. A tokenizer without BOS or EOS goes without, and
    pads with EOS, then 0 where it has no padding (padding is told by document = -1).
    Raises ConfigError when not one row can be made."""
    size, short = length + 1, 0
    if packing == 'sentences':
        frame = (tokens.bos is not None) + (tokens.eos is not None)
        encoded, packing = [ids[:length - frame] for ids in encoded], 'examples'
    whole = [_framed(ids, i, tokens) for i, ids in enumerate(encoded) if len(ids)]
    if packing == 'packed':
        joined = np.concatenate(whole, axis=1) if whole else np.zeros((3, 0), np.int32)
        count = joined.shape[1] // size
        rows = [joined[:, :count * size].reshape(3, count, size).swapaxes(0, 1)]
    else:
        rows = []
        for piece in whole:
            pieces = [piece[:, :size]] if packing == 'examples' else _pieces(piece, size,
                                                                             tokens)
            for part in pieces:
                if part.shape[1] < min(LEAST, size):
                    short += 1
                else:
                    rows.append(_padded(part, size, tokens)[None])
    made = np.concatenate(rows) if rows else np.zeros((0, 3, size), np.int32)
    if not len(made):
        raise ConfigError(f'length: {sum(map(len, encoded))} tokens do not fill one row of '
                          f'{size}')
    return Rows(*np.ascontiguousarray(made.swapaxes(0, 1)), short)


def given(rows: list[np.ndarray], tokens: Tokens, length: int, needs_bos: bool) -> Rows:
    """Rows of ids that somebody else made. Raises ConfigError when they are not T + 1 long,
    hold an id that the tokenizer has not, begin with BOS twice, or never begin with it
    although `needs_bos`."""
    lengths = sorted({len(row) for row in rows})
    if lengths != [length + 1]:
        told = ' to '.join(str(n) for n in dict.fromkeys((lengths[0], lengths[-1])))
        raise ConfigError(f'length: the rows hold {told} ids, length {length} needs '
                          f'{length + 1}')
    ids = np.stack(rows)
    bad = np.argwhere((ids < 0) | (ids >= tokens.size))
    if len(bad):
        raise ConfigError(f'tokenizer: row {bad[0][0]} holds id {ids[tuple(bad[0])]}, the '
                          f'tokenizer ids 0 to {tokens.size - 1}')
    if tokens.bos is not None:
        begins = ids[:, :2] == tokens.bos
        if begins.all(axis=1).any():
            raise ConfigError(f'path: row {int(begins.all(axis=1).argmax())} begins with BOS '
                              f'({tokens.bos}) twice')
        if needs_bos and not begins[:, 0].any():
            raise ConfigError(
                f'path: no row begins with BOS ({tokens.bos}); tokenize with it, or leave '
                "'bos' out of mask to take the rows as they are")
    document = np.repeat(np.arange(len(ids), dtype=np.int32)[:, None], length + 1, axis=1)
    offset = np.broadcast_to(np.arange(length + 1, dtype=np.int32), ids.shape).copy()
    return Rows(ids, document, offset, 0)


def _framed(ids: np.ndarray, document: int, tokens: Tokens) -> np.ndarray:
    """[3, t]: ids with BOS and EOS, the document, the offset (BOS is 0 where there is one)."""
    front = [] if tokens.bos is None else [tokens.bos]
    back = [] if tokens.eos is None else [tokens.eos]
    ids = np.concatenate([front, ids, back]).astype(np.int32)
    return np.stack([ids, np.full_like(ids, document), np.arange(len(ids), dtype=np.int32)])


def _pieces(piece: np.ndarray, size: int, tokens: Tokens) -> list[np.ndarray]:
    """Consecutive parts in which every token is a target once: the later ones begin with a
    BOS of their own or, without one, with the last token of the part before."""
    if tokens.bos is None:
        return [piece[:, i:i + size] for i in range(0, max(piece.shape[1] - 1, 1), size - 1)]
    parts = [piece[:, :size]]
    for i in range(size, piece.shape[1], size - 1):
        front = piece[:, i:i + 1].copy()
        front[0] = tokens.bos
        parts.append(np.concatenate([front, piece[:, i:i + size - 1]], axis=1))
    return parts


def _padded(part: np.ndarray, size: int, tokens: Tokens) -> np.ndarray:
    pad = next((i for i in (tokens.pad, tokens.eos) if i is not None), 0)
    fill = np.array([[pad], [-1], [-1]], np.int32)
    return np.concatenate([part, np.repeat(fill, size - part.shape[1], axis=1)], axis=1)
