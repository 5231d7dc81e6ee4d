"""Text from a decoder, token by token, with its keys and values cached."""
import functools
from typing import Any, Sequence

from flax import struct
import jax
import jax.numpy as jnp

from saex.config import ConfigError
from saex.subjects.network import Network, check_tokens

__all__ = []       # not itself a subject


@struct.dataclass
class Generated:
    """tokens [n, steps]: what was written, `pad` after a stop token. mask [n, steps]: False
    for that padding; the stop token itself is text. captured: {site: [n, T + steps - 1,
    ...]} over the prompt and all but the last token ([n, H, T + steps - 1, T + steps - 1]
    for attn_pattern); 0 where every row had stopped."""
    tokens: jax.Array
    mask: jax.Array
    captured: dict[str, jax.Array]


def generate(network: Network, tokens, steps: int, key=None, *, mask=None, temperature=0.0,
             top_k: int = 0, top_p=1.0, stop: Sequence[int] = (), pad: int = 0,
             edits: Sequence[Any] = (), capture: Sequence[str] = ()) -> Generated:
    """Continues every row of the prompt tokens [n, T] by `steps` tokens.

    mask [n, T]: False for padding, on the left or right. temperature: 0 takes the most
    probable token and needs no key. top_k: sample from the k most probable (0: from all);
    top_p: from the fewest that hold this probability. stop: ids that end a row; the loop
    ends when all have ended. Edits see the prompt and each step: `where` decides (where.py).
    Raises ConfigError on a bad size, an id outside the vocabulary, too many positions.
    """
    n, length = tokens.shape
    if steps < 1 or length < 1:
        raise ConfigError(f'generate: expected 1 or more tokens and steps, got {length} '
                          f'and {steps}')
    if key is None and not (isinstance(temperature, (int, float)) and temperature == 0):
        raise ConfigError(f'generate: temperature {temperature} samples and needs a key')
    check_tokens(network.model, tokens)
    mask = jnp.ones((n, length), bool) if mask is None else jnp.asarray(mask, bool)
    how = dict(pad=jnp.asarray(pad, jnp.int32),        # its keys decide what is compiled
               stop=jnp.asarray(stop, jnp.int32).reshape(-1))
    if key is not None:
        how |= dict(key=key, temperature=jnp.asarray(temperature, jnp.float32))
    if not (isinstance(top_p, (int, float)) and top_p >= 1):
        how |= dict(top_p=jnp.asarray(top_p, jnp.float32))
    return _generate(network.model, steps, top_k, tuple(capture), network.params,
                     jnp.asarray(tokens), mask, how, tuple(edits))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _generate(model, steps, top_k, capture, params, tokens, mask, how, edits):
    n, length = tokens.shape
    tapped = any(e.site == 'logits' for e in edits) or any(
        site.startswith('logits') for site in capture)

    def extend(tokens, mask, cache, prompt):
        """(logits [n, V] after the last valid token of each row, captured, cache)."""
        end = tokens.shape[1] - 1 - jnp.argmax(mask[:, ::-1], axis=1)
        logits, captured, cache = model.apply(
            {'params': params}, tokens, cache, mask, edits, capture, prompt,
            only=None if tapped else end, method='extend')
        return logits[jnp.arange(n), end if tapped else 0], captured, cache

    dtype = params['token']['embedding'].dtype
    cache = model.empty_cache(n, length + steps - 1, dtype)
    logits, captured, cache = extend(tokens, mask, cache, mask)
    token = _sample(logits, 0, how, top_k)
    held = {site: _room(site, value, steps - 1) for site, value in captured.items()}
    written = jnp.full((n, steps), how['pad'], token.dtype).at[:, 0].set(token)
    real = jnp.zeros((n, steps), bool).at[:, 0].set(True)

    def go_on(state):
        i, _, _, _, done, _, _ = state
        return (i < steps) & ~done.all()

    def step(state):
        i, token, written, real, done, cache, held = state
        logits, captured, cache = extend(token[:, None], ~done[:, None], cache,
                                         jnp.zeros((n, 1), bool))
        held = {site: _write(site, held[site], value, length + i - 1)
                for site, value in captured.items()}
        token = _sample(logits, i, how, top_k)
        token = jnp.where(done, how['pad'], token)
        return (i + 1, token, written.at[:, i].set(token), real.at[:, i].set(~done),
                done | jnp.isin(token, how['stop']), cache, held)

    state = (1, token, written, real, jnp.isin(token, how['stop']), cache, held)
    _, _, written, real, _, _, held = jax.lax.while_loop(go_on, step, state)
    return Generated(written, real, held)


def _axis(site: str) -> int:
    """The axis of the tokens."""
    return 2 if 'attn_pattern' in site else 1


def _room(site, value, more):
    widths = [(0, 0)] * value.ndim
    widths[_axis(site)] = (0, more)
    return jnp.pad(value, widths)


def _write(site, held, value, at):
    return jax.lax.dynamic_update_slice_in_dim(held, value.astype(held.dtype), at,
                                               _axis(site))


def _sample(logits, step, how, top_k):
    """[n, V] to [n] int32."""
    logits = logits.astype(jnp.float32)
    best = jnp.argmax(logits, axis=-1).astype(jnp.int32)
    if 'key' not in how:
        return best
    hot = how['temperature'] > 0
    scaled = logits / jnp.where(hot, how['temperature'], 1.0)
    if top_k:
        least = jax.lax.top_k(scaled, min(top_k, scaled.shape[-1]))[0][:, -1:]
        scaled = jnp.where(scaled < least, -jnp.inf, scaled)
    if 'top_p' in how:
        falling = -jnp.sort(-scaled, axis=-1)
        p = jax.nn.softmax(falling, axis=-1)
        kept = jnp.cumsum(p, axis=-1) - p < how['top_p']     # the mass before each of them
        least = jnp.min(jnp.where(kept, falling, jnp.inf), axis=-1, keepdims=True)
        scaled = jnp.where(scaled < least, -jnp.inf, scaled)
    drawn = jax.random.categorical(jax.random.fold_in(how['key'], step), scaled)
    return jnp.where(hot, drawn.astype(jnp.int32), best)
