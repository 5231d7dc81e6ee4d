"""Which atoms of two dictionaries are alike: cosines, their maxima, a matching.

Rows need not be unit; a zero row has cosine 0 with everything. `absolute` ignores the
sign, for dictionaries in which it is arbitrary (PCA, AbsTopK, a planted truth).
"""
import jax
import jax.numpy as jnp
import numpy as np

TILE = 2048        # rows of a tile; bounds what is held at once to TILE by N


def unit(x: jax.Array) -> jax.Array:
    """x [M, D] / ||x|| by rows, float32; zero rows stay zero."""
    x = jnp.asarray(x, jnp.float32)
    norm = jnp.linalg.norm(x, axis=-1, keepdims=True)
    return x / jnp.where(norm > 0, norm, 1.0)


def _tiles(a, b, absolute: bool, tile: int):
    """(first row, cosines [<= tile, N]) down the rows of a."""
    a, b = unit(a), unit(b)
    for start in range(0, a.shape[0], tile):
        # TPUs multiply in bfloat16 by default, which blurs a cosine by 1e-2
        cosines = jnp.matmul(a[start:start + tile], b.T, precision='highest')
        yield start, jnp.abs(cosines) if absolute else cosines


def cosine(a, b, absolute: bool = False, tile: int = TILE) -> np.ndarray:
    """C_ij = <a_i, b_j> / (||a_i|| ||b_j||): [M, D] by [N, D] gives [M, N] float32, on the
    host."""
    parts = [np.asarray(part) for _, part in _tiles(a, b, absolute, tile)]
    return np.concatenate(parts) if parts else np.zeros((0, np.shape(b)[0]), np.float32)


def max_cosine(a, b, absolute: bool = False, exclude_self: bool = False,
               tile: int = TILE) -> tuple[np.ndarray, np.ndarray]:
    """(max_j C_ij, argmax_j C_ij), [M] float32 and [M] int, without ever holding [M, N].

    exclude_self: leaves out j = i, for a dictionary against itself (its coherence is the
    largest of the result).
    """
    best, where = [], []
    for start, part in _tiles(a, b, absolute, tile):
        if exclude_self:
            own = start + jnp.arange(part.shape[0])
            part = jnp.where(own[:, None] == jnp.arange(part.shape[1]), -jnp.inf, part)
        best.append(np.asarray(part.max(axis=1)))
        where.append(np.asarray(part.argmax(axis=1)))
    return np.concatenate(best), np.concatenate(where)


def mmcs(a, b, absolute: bool = False) -> float:
    """Mean over a of max_j C_ij, 'mean max cosine similarity' (Sharkey et al. 2022). It is
    not symmetric. Independent random rows do not give 0: print their value beside it."""
    return float(max_cosine(a, b, absolute)[0].astype(np.float64).mean())


def hungarian(scores) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns, [min(M, N)] each, of the one-to-one matching of [M, N] scores with
    the largest sum."""
    from scipy import optimize
    return optimize.linear_sum_assignment(np.asarray(scores), maximize=True)
