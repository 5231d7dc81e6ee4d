"""A decoder-only transformer with named sites, one for every family (layer.py)."""
from typing import Any, Sequence

import flax.linen as nn
from flax import struct
import jax
import jax.numpy as jnp

from saex import config
from saex.subjects import layer
from saex.subjects.taps import Taps, Text


@struct.dataclass
class Cache:
    """Keys and values of the tokens so far.

    k, v: one [n, S, kv_heads, head_dim] for each layer. valid [n, S]: False for padding and
    for slots not yet written. slot: int scalar, how many are written.
    """
    k: tuple[jax.Array, ...]
    v: tuple[jax.Array, ...]
    valid: jax.Array
    slot: jax.Array


class Decoder(nn.Module):
    """Embedding, blocks, final norm, head; `style` says of what kind (layer.py).

    As it stands: learned positions, pre-LayerNorm blocks, GELU, untied head (GPT).
    learned_positions: False for rotary ones. tied: the head is the token embedding.
    embed_scale: of the token embeddings. logit_softcap: c tanh(logits / c).
    Sites and their shapes: docs/sites.md.
    """
    vocab: int
    context: int
    layers: int = 3
    width: int = 64
    heads: int = 4
    mlp_ratio: int = 4
    style: layer.Style = layer.Style()
    learned_positions: bool = True
    tied: bool = False
    head_bias: bool = True
    embed_scale: float = 1.0
    logit_softcap: float | None = None

    def problems(self):
        found = [f'{n}: expected a positive int, got {getattr(self, n)}'
                 for n in ('layers', 'width', 'heads', 'mlp_ratio') if getattr(self, n) < 1]
        if not found and not self.style.head_dim and self.width % self.heads:
            found.append(f'width: expected a multiple of heads ({self.heads}), '
                         f'got {self.width}')
        return found + self.style.problems(self.heads, self.layers)

    def setup(self):
        self.token = nn.Embed(self.vocab, self.width)
        if self.learned_positions:
            self.position = nn.Embed(self.context, self.width)
        self.blocks = [layer.Block(self.style, self.width, self.heads, self.mlp_ratio, i)
                       for i in range(self.layers)]
        self.final_norm = layer.norm(self.style)
        if not self.tied:
            self.head = nn.Dense(self.vocab, use_bias=self.head_bias)

    @nn.nowrap
    def sites(self) -> tuple[str, ...]:
        """Every site that can be captured or edited."""
        inner = [f'blocks.{i}.{s}' for i in range(self.layers) for s in self.style.streams()]
        return ('embed', *inner, 'final_norm', 'logits')

    @nn.nowrap
    def example(self) -> tuple:
        """Inputs to initialise with."""
        return (jnp.zeros((1, 1), jnp.int32),)

    @property
    def head_dim(self) -> int:
        return self.style.head_dim or self.width // self.heads

    @nn.nowrap
    def site_width(self, site: str) -> int:
        """Size of the last axis at a site whose last axis is fixed (all but attn_pattern)."""
        if site == 'logits':
            return self.vocab
        return self.style.width_of(site, self.width, self.heads, self.mlp_ratio)

    def __call__(self, tokens, edits: Sequence[Any] = (), capture: Sequence[str] = (),
                 mask=None, prompt=None):
        """tokens [n, T] to (logits [n, T, V], {site: value}).

        mask [n, T]: False for padding, on the left or right; positions count the rest.
        prompt [n, T]: False for tokens to be treated as generated (only edits look at it).
        Raises ConfigError on an unknown site or more than `context` learned positions.
        """
        slots = jnp.arange(tokens.shape[1])
        valid = None if mask is None else mask.astype(bool)
        positions = slots if valid is None else layer.count(valid)
        seen = layer.Seen(positions, slots, slots, valid)
        logits, captured, _ = self._run(tokens, seen, edits, capture, prompt, None)
        return logits, captured

    @nn.nowrap
    def empty_cache(self, rows: int, slots: int, dtype=jnp.float32) -> Cache:
        """Room for `slots` tokens in each of `rows` rows."""
        zeros = jnp.zeros((rows, slots, self.style.kv_heads or self.heads, self.head_dim),
                          dtype)
        return Cache((zeros,) * self.layers, (zeros,) * self.layers,
                     jnp.zeros((rows, slots), bool), jnp.zeros((), jnp.int32))

    def extend(self, tokens, cache: Cache, mask, edits: Sequence[Any] = (),
               capture: Sequence[str] = (), prompt=None, only=None):
        """The next tokens [n, T] after those in the cache: (logits, captured, cache).

        only [n]: the one of the T whose logits [n, 1, V] are made; no taps on logits then.
        """
        valid = jax.lax.dynamic_update_slice_in_dim(cache.valid, mask.astype(bool),
                                                    cache.slot, axis=1)
        queries = cache.slot + jnp.arange(tokens.shape[1])
        positions = jax.lax.dynamic_slice_in_dim(layer.count(valid), cache.slot,
                                                 tokens.shape[1], axis=1)
        seen = layer.Seen(positions, queries, jnp.arange(valid.shape[1]), valid)
        logits, captured, held = self._run(tokens, seen, edits, capture, prompt, cache,
                                           only)
        k, v = zip(*held)
        return logits, captured, Cache(k, v, valid, cache.slot + tokens.shape[1])

    def _run(self, tokens, seen, edits, capture, prompt, cache, only=None):
        if self.learned_positions and seen.keys.shape[0] > self.context:
            raise config.ConfigError(f'{seen.keys.shape[0]} positions; the subject has '
                                     f'{self.context}')
        at = Taps(self.sites(), edits, capture,
                  lambda: Text.of(tokens, tokens.shape, seen, prompt))
        x = self.token(tokens)
        if self.embed_scale != 1.0:
            x = x * jnp.asarray(self.embed_scale, x.dtype)
        x = at('embed', x + self.position(seen.positions) if self.learned_positions else x)
        held = []
        for i, block in enumerate(self.blocks):
            past = None if cache is None else (cache.k[i], cache.v[i], cache.slot)
            x, kv = block(x, at.layer(i), seen, past)
            held.append(kv)
        x = at('final_norm', self.final_norm(x))
        x = x if only is None else x[jnp.arange(len(x)), only][:, None]
        logits = self.token.attend(x) if self.tied else self.head(x)
        if self.logit_softcap:
            logits = self.logit_softcap * jnp.tanh(logits / self.logit_softcap)
        return at('logits', logits), at.captured, held
