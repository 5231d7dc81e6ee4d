"""One transformer layer, for decoders and encoders alike.

    pre       h = x + attn(N x);        x' = h + mlp(N h)
    parallel  x' = x + attn(N x) + mlp(N' x)
    post      h = N(x + attn(x));       x' = N(h + mlp(h))
    both      h = x + N(attn(N x));     x' = h + N(mlp(N h))
"""
import dataclasses
import math

import flax.linen as nn
import jax
from flax import struct
import jax.numpy as jnp

from saex.subjects.rotary import Rotary

__all__ = []       # not itself a subject

ACTIVATIONS = {'gelu_tanh': nn.gelu, 'gelu': lambda x: nn.gelu(x, approximate=False),
               'silu': nn.silu, 'relu': nn.relu,
               'quick_gelu': lambda x: x * nn.sigmoid(1.702 * x)}
NORMS = ('layer', 'rms', 'gemma')
PLACES = ('pre', 'post', 'both')


@dataclasses.dataclass(frozen=True)
class Style:
    """What kind of transformer; None means the usual (in brackets).

    norm: 'layer', 'rms', or 'gemma' (RMS with scale 1 + w). place: of the norms, see above.
    kv_heads: key-value heads, each serving heads / kv_heads query heads [heads].
    mlp_width: [mlp_ratio * width]. attn_scale: of q.k [head_dim^-1/2].
    softcap: c tanh(score / c). windows: per layer, how many positions back a query sees,
    itself included, 0 = all; layers with a window turn by local_rotary where one is given.
    layer_scale: a learned gain on attn_out and mlp_out (DINOv2).
    """
    norm: str = 'layer'
    eps: float = 1e-6
    place: str = 'pre'
    parallel: bool = False
    causal: bool = True
    kv_heads: int | None = None
    head_dim: int | None = None
    mlp_width: int | None = None
    activation: str = 'gelu_tanh'
    gated: bool = False
    qkv_bias: bool = True
    out_bias: bool = True
    mlp_bias: bool = True
    qk_norm: bool = False
    attn_scale: float | None = None
    softcap: float | None = None
    rotary: Rotary | None = None
    local_rotary: Rotary | None = None
    windows: tuple[int, ...] = ()
    layer_scale: bool = False

    def problems(self, heads: int, layers: int) -> list[str]:
        """Lines of what cannot be built."""
        found = [f'style.{name}: expected one of {", ".join(valid)}, got {value!r}'
                 for name, value, valid in (('norm', self.norm, NORMS),
                                            ('place', self.place, PLACES),
                                            ('activation', self.activation, ACTIVATIONS))
                 if value not in valid]
        if self.kv_heads and heads % self.kv_heads:
            found.append(f'style.kv_heads: expected a divisor of heads ({heads}), '
                         f'got {self.kv_heads}')
        if self.windows and len(self.windows) != layers:
            found.append(f'style.windows: expected {layers} numbers, one a layer, '
                         f'got {len(self.windows)}')
        if self.parallel and self.place != 'pre':
            found.append(f'style.place: a parallel residual needs pre, got {self.place!r}')
        return found

    def streams(self) -> tuple[str, ...]:
        """Names of the sites within a layer, in the order in which they are computed."""
        raw = self.place == 'both'
        attn = ('attn_in', 'attn_q', 'attn_k', 'attn_v', 'attn_pattern', 'attn_z',
                *(('attn_out_raw',) if raw else ()), 'attn_out')
        mlp = ('mlp_in', 'mlp_act', *(('mlp_out_raw',) if raw else ()), 'mlp_out')
        middle = () if self.parallel else ('resid_mid',)
        return ('resid_pre', *attn, *middle, *mlp, 'resid_post')

    def width_of(self, site: str, width: int, heads: int, mlp_ratio: int) -> int:
        """Size of the last axis at a site of the stream or within a layer."""
        name = site.rsplit('.', 1)[-1]
        if name in ('attn_q', 'attn_k', 'attn_v', 'attn_z'):
            return self.head_dim or width // heads
        return (self.mlp_width or mlp_ratio * width) if name == 'mlp_act' else width


@struct.dataclass
class Seen:
    """What the tokens of one call may look at.

    positions: [T] or [n, T]. queries: [T] and keys: [S], slots in the order of the text.
    valid: [n, S] bool, or None where nothing is padding.
    """
    positions: jax.Array
    queries: jax.Array
    keys: jax.Array
    valid: jax.Array | None = None

    def allowed(self, causal: bool, window: int):
        """[T, S] or [n, 1, T, S] bool, or None where every query sees every key."""
        seen = self.queries[:, None] >= self.keys if causal else None
        valid = None if self.valid is None else self.valid[:, None, None, :]
        near = self._near(window) if window else None
        for other in (near, valid):
            seen = other if seen is None else seen if other is None else seen & other
        return seen

    def _near(self, window: int):
        if self.valid is None:
            return self.queries[:, None] - self.keys < window
        back = self.positions[:, :, None] - count(self.valid)[:, None, :]
        return (back < window)[:, None]


def count(valid):
    """[n, S]: how many valid tokens lie before each; 0 at padding on the left."""
    return jnp.maximum(jnp.cumsum(valid, axis=1) - 1, 0)


class RMSNorm(nn.Module):
    """x / rms(x) * (offset + scale), in float32, cast back."""
    eps: float
    offset: float = 0.0

    @nn.compact
    def __call__(self, x):
        init = nn.initializers.constant(1.0 - self.offset)
        scale = self.param('scale', init, (x.shape[-1],)).astype(jnp.float32)
        y = x.astype(jnp.float32)
        y = y * jax.lax.rsqrt(jnp.mean(y * y, axis=-1, keepdims=True) + self.eps)
        return (y * (self.offset + scale)).astype(x.dtype)


