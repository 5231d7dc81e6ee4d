"""Products of sparse codes with a dictionary."""
import jax

from saex.types import Codes


def decode(codes: Codes, w_dec: jax.Array) -> jax.Array:
    """codes @ w_dec: [B, F] by [F, E] gives [B, E]."""
    return codes.dense() @ w_dec
