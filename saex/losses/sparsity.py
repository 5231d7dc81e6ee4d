"""Sparsity terms, [B] each. n_j is the norm of atom j, f the codes, a the pre-activation."""
import jax
import jax.numpy as jnp

from saex.losses.objective import needs
from saex.types import Context, Output


def l1(out: Output, ctx: Context):
    """Sum_j |f_j| (Bricken et al. 2023)."""
    return jnp.sum(jnp.abs(out.codes.dense()), axis=-1)


def l1_norm(out: Output, ctx: Context):
    """Sum_j |f_j| n_j (Anthropic, April 2024): invariant to rescaling a latent."""
    return jnp.abs(out.codes.dense()) @ ctx.dictionary.norms()


def tanh(out: Output, ctx: Context, scale: float = 4.0):
    """Sum_j tanh(c f_j n_j), c = 4 (Anthropic, January 2025; c checked against SAELens)."""
    return jnp.sum(jnp.tanh(scale * out.codes.dense() * ctx.dictionary.norms()), axis=-1)


@needs('gate')
def l0(out: Output, ctx: Context):
    """Sum_j 1[a_j > theta_j], with the selector's straight-through gradient
    (Rajamanoharan et al. 2024, eq. 9; checked)."""
    return jnp.sum(out.gate, axis=-1)


@needs('gate')
def l0_target(out: Output, ctx: Context, target: float):
    """(L0 / L0* - 1)^2 with L0 the mean over the batch (dictionary_learning; checked).

    Every row carries the same value, so the mean over rows is the batch's value.
    """
    rows = jnp.sum(out.gate, axis=-1)
    mask = jnp.ones_like(rows) if ctx.mask is None else ctx.mask
    mean = jnp.sum(rows * mask) / jnp.maximum(jnp.sum(mask), 1.0)
    return jnp.broadcast_to((mean / target - 1.0) ** 2, rows.shape)


@needs('threshold')
def pre_act(out: Output, ctx: Context, only_dead: bool = True):
    """Sum_j max(theta_j - a_j, 0) n_j: pulls silent latents back towards their threshold
    (Anthropic, January 2025; SAELens restricts it to dead latents; checked)."""
    short = jax.nn.relu(ctx.dictionary.selector.threshold() - out.pre.dense())
    weight = ctx.dictionary.norms()
    if only_dead:
        weight = weight * ctx.dictionary.dead()
    return short @ weight