def norm(style: Style) -> nn.Module:
    """A norm module of the style."""
    if style.norm == 'layer':
        return nn.LayerNorm(epsilon=style.eps)
    return RMSNorm(style.eps, offset=1.0 if style.norm == 'gemma' else 0.0)


class Block(nn.Module):
    """Layer `index` of a transformer of this style.

    The outputs of `qkv` are [kv_heads, heads / kv_heads + 2, head_dim]: for each key-value
    head its queries, its key, its value; so heads stay whole when that axis is sharded.
    """
    style: Style
    width: int
    heads: int
    mlp_ratio: int
    index: int

    def setup(self):
        s = self.style
        self.kv_heads = s.kv_heads or self.heads
        self.head_dim = s.head_dim or self.width // self.heads
        hidden = s.mlp_width or self.mlp_ratio * self.width
        self.ln_attn, self.ln_mlp = norm(s), norm(s)
        if s.place == 'both':
            self.ln_attn_out, self.ln_mlp_out = norm(s), norm(s)
        if s.qk_norm:
            self.q_norm, self.k_norm = norm(s), norm(s)
        if s.layer_scale:
            self.attn_gain = self.param('attn_gain', nn.initializers.ones, (self.width,))
            self.mlp_gain = self.param('mlp_gain', nn.initializers.ones, (self.width,))
        self.qkv = nn.Dense((self.heads + 2 * self.kv_heads) * self.head_dim,
                            use_bias=s.qkv_bias)
        self.attn_proj = nn.Dense(self.width, use_bias=s.out_bias)
        self.mlp_in = nn.Dense(hidden, use_bias=s.mlp_bias)
        if s.gated:
            self.mlp_gate = nn.Dense(hidden, use_bias=s.mlp_bias)
        self.mlp_proj = nn.Dense(self.width, use_bias=s.mlp_bias)

    def __call__(self, x, at, seen: Seen, past=None):
        """x [n, T, D] to (x', (k, v)); at(site, value) -> value captures and edits.

        past: (k, v, slot): keys and values [n, S, kv_heads, head_dim] so far, and where
        those of these tokens are written.
        """
        s = self.style
        x = at('resid_pre', x)
        post = s.place == 'post'
        attended, held = self._attend(x if post else self.ln_attn(x), at, seen, past)
        if s.parallel:
            return at('resid_post', x + attended + self._mlp(self.ln_mlp(x), at)), held
        x = x + attended
        x = at('resid_mid', self.ln_attn(x) if post else x)
        x = x + self._mlp(x if post else self.ln_mlp(x), at)
        return at('resid_post', self.ln_mlp(x) if post else x), held

    def _attend(self, x, at, seen, past):
        s, size = self.style, self.head_dim
        group = self.heads // self.kv_heads
        fused = self.qkv(at('attn_in', x)).reshape(*x.shape[:2], self.kv_heads, -1, size)
        q, k, v = (part.reshape(*x.shape[:2], -1, size)
                   for part in jnp.split(fused, [group, group + 1], axis=3))
        q, k, v = at('attn_q', q), at('attn_k', k), at('attn_v', v)
        if s.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        window = s.windows[self.index] if s.windows else 0
        rotary = s.local_rotary if window and s.local_rotary else s.rotary
        if rotary is not None:
            q, k = rotary(q, seen.positions), rotary(k, seen.positions)
        if past is not None:
            k, v = (jax.lax.dynamic_update_slice_in_dim(old, new.astype(old.dtype), past[2],
                                                        axis=1)
                    for old, new in zip(past, (k, v)))
        weights = self._pattern(q, k, seen.allowed(s.causal, window))
        weights = at('attn_pattern', weights.astype(x.dtype))
        z = at('attn_z', jnp.einsum('nhqk,nkhd->nqhd', weights, self._per_head(v)))
        out = self.attn_proj(z.reshape(*x.shape[:2], -1))
        if s.place == 'both':
            out = self.ln_attn_out(at('attn_out_raw', out))
        if s.layer_scale:
            out = out * self.attn_gain
        return at('attn_out', out), (k, v)

    def _pattern(self, q, k, allowed):
        """[n, H, T, S] float32."""
        s = self.style
        scores = jnp.einsum('nqhd,nkhd->nhqk', q, self._per_head(k),
                            preferred_element_type=jnp.float32)
        scores = scores * (s.attn_scale or 1 / math.sqrt(self.head_dim))
        if s.softcap:
            scores = s.softcap * jnp.tanh(scores / s.softcap)
        if allowed is not None:
            scores = jnp.where(allowed, scores, -1e30)
        return jax.nn.softmax(scores, axis=-1)

    def _per_head(self, x):
        repeats = self.heads // self.kv_heads
        return x if repeats == 1 else jnp.repeat(x, repeats, axis=2)

    def _mlp(self, x, at):
        s, x = self.style, at('mlp_in', x)
        hidden = self.mlp_in(x)
        activation = ACTIVATIONS[s.activation]
        hidden = activation(self.mlp_gate(x)) * hidden if s.gated else activation(hidden)
        out = self.mlp_proj(at('mlp_act', hidden))
        if s.place == 'both':
            out = self.ln_mlp_out(at('mlp_out_raw', out))
        if s.layer_scale:
            out = out * self.mlp_gain
        return at('mlp_out', out)
