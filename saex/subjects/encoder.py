"""An encoder of tokens or image patches with named sites, one for every family (layer.py)."""
from typing import Any, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from saex import config
from saex.subjects import layer
from saex.subjects.taps import Taps, Text

POOLS = ('', 'first', 'last', 'eos', 'attention')
HEADS = ('', 'tokens', 'pooled')


class Encoder(nn.Module):
    """Embedding, blocks, final norm, pooling, head; each of the last three may be missing.

    vocab: > 0 reads tokens [n, T]; patch: > 0 reads images [n, H, W, channels], cut into
    squares of that side. context: learned positions of tokens; image: the side that the
    positions of patches were learned at; other sizes interpolate them (bicubic, as
    transformers does; checked). cls: a learned token before the patches. segments: token
    types (BERT). embed_norm: a norm before the blocks. mask_token: embeddings of this token
    are 0 and the others are scaled as in ESM-2's training. pool: '' none, the 'first' or
    'last' token, the first 'eos' token (the largest id where eos is 2, CLIP's old configs),
    or 'attention' from a learned query (SigLIP). head: '' none, 'tokens' the tied head of a
    masked language model, 'pooled' one matrix of `outputs` columns on the pooled vector.
    The result is the value of the last site. Sites and their shapes: docs/sites.md.
    """
    vocab: int = 0
    context: int = 512
    patch: int = 0
    image: int = 224
    channels: int = 3
    layers: int = 3
    width: int = 64
    heads: int = 4
    mlp_ratio: int = 4
    style: layer.Style = layer.Style(causal=False)
    learned_positions: bool = True
    segments: int = 0
    cls: bool = False
    patch_bias: bool = True
    embed_norm: bool = False
    final_norm: bool = True
    mask_token: int | None = None
    eos: int = 2
    pool: str = ''
    head: str = ''
    head_bias: bool = True
    outputs: int = 0

    def problems(self):
        found = [f'{n}: expected one of {", ".join(map(repr, valid))}, got {value!r}'
                 for n, value, valid in (('pool', self.pool, POOLS),
                                         ('head', self.head, HEADS)) if value not in valid]
        if bool(self.vocab) == bool(self.patch):
            found.append(f'vocab: expected either vocab or patch above 0, got {self.vocab} '
                         f'and {self.patch}')
        if self.head == 'pooled' and not (self.pool and self.outputs):
            found.append('head: pooled needs a pool and outputs above 0')
        if self.head == 'tokens' and not self.vocab:
            found.append('head: tokens needs a vocab')
        if not self.style.head_dim and self.width % self.heads:
            found.append(f'width: expected a multiple of heads ({self.heads}), '
                         f'got {self.width}')
        return found + self.style.problems(self.heads, self.layers)

    def setup(self):
        s = self.style
        if self.vocab:
            self.token = nn.Embed(self.vocab, self.width)
            positions = self.context
        else:
            side = (self.patch, self.patch)
            self.patches = nn.Conv(self.width, side, side, 'VALID', use_bias=self.patch_bias)
            positions = (self.image // self.patch) ** 2 + self.cls
        if self.learned_positions:
            self.position = nn.Embed(positions, self.width)
        if self.segments:
            self.segment = nn.Embed(self.segments, self.width)
        if self.cls:
            self.cls_token = self.param('cls_token', nn.initializers.normal(0.02),
                                        (self.width,))
        if self.embed_norm:
            self.ln_embed = layer.norm(s)
        self.blocks = [layer.Block(s, self.width, self.heads, self.mlp_ratio, i)
                       for i in range(self.layers)]
        if self.final_norm:
            self.ln_final = layer.norm(s)
        if self.pool == 'attention':
            self.pooling = Pooling(s, self.width, self.heads, self.mlp_ratio)
        if self.head == 'pooled':
            self.readout = nn.Dense(self.outputs, use_bias=self.head_bias)
        elif self.head == 'tokens':
            self.transform, self.ln_head = nn.Dense(self.width), layer.norm(s)
            self.readout_bias = self.param('readout_bias', nn.initializers.zeros,
                                           (self.vocab,))

    @nn.nowrap
    def sites(self) -> tuple[str, ...]:
        """Every site that can be captured or edited."""
        inner = [f'blocks.{i}.{s}' for i in range(self.layers) for s in self.style.streams()]
        ends = (('final_norm', self.final_norm), ('pooled', self.pool), ('logits', self.head))
        return ('embed', *inner, *(name for name, held in ends if held))

    @nn.nowrap
    def example(self) -> tuple:
        """Inputs to initialise with."""
        if self.vocab:
            return (jnp.zeros((1, 1), jnp.int32),)
        return (jnp.zeros((1, self.image, self.image, self.channels)),)

    @property
    def head_dim(self) -> int:
        return self.style.head_dim or self.width // self.heads

    @nn.nowrap
    def site_width(self, site: str) -> int:
        """Size of the last axis at a site whose last axis is fixed (all but attn_pattern)."""
        if site == 'logits':
            return self.outputs if self.head == 'pooled' else self.vocab
        return self.style.width_of(site, self.width, self.heads, self.mlp_ratio)

    def __call__(self, inputs, edits: Sequence[Any] = (), capture: Sequence[str] = (),
                 mask=None, prompt=None, segments=None):
        """Tokens [n, T] or images [n, H, W, channels] to (result, {site: value}).

        mask [n, T]: False for padding, on the left or right; positions count the rest.
        prompt [n, T]: only edits look at it. segments [n, T]: token types, 0 when absent.
        Raises ConfigError on an unknown site or more tokens than learned positions.
        """
        valid = None if mask is None else mask.astype(bool)
        if self.vocab:
            x, positions = self._read(inputs, valid, segments)
        else:
            x, positions = self._cut(inputs)
        slots = jnp.arange(x.shape[1])
        seen = layer.Seen(positions, slots, slots, valid)
        tokens = inputs if self.vocab else None
        at = Taps(self.sites(), edits, capture,
                  lambda: Text.of(tokens, x.shape[:2], seen, prompt))
        x = at('embed', self.ln_embed(x) if self.embed_norm else x)
        if self.mask_token is not None and valid is not None:
            x = x * valid[..., None]                    # ESM-2 zeroes padding
        for i, block in enumerate(self.blocks):
            x, _ = block(x, at.layer(i), seen)
        if self.final_norm:
            x = at('final_norm', self.ln_final(x))
        if self.pool:
            x = at('pooled', self._pooled(x, tokens, valid))
        return (at('logits', self._logits(x)) if self.head else x), at.captured

    def _read(self, tokens, valid, segments):
        """Embedded tokens [n, T, D] and their positions."""
        length = tokens.shape[1]
        if self.learned_positions and length > self.context:
            raise config.ConfigError(f'{length} positions; the subject has {self.context}')
        x = self.token(tokens)
        if self.mask_token is not None:
            hidden = tokens == self.mask_token
            seen = length if valid is None else jnp.maximum(valid.sum(1), 1)
            share = hidden.sum(1) / seen
            x = jnp.where(hidden[..., None], 0, x)
            x = x * ((1 - 0.15 * 0.8) / (1 - share))[:, None, None].astype(x.dtype)
        positions = jnp.arange(length) if valid is None else layer.count(valid)
        if self.segments:
            x = x + self.segment(jnp.zeros_like(tokens) if segments is None else segments)
        return x + self.position(positions) if self.learned_positions else x, positions

    def _cut(self, images):
        """Embedded patches [n, T, D], row by row, and their slots."""
        if images.ndim != 4 or images.shape[-1] != self.channels:
            raise config.ConfigError(f'images: expected [n, H, W, {self.channels}], '
                                     f'got {list(images.shape)}')
        x = self.patches(images)
        rows, columns = x.shape[1:3]
        x = x.reshape(x.shape[0], -1, self.width)
        table = self.position.embedding
        side = self.image // self.patch
        if (rows, columns) != (side, side):
            grid = table[self.cls:].reshape(side, side, -1)
            grid = jnp.einsum('ai,bj,ijd->abd', _bicubic(side, rows), _bicubic(side, columns),
                              grid).reshape(-1, self.width).astype(table.dtype)
            table = jnp.concatenate([table[:self.cls], grid])
        if self.cls:
            first = jnp.broadcast_to(self.cls_token, (x.shape[0], 1, self.width))
            x = jnp.concatenate([first.astype(x.dtype), x], axis=1)
        return x + table, jnp.arange(x.shape[1])

    def _pooled(self, x, tokens, valid):
        """[n, D]."""
        if self.pool == 'first':
            return x[:, 0]
        if self.pool == 'last':
            return x[:, -1]
        if self.pool == 'attention':
            return self.pooling(x, valid)
        ends = tokens if self.eos == 2 else tokens == self.eos
        return x[jnp.arange(x.shape[0]), jnp.argmax(ends, axis=1)]

    def _logits(self, x):
        if self.head == 'pooled':
            return self.readout(x)
        x = self.ln_head(layer.ACTIVATIONS[self.style.activation](self.transform(x)))
        return self.token.attend(x) + self.readout_bias


class Pooling(nn.Module):
    """p = attention of a learned query over x [n, T, D]; the result is p + mlp(N p)."""
    style: layer.Style
    width: int
    heads: int
    mlp_ratio: int

    def setup(self):
        s = self.style
        self.probe = self.param('probe', nn.initializers.normal(1.0), (self.width,))
        self.read = nn.Dense(3 * self.width)
        self.proj = nn.Dense(self.width)
        self.ln = layer.norm(s)
        self.mlp_in = nn.Dense(s.mlp_width or self.mlp_ratio * self.width)
        self.mlp_proj = nn.Dense(self.width)

    def __call__(self, x, valid=None):
        shape = (x.shape[0], -1, self.heads, self.width // self.heads)
        q = jnp.split(self.read(self.probe), 3)[0].reshape(shape[2:])
        k, v = (part.reshape(shape) for part in jnp.split(self.read(x), 3, axis=-1)[1:])
        scores = jnp.einsum('hd,nkhd->nhk', q, k, preferred_element_type=jnp.float32)
        scores = scores / np.sqrt(shape[-1])
        if valid is not None:
            scores = jnp.where(valid[:, None], scores, -1e30)
        weights = jax.nn.softmax(scores, axis=-1).astype(x.dtype)
        p = self.proj(jnp.einsum('nhk,nkhd->nhd', weights, v).reshape(x.shape[0], -1))
        hidden = layer.ACTIVATIONS[self.style.activation](self.mlp_in(self.ln(p)))
        return p + self.mlp_proj(hidden)


def _bicubic(old: int, new: int) -> np.ndarray:
    """[new, old] float32: cubic convolution with a = -3/4 (Keys 1981), edges repeated."""
    at = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(at).astype(int)
    found = np.zeros((new, old), np.float32)
    for shift in (-1, 0, 1, 2):
        t = np.abs(at - first - shift)
        near = 1.25 * t ** 3 - 2.25 * t ** 2 + 1
        far = -0.75 * (t ** 3 - 5 * t ** 2 + 8 * t - 4)
        column = np.clip(first + shift, 0, old - 1)
        np.add.at(found, (np.arange(new), column), np.where(t <= 1, near, far))
    return found
