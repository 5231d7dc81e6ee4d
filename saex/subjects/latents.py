"""Edits of a site through the latents of a dictionary.

    z = enc(x),  z' = g(args, z),  x' = x + dec(z') - dec(z)     keep_error (the default)
                                   x' = dec(z')                  otherwise

The first leaves what the dictionary does not explain as it was, so that g = id returns x
bit for bit; the two differ by the error x - dec(z). A coder is a pytree with

    codes(batch) -> [N, F]         reconstruct(batch, codes) -> [N, D]

where batch has 'x' [N, D] and 'mask' [N] (saex/evals/coder.py has such).
"""
import dataclasses
from typing import Any, Callable

import jax
import jax.numpy as jnp

from saex.subjects.edits import Edit

__all__ = []       # not itself a subject


@dataclasses.dataclass(frozen=True)
class Through:
    """The op of an edit whose args are (coder, args of g)."""
    g: Callable
    keep_error: bool

    def __call__(self, args, x):
        coder, inner = args
        rows = x.reshape(-1, x.shape[-1]).astype(jnp.float32)
        batch = {'x': rows, 'mask': jnp.ones(len(rows))}
        z = coder.codes(batch)
        new = coder.reconstruct(batch, self.g(inner, z))
        if self.keep_error:
            new = rows + (new - coder.reconstruct(batch, z))
        return new.reshape(x.shape)


def edit_latents(site, coder, g: Callable, args: Any = None, where=None,
                 keep_error: bool = True) -> Edit:
    """g(args, z [N, F]) -> z'. g is static: name a function, a lambda compiles anew."""
    return Edit(site, Through(g, keep_error), (coder, args), where)


def splice(site, coder, where=None) -> Edit:
    """x' = dec(enc(x))."""
    return edit_latents(site, coder, _same, None, where, keep_error=False)


def scale(site, coder, index, factor, where=None, keep_error=True) -> Edit:
    """z_i' = s z_i. index: a number or [K]; factor: a number or [K]."""
    return _edit(site, coder, _scale, index, factor, where, keep_error)


def clamp(site, coder, index, value, where=None, keep_error=True) -> Edit:
    """z_i' = c on every token."""
    return _edit(site, coder, _clamp, index, value, where, keep_error)


def clamp_min(site, coder, index, value, where=None, keep_error=True) -> Edit:
    """z_i' = max(z_i, c)."""
    return _edit(site, coder, _clamp_min, index, value, where, keep_error)


def clamp_if_active(site, coder, index, value, where=None, keep_error=True) -> Edit:
    """z_i' = c where z_i > 0: c = -m unlearns (SAEBench; checked). Rows on which none of
    the latents is active keep x bit for bit."""
    return _edit(site, coder, _clamp_if_active, index, value, where, keep_error)


def ablate(site, coder, index, where=None, keep_error=True) -> Edit:
    """z_i' = 0."""
    return clamp(site, coder, index, 0.0, where, keep_error)


def gradient_toward(site, coder, target, rate, steps, l1=0.0, where=None,
                    keep_error=True) -> Edit:
    """`steps` times z <- relu(z - rate grad L), L = |z - target|^2 + l1 |z|_1; target [F].

    Without l1, and while z is positive, z_n = target + (1 - 2 rate)^n (z_0 - target).
    """
    args = (jnp.asarray(target), jnp.asarray(rate), jnp.asarray(steps), jnp.asarray(l1))
    return edit_latents(site, coder, _toward, args, where, keep_error)


def _edit(site, coder, g, index, value, where, keep_error):
    args = (jnp.asarray(index, jnp.int32).reshape(-1), jnp.asarray(value))
    return edit_latents(site, coder, g, args, where, keep_error)


def _same(_, z):
    return z


def _scale(args, z):
    return z.at[:, args[0]].multiply(args[1])


def _clamp(args, z):
    return z.at[:, args[0]].set(args[1])


def _clamp_min(args, z):
    return z.at[:, args[0]].max(args[1])


def _clamp_if_active(args, z):
    index, value = args
    held = z[:, index]
    return z.at[:, index].set(jnp.where(held > 0, value, held))


def _toward(args, z):
    target, rate, steps, l1 = args

    def step(_, z):
        return jax.nn.relu(z - rate * (2 * (z - target) + l1 * jnp.sign(z)))
    return jax.lax.fori_loop(0, steps, step, z)
