"""Which tokens an edit touches: `where` masks, as pytrees.

    last() & ~tokens([0])          span(2, 5) | generated()

They are read from the text of each call (taps.Text), so one mask serves a full forward and
every step of cached generation. Padding is never included.
"""
from typing import Any, Callable

from flax import struct
import jax.numpy as jnp

from saex.config import ConfigError

__all__ = []       # not itself a subject


@struct.dataclass
class Where:
    """rule(args, text) -> [n, T] bool. Combine with &, | and ~."""
    rule: Callable = struct.field(pytree_node=False)
    args: Any = None

    def __call__(self, text):
        return self.rule(self.args, text) & text.mask

    def __and__(self, other: 'Where') -> 'Where':
        return Where(_both, (self, other))

    def __or__(self, other: 'Where') -> 'Where':
        return Where(_either, (self, other))

    def __invert__(self) -> 'Where':
        return Where(_neither, self)


def everywhere() -> Where:
    """Every token that is not padding."""
    return Where(_all)


def first() -> Where:
    """Position 0: BOS, or the class token of an encoder; ~first() are the patches."""
    return Where(_first)


def last() -> Where:
    """The last token of the prompt."""
    return Where(_last)


def prompt() -> Where:
    """Tokens that were given."""
    return Where(_prompt)


def generated() -> Where:
    """Tokens that the subject wrote."""
    return Where(_generated)


def span(start, stop) -> Where:
    """Positions start <= p < stop; each a number, or [n] for one of each row."""
    return Where(_span, (jnp.asarray(start), jnp.asarray(stop)))


def positions(table) -> Where:
    """table [n, P] bool: whether position p of a row is touched; later ones are not."""
    return Where(_positions, jnp.asarray(table, bool))


def tokens(ids) -> Where:
    """Tokens whose id is one of `ids` [K]: special tokens, a word."""
    return Where(_tokens, jnp.asarray(ids, jnp.int32).reshape(-1))


def _all(_, text):
    return text.mask


def _first(_, text):
    return text.positions == 0


def _last(_, text):
    return text.last


def _prompt(_, text):
    return text.prompt


def _generated(_, text):
    return ~text.prompt


def _span(args, text):
    start, stop = (a.reshape(-1, 1) for a in args)
    return (text.positions >= start) & (text.positions < stop)


def _positions(table, text):
    rows = jnp.arange(text.positions.shape[0])[:, None]
    return table.at[rows, text.positions].get(mode='fill', fill_value=False)


def _tokens(ids, text):
    if text.tokens is None:
        raise ConfigError('where.tokens: patches have no token ids')
    return jnp.isin(text.tokens, ids)


def _both(args, text):
    return args[0](text) & args[1](text)


def _either(args, text):
    return args[0](text) | args[1](text)


def _neither(arg, text):
    return ~arg(text)
