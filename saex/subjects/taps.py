"""Sites: capturing and editing what passes them, inside the pure forward."""
from typing import Any, Callable, Sequence

from flax import struct
import jax
import jax.numpy as jnp

from saex import config

__all__ = []       # not itself a subject


@struct.dataclass
class Text:
    """What a `where` may ask about the tokens of one call: tokens (None for patches),
    positions, mask (False for padding) and prompt (False for what was generated), all
    [n, T]. `last` is the last prompt token of each row."""
    tokens: jax.Array | None
    positions: jax.Array
    mask: jax.Array
    prompt: jax.Array
    last: jax.Array

    @classmethod
    def of(cls, tokens, shape, seen, prompt=None) -> 'Text':
        """Everything in a call is prompt unless `prompt` says otherwise. seen: layer.Seen."""
        if seen.valid is None:
            mask = jnp.ones(shape, bool)
        else:
            mask = jnp.take(seen.valid, seen.queries, axis=1)
        prompt = mask if prompt is None else mask & prompt.astype(bool)
        after = jnp.cumsum(prompt[:, ::-1], axis=1)[:, ::-1]
        return cls(tokens, jnp.broadcast_to(seen.positions, shape), mask, prompt,
                   prompt & (after == 1))


class Taps:
    """Every site of one forward pass goes through `taps(site, x) -> x`.

    Edits at one site apply in the order given. A capture of 'site' holds the edited value,
    a capture of 'site:raw' the value before the edits. With neither, x passes untouched.
    text: makes a Text when an edit needs one. Raises ConfigError on an unknown site.
    """

    def __init__(self, sites: Sequence[str], edits: Sequence[Any], capture: Sequence[str],
                 text: Callable[[], Text] | None = None):
        for site in [e.site for e in edits] + [c.removesuffix(':raw') for c in capture]:
            if site not in sites:
                raise config.ConfigError(_unknown(site, sites))
        self.captured: dict[str, jax.Array] = {}
        self._edits, self._capture = tuple(edits), frozenset(capture)
        self._text = text() if edits and text is not None else None

    def __call__(self, site: str, x):
        if f'{site}:raw' in self._capture:
            self.captured[f'{site}:raw'] = x
        for edit in self._edits:
            if edit.site == site:
                x = edit(x, self._text)
        if site in self._capture:
            self.captured[site] = x
        return x

    def layer(self, index: int) -> Callable:
        """The same for the sites of one block."""
        return lambda name, x: self(f'blocks.{index}.{name}', x)


def _unknown(site: str, sites: Sequence[str]) -> str:
    if site.endswith('.resid_mid') and site.replace('mid', 'pre') in sites:
        return (f'no site {site!r}: the attention and the MLP of a parallel residual both '
                f'read resid_pre')
    return f'no site {site!r}; {config.suggest(site, sites)}'
