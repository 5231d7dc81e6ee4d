"""Reconstruction terms, in the transformed space."""
import jax.numpy as jnp

from saex.types import Context, Output


def mse(out: Output, ctx: Context):
    """||y - y_hat||^2, summed over D (methods.md section 2: the convention of Anthropic,
    DeepMind, dictionary_learning and SAELens). [B]."""
    return jnp.sum((out.y - out.y_hat) ** 2, axis=-1)
