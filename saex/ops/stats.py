"""Small statistics of our own: F1, principal components, logistic regression."""
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax


def f1(tp, on, positives) -> np.ndarray:
    """2 TP / (ON + P), float64, by broadcasting; 0 where nothing is on and nothing true.

    tp: rows that are on and true. on: rows that are on. positives: rows that are true.
    """
    tp, on, positives = (np.asarray(v, np.float64) for v in (tp, on, positives))
    below = on + positives
    return np.divide(2.0 * tp, below, out=np.zeros(np.broadcast(tp, below).shape),
                     where=below > 0)


def pca(x) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean [D], components [D, D] (unit rows, by falling variance) and variances [D] of x
    [N, D], float64, by eigh of the covariance.

    A component's sign is fixed by making its largest entry positive.
    """
    x = np.asarray(x, np.float64)
    mean = x.mean(axis=0)
    centred = x - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(x))
    rows = vectors.T[::-1]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    return mean, rows * np.where(largest < 0, -1.0, 1.0), np.maximum(variances[::-1], 0.0)


def logistic(x, y, multinomial: bool = True, l2: float = 1e-4, steps: int = 200,
             tol: float = 1e-5) -> tuple[jax.Array, jax.Array]:
    """Weights [D, C] and intercepts [C] of a logistic regression, in the units of x.

        min over w, b of  mean_n loss_n + l2 / 2 ||w||^2,   logits = z w + b

    on the standardised z = (x - mean) / std. multinomial: loss = -Sum_c y_c log softmax_c
    (y rows sum to 1); otherwise one against the rest: the sum over c of binary
    cross-entropies. Nats.

    x [N, D]; y [N, C] bool or probabilities. Deterministic: full-batch L-BFGS from zero,
    until the gradient's norm is below `tol` or for `steps` iterations. Constant columns
    of x get weight 0.
    """
    x, y = jnp.asarray(x, jnp.float32), jnp.asarray(y, jnp.float32)
    mean, std = x.mean(axis=0), x.std(axis=0)
    scale = jnp.where(std > 0, 1.0 / jnp.where(std > 0, std, 1.0), 0.0)
    w, b = _minimise((x - mean) * scale, y, multinomial, l2, steps, tol)
    w = w * scale[:, None]
    return w, b - mean @ w


@functools.partial(jax.jit, static_argnames=('multinomial', 'steps'))
def _minimise(z, y, multinomial, l2, steps, tol):
    def loss(params):
        w, b = params
        logits = z @ w + b
        rows = (optax.softmax_cross_entropy(logits, y) if multinomial else
                optax.sigmoid_binary_cross_entropy(logits, y).sum(axis=-1))
        return rows.mean() + 0.5 * l2 * jnp.sum(w ** 2)

    solver = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def advance(carry):
        params, state, step, _ = carry
        value, grad = value_and_grad(params, state=state)
        updates, state = solver.update(grad, state, params, value=value, grad=grad,
                                       value_fn=loss)
        return optax.apply_updates(params, updates), state, step + 1, optax.tree.norm(grad)

    def unfinished(carry):
        return (carry[2] < steps) & (carry[3] > tol)

    params = jnp.zeros((z.shape[1], y.shape[1])), jnp.zeros(y.shape[1])
    start = params, solver.init(params), 0, jnp.inf
    return jax.lax.while_loop(unfinished, advance, start)[0]
