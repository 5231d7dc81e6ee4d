"""Exact order statistics without a sort."""
import jax
import jax.numpy as jnp


def kth_largest_positive(x: jax.Array, k: jax.Array | int) -> jax.Array:
    """The k-th largest of the positive entries of x (any shape), a scalar; 0 when fewer.

    Positive floats order like their bit patterns, so 31 bisections of the int32 range
    with one count each find the value exactly. k may be traced, and on a mesh each count
    is one scalar all-reduce: the result does not depend on how x is sharded.
    """
    x = jax.lax.stop_gradient(x).astype(jnp.float32)
    bits = jax.lax.bitcast_convert_type(jnp.maximum(x, 0.0), jnp.int32)

    def halve(_, bounds):
        low, high = bounds
        middle = low + (high - low) // 2
        enough = jnp.sum(bits >= middle) >= k
        return jnp.where(enough, middle, low), jnp.where(enough, high, middle)

    infinity = 0x7F800000
    low, _ = jax.lax.fori_loop(0, 31, halve, (jnp.int32(0), jnp.int32(infinity)))
    return jax.lax.bitcast_convert_type(low, jnp.float32)
