"""When planted features fire: frequencies, a forest of parents, a Gaussian copula.

Features are numbered by falling frequency, and level by level in the forest, so a parent
precedes its children and is at least as frequent.
"""
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

LAWS = ('zipf', 'uniform', 'linear', 'random', 'log_uniform')


def frequencies(law: str, n: int, exponent: float, p_min: float, p_max: float,
                l0: float | None, rng: np.random.Generator) -> np.ndarray:
    """[n] float64, falling: P(feature r fires) for ranks r = 1..n. Without `l0`:

        zipf         p_min + (p_max - p_min) (r^-s - n^-s) / (1 - n^-s),  s = exponent
        linear       p_max - (p_max - p_min) (r - 1) / (n - 1)
        uniform      p_max for all
        random       p_min + (p_max - p_min) u_r,      u_r uniform on [0, 1), sorted
        log_uniform  p_min (p_max / p_min)^u_r

    With `l0` the law gives weights w_r (for zipf the plain power r^-s, for the others the
    values above) and p_r = clip(c w_r, p_min, p_max) with the c that makes their sum l0, to
    1e-9; where no c does, the sum is as near as the clip allows.
    """
    rank, s = np.arange(1, n + 1), exponent
    u = np.sort(rng.random(n))[::-1]
    if law == 'zipf':
        shape = rank ** -s if l0 is not None else (rank ** -s - n ** -s) / (1 - n ** -s)
        p = shape if l0 is not None else p_min + (p_max - p_min) * shape
    elif law == 'linear':
        p = p_max - (p_max - p_min) * (rank - 1) / (n - 1)
    elif law == 'uniform':
        p = np.full(n, p_max)
    elif law == 'random':
        p = p_min + (p_max - p_min) * u
    else:
        p = p_min * (p_max / p_min) ** u
    return p if l0 is None else _scaled(p, p_min, p_max, l0)


def _scaled(weights: np.ndarray, p_min: float, p_max: float, l0: float) -> np.ndarray:
    low, high = 0.0, p_max / weights[weights > 0].min()
    for _ in range(100):
        c = (low + high) / 2
        if np.clip(c * weights, p_min, p_max).sum() < l0:
            low = c
        else:
            high = c
    return np.clip(high * weights, p_min, p_max)


class Forest(NamedTuple):
    """levels: (first, last + 1) feature of each level. parent: [N] int, -1 for a root."""
    levels: tuple[tuple[int, int], ...]
    parent: np.ndarray


def forest(n: int, branching: int, depth: int) -> Forest:
    """`depth` levels in which `branching` children hang below every feature of the level
    above: as many whole trees as n features make. What is left over joins the roots and has
    no children. branching 0 is n roots."""
    parent = np.full(n, -1)
    if not branching:
        return Forest(((0, n),), parent)
    tree = sum(branching ** level for level in range(depth))
    trees = n // tree
    levels = [(0, trees + n % tree)]
    for level in range(1, depth):
        count, first = trees * branching ** level, levels[-1][1]
        above = levels[-1][0]
        parent[first:first + count] = above + np.arange(count) // branching
        levels.append((first, first + count))
    return Forest(tuple(levels), parent)


class Windows(NamedTuple):
    """Feature i is ready when low_i <= v < high_i for the uniform v of its owner. Exclusive
    siblings share an owner and have disjoint windows; otherwise each is its own."""
    low: np.ndarray
    high: np.ndarray
    owner: np.ndarray


def windows(p: np.ndarray, parent: np.ndarray, exclusive: bool) -> Windows:
    """Windows of width q_i = p_i / p_parent (p_i for a root), so that the marginal of a
    feature that fires when it is ready and its parent fires is p_i exactly."""
    above = np.where(parent >= 0, p[parent], 1.0)
    q = np.divide(p, above, out=np.zeros_like(p), where=above > 0)
    low, owner = np.zeros_like(q), np.arange(len(p))
    if exclusive:
        for i in np.flatnonzero(parent >= 0):
            if i and parent[i - 1] == parent[i]:
                owner[i], low[i] = owner[i - 1], low[i - 1] + q[i - 1]
    return Windows(low, low + q, owner)


def loadings(n: int, rank: int, scale: float, rng: np.random.Generator) -> np.ndarray:
    """A [n, rank] of the copula: entries scale * N(0, 1), rows at most .99 long."""
    a = scale * rng.standard_normal((n, rank))
    length = np.linalg.norm(a, axis=1, keepdims=True)
    return a * np.minimum(1.0, 0.99 / np.maximum(length, 1e-12))


def fire(key: jax.Array, n: int, levels: tuple, tables: dict) -> jax.Array:
    """[n, N] bool. tables: low, high, owner, parent [N] and loadings A [N, rank].

    v = Phi(-g) with g_i = A_i . u_level(i) + sqrt(1 - |A_i|^2) e_i, u and e normal, so that
    a window [0, p) is g_i > Phi^-1(1 - p). Every level of the forest has its own u:
    readiness is independent between levels, which keeps the marginals of children exact.
    Without loadings v is uniform.
    """
    features, rank = tables['loadings'].shape
    shared_key, own_key = jax.random.split(key)
    if rank:
        u = jax.random.normal(shared_key, (len(levels), n, rank))
        shared = jnp.concatenate([u[i] @ tables['loadings'][slice(*level)].T
                                  for i, level in enumerate(levels)], axis=1)
        own = jnp.sqrt(1 - jnp.sum(tables['loadings'] ** 2, axis=1))
        g = shared + own * jax.random.normal(own_key, (n, features))
        v = jax.scipy.special.ndtr(-g)
    else:
        v = jax.random.uniform(own_key, (n, features))
    v = v[:, tables['owner']]
    ready = (v >= tables['low']) & (v < tables['high'])
    on = ready[:, slice(*levels[0])]
    for level in levels[1:]:
        parents = tables['parent'][slice(*level)]
        on = jnp.concatenate([on, ready[:, slice(*level)] & on[:, parents]], axis=1)
    return on
