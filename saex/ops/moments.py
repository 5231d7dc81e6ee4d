"""Moments of a batch: fraction of variance unexplained, geometric median."""
import jax
import jax.numpy as jnp

from saex import types


def fvu(y: jax.Array, y_hat: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """Sum ||y - y_hat||^2 / Sum ||y - mean(y)||^2 over the unmasked rows, a scalar."""
    error = types.masked_mean(jnp.sum((y - y_hat) ** 2, -1), mask)
    return error / jnp.maximum(spread(y, mask), jnp.finfo(y.dtype).tiny)


def spread(y: jax.Array, mask: jax.Array | None = None) -> jax.Array:
    """mean_b ||y_b - mean(y)||^2 over the unmasked rows of y [B, E], a scalar."""
    centre = types.masked_mean(y, mask)
    return types.masked_mean(jnp.sum((y - centre) ** 2, -1), mask)


def geometric_median(x: jax.Array, iterations: int = 100, tol: float = 1e-5) -> jax.Array:
    """argmin_m Sum_n ||x_n - m|| for x [N, D], by Weiszfeld's iteration from the mean.

    Stops after `iterations`, or when the step is below `tol` times ||m|| + 1.
    """
    def body(carry):
        m, _, i = carry
        weight = 1.0 / jnp.maximum(jnp.linalg.norm(x - m, axis=-1), 1e-8)
        new = weight @ x / weight.sum()
        return new, jnp.linalg.norm(new - m), i + 1

    def unfinished(carry):
        m, moved, i = carry
        return (i < iterations) & (moved > tol * (1.0 + jnp.linalg.norm(m)))

    start = x.mean(axis=0)
    return jax.lax.while_loop(unfinished, body, (start, jnp.inf, 0))[0]
