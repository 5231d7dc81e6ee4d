"""Terms that revive dead latents."""
import jax
import jax.numpy as jnp

from saex import types
from saex.types import Context, Output


def auxk(out: Output, ctx: Context, k_aux: int = 512):
    """AuxK: the dead latents reconstruct the residual.

        e      = sg(y - y_hat)
        e_hat  = Sum over the k_aux largest a_j of dead j of max(a_j, 0) atom_j   (no bias)
        term_b = min(n_dead / k_aux, 1) ||e_b - e_hat_b||^2 / mean_b ||e_b - mean(e)||^2

    and 0 when nothing is dead or the residual has no spread. Gao et al. 2024, appendix
    A.2 (checked against openai/sparse_autoencoder; the factor against sparsify and
    SAELens). k_aux is capped at the number of latents; the usual weight is 1/32.
    """
    dead = ctx.dictionary.dead()
    pre = jnp.where(dead, out.pre.dense(), -jnp.inf)
    k = min(k_aux, pre.shape[-1])
    values, indices = jax.lax.top_k(pre, k)
    values = jnp.where(jnp.isfinite(values), jax.nn.relu(values), 0.0)
    codes = types.Codes(pre.shape[-1], values=values, indices=indices)
    dictionary = ctx.dictionary
    guess = dictionary.decode_transformed(codes) - dictionary.bias()
    residual = jax.lax.stop_gradient(out.y - out.y_hat)
    spread = types.masked_mean(jnp.sum(
        (residual - types.masked_mean(residual, ctx.mask)) ** 2, -1), ctx.mask)
    error = jnp.sum((residual - guess) ** 2, axis=-1)
    share = jnp.minimum(jnp.sum(dead) / k_aux, 1.0)
    usable = (share > 0) & (spread > 0)
    return jnp.where(usable, share * error / jnp.where(usable, spread, 1.0), 0.0)
