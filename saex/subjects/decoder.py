"""A decoder-only transformer with named sites."""
import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from saex import config

STREAM = ('resid_pre', 'attn_out', 'resid_mid', 'mlp_out', 'resid_post')


class Block(nn.Module):
    """Pre-LayerNorm attention and MLP: x += attn(LN x); x += mlp(LN x)."""
    width: int
    heads: int
    mlp_ratio: int

    def setup(self):
        self.ln_attn, self.ln_mlp = nn.LayerNorm(), nn.LayerNorm()
        self.qkv = nn.Dense(3 * self.width)
        self.attn_proj = nn.Dense(self.width)
        self.mlp_in = nn.Dense(self.mlp_ratio * self.width)
        self.mlp_proj = nn.Dense(self.width)

    def __call__(self, x, at):
        """x [n, T, D]; at(site, value) -> value captures and edits."""
        x = at('resid_pre', x)
        x = at('resid_mid', x + at('attn_out', self._attend(self.ln_attn(x))))
        hidden = nn.gelu(self.mlp_in(self.ln_mlp(x)))
        return at('resid_post', x + at('mlp_out', self.mlp_proj(hidden)))

    def _attend(self, x):
        n, length, _ = x.shape
        q, k, v = jnp.split(self.qkv(x).reshape(n, length, self.heads, -1), 3, axis=-1)
        scores = jnp.einsum('nqhd,nkhd->nhqk', q, k) / math.sqrt(q.shape[-1])
        causal = jnp.tril(jnp.ones((length, length), bool))
        weights = jax.nn.softmax(jnp.where(causal, scores, -1e30), axis=-1)
        z = jnp.einsum('nhqk,nkhd->nqhd', weights, v)
        return self.attn_proj(z.reshape(n, length, -1))


class Decoder(nn.Module):
    """GPT: learned positions, pre-LayerNorm blocks, GELU, untied head.

    Sites: 'embed', 'blocks.L.{resid_pre, attn_out, resid_mid, mlp_out, resid_post}' and
    'final_norm', all [n, T, width].
    """
    vocab: int
    context: int
    layers: int = 3
    width: int = 64
    heads: int = 4
    mlp_ratio: int = 4

    def problems(self):
        found = [f'{n}: expected a positive int, got {getattr(self, n)}'
                 for n in ('layers', 'width', 'heads', 'mlp_ratio') if getattr(self, n) < 1]
        if not found and self.width % self.heads:
            found.append(f'width: expected a multiple of heads ({self.heads}), '
                         f'got {self.width}')
        return found

    def setup(self):
        self.token = nn.Embed(self.vocab, self.width)
        self.position = nn.Embed(self.context, self.width)
        self.blocks = [Block(self.width, self.heads, self.mlp_ratio)
                       for _ in range(self.layers)]
        self.final_norm = nn.LayerNorm()
        self.head = nn.Dense(self.vocab)

    @nn.nowrap
    def sites(self) -> tuple[str, ...]:
        """Every site that can be captured or edited."""
        inner = [f'blocks.{i}.{s}' for i in range(self.layers) for s in STREAM]
        return ('embed', *inner, 'final_norm')

    def __call__(self, tokens, edits=(), capture=()):
        """tokens [n, T] to (logits [n, T, V], {site: [n, T, width]}).

        Edits at one site apply in the order given; a capture sees the edited value.
        Raises ConfigError on an unknown site.
        """
        for site in [e.site for e in edits] + list(capture):
            if site not in self.sites():
                raise config.ConfigError(
                    f'no site {site!r}; {config.suggest(site, self.sites())}')
        captured = {}

        def at(site, x):
            for edit in edits:
                if edit.site == site:
                    x = edit(x)
            if site in capture:
                captured[site] = x
            return x

        x = at('embed', self.token(tokens) + self.position(jnp.arange(tokens.shape[1])))
        for i, block in enumerate(self.blocks):
            x = block(x, lambda name, value, i=i: at(f'blocks.{i}.{name}', value))
        return self.head(at('final_norm', self.final_norm(x))), captured
