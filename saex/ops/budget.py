"""Order statistics along an axis, for budgets that may be traced and differ by row.

Floats order like their bit patterns once the negative ones are turned round, so 32
bisections of the uint32 range with one count each find the k-th largest exactly; on a mesh
each count is one all-reduce.
"""
import jax
import jax.numpy as jnp


def _rank(x):
    """float32 to uint32 in the same order."""
    bits = jax.lax.bitcast_convert_type(x.astype(jnp.float32), jnp.uint32)
    top = jnp.uint32(1 << 31)
    return jnp.where(bits >= top, ~bits, bits | top)


def _value(rank):
    top = jnp.uint32(1 << 31)
    bits = jnp.where(rank >= top, rank & ~top, ~rank)
    return jax.lax.bitcast_convert_type(bits, jnp.float32)


def kth_largest(x: jax.Array, k, axis: int | None = -1) -> jax.Array:
    """The k-th largest of x along axis (None: of all), that axis kept with length 1.

    k: a number, or an array that broadcasts against the result; may be traced. Below 1 gives
    +inf (nothing is as large); above the length gives the smallest. No gradient; x has no NaN.
    """
    rank = _rank(jax.lax.stop_gradient(x))
    shape = jax.eval_shape(lambda r: jnp.sum(r, axis=axis, keepdims=True), rank).shape
    k = jnp.broadcast_to(jnp.asarray(k, jnp.int32), shape)

    def halve(_, bounds):
        low, high = bounds
        middle = low + (high - low) // 2 + 1
        enough = jnp.sum(rank >= middle, axis=axis, keepdims=True, dtype=jnp.int32) >= k
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle - 1)

    bounds = tuple(jnp.broadcast_to(_rank(jnp.float32(end)), shape)
                   for end in (-jnp.inf, jnp.inf))
    low, _ = jax.lax.fori_loop(0, 32, halve, bounds)
    smallest = jnp.min(jax.lax.stop_gradient(x), axis=axis, keepdims=True)
    found = jnp.maximum(_value(low), smallest.astype(jnp.float32))
    return jnp.where(k >= 1, found, jnp.inf)


def norm_matched(score: jax.Array, size: jax.Array) -> jax.Array:
    """How many of the largest scores have together the norm `size`: k [B] int32 with

        k = argmin_i |c_i - size|,  c_i = sqrt(Sum of the i largest score^2),  i >= 1

    Top-AFA (checked). score [B, F] >= 0, size [B]; no gradient."""
    ordered = -jnp.sort(-jax.lax.stop_gradient(score), axis=-1)
    norms = jnp.sqrt(jnp.cumsum(ordered ** 2, axis=-1))
    return 1 + jnp.argmin(jnp.abs(norms - size[:, None]), axis=-1).astype(jnp.int32)


def zipf(ranks: jax.Array, total, exponent: float = 1.0, offset: float = 2.7) -> jax.Array:
    """Budgets m_j = total / (rank_j + offset)^exponent, normalised: [F] that sum to total
    (Zipf-Mandelbrot; rank from 0)."""
    share = 1.0 / (ranks + 1.0 + offset) ** exponent
    return total * share / jnp.sum(share)
