"""Directions of planted features."""
import jax
import jax.numpy as jnp
import optax

KINDS = ('random', 'orthogonalised', 'orthogonal')


def draw(key: jax.Array, kind: str, n: int, d_in: int, subspace: int) -> jax.Array:
    """[n, d_in] float32, unit rows.

    random          f / |f|, f ~ N(0, I): independent and uniform on the sphere. Of 256 in
                    64 dimensions the mean of max_j |cos(f_i, f_j)| is .36
    orthogonal      n rows of a random orthogonal matrix (QR); needs n <= dimensions
    orthogonalised  orthogonal where n allows it, else `random` after `spread` (mean .33)

    With subspace r > 0 the rows are drawn in r dimensions and carried into d_in by a random
    orthonormal basis, which keeps all their inner products.
    """
    rows_key, basis_key = jax.random.split(key)
    width = subspace or d_in
    rows = jax.random.normal(rows_key, (n, width))
    if kind == 'random' or n > width:
        rows = _unit(rows)
    else:
        rows = jnp.linalg.qr(rows.T)[0].T
    if kind == 'orthogonalised' and n > width:
        rows = spread(rows)
    if subspace:
        basis = jnp.linalg.qr(jax.random.normal(basis_key, (d_in, subspace)))[0]
        rows = jnp.matmul(rows, basis.T, precision=jax.lax.Precision.HIGHEST)
    return rows


def spread(rows: jax.Array, steps: int = 200, learning_rate: float = 0.01) -> jax.Array:
    """Unit rows after `steps` of Adam on

        Sum_{i != j} <f_i, f_j>^2 + N Sum_i (<f_i, f_i> - 1)^2

    (SAELens' synthetic data; formula checked). The first sum is |F^T F|^2 minus the
    diagonal, which needs [D, D] in place of [N, N].
    """
    optimizer = optax.adam(learning_rate)

    def loss(f):
        square = jnp.sum(f ** 2, axis=1)
        gram = jnp.matmul(f.T, f, precision=jax.lax.Precision.HIGHEST)
        return (jnp.sum(gram ** 2) - jnp.sum(square ** 2) +
                len(f) * jnp.sum((square - 1) ** 2))

    def step(carry, _):
        f, state = carry
        updates, state = optimizer.update(jax.grad(loss)(f), state)
        return (optax.apply_updates(f, updates), state), None

    (rows, _), _ = jax.lax.scan(step, (rows, optimizer.init(rows)), length=steps)
    return _unit(rows)


def _unit(rows: jax.Array) -> jax.Array:
    return rows / jnp.linalg.norm(rows, axis=1, keepdims=True)
