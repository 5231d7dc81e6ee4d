"""Atoms of unit norm by construction."""
import jax.numpy as jnp

from saex.dictionary.decoders import linear


class Normalised(linear.Linear):
    """y_hat = f (w_dec / ||w_dec||) + b_dec: rows are normalised in the forward pass, and the
    gradient knows it. End-to-end SAEs (Braun et al. 2024; checked against e2e_sae).
    Parameters as in `linear`; needs no constraint on w_dec."""

    def atoms(self):
        """[F, E], unit rows."""
        return self.w_dec / jnp.sqrt(jnp.sum(self.w_dec ** 2, -1, keepdims=True) + 1e-12)
