"""Atoms that stay near mixtures of data points."""
import flax.linen as nn
import jax
import jax.numpy as jnp

from saex.dictionary.decoders import linear


class Archetypal(linear.Linear):
    """atoms = exp(log_scale) (w_mix C + relax),  y_hat = f atoms + b_dec.

    C [N_c, E] are `points` centroids of the data (k-means on the sample, fixed), rows of w_mix
    lie on the simplex and ||relax_j|| <= delta. The two sets are the constraints `simplex`
    (path w_mix) and `norm_at_most` (path relax, value delta); with delta = 0 every atom is a
    mixture of data. RA-SAE (Fel et al. 2025; checked against overcomplete, where delta = 1).

    points: N_c, 0 for F. Parameters: w_mix [F, N_c] (from row j = centroid j mod N_c), relax
    [F, E], log_scale [], b_dec [E]. C is a statistic.
    """
    points: int = 0
    iterations: int = 10

    def problems(self):
        return super().problems() + ([] if self.points >= 0 else [
            f'points: expected 0 (F) or more, got {self.points}'])

    def setup(self):
        count = self.points or self.features
        self.centroids = self.variable('stats', 'centroids', jnp.zeros, (count, self.d_out))
        self.w_mix = self.param('w_mix', lambda key, shape: jnp.eye(count)[
            jnp.arange(shape[0]) % count], (self.features, count))
        self.relax = self.param('relax', nn.initializers.zeros, (self.features, self.d_out))
        self.log_scale = self.param('log_scale', nn.initializers.zeros, ())
        self.beside()

    def fit(self, sample):
        """k-means centroids of transformed targets [N, E], from rows evenly spread."""
        count = self.centroids.value.shape[0]
        picks = jnp.arange(count) * sample.shape[0] // count
        start = sample[picks]

        def move(_, centres):
            distance = jnp.sum(centres ** 2, -1) - 2 * jnp.matmul(sample, centres.T)
            own = jax.nn.one_hot(jnp.argmin(distance, axis=-1), count)
            size = own.sum(0)[:, None]
            return jnp.where(size > 0, own.T @ sample / jnp.maximum(size, 1), centres)

        self.centroids.value = jax.lax.fori_loop(0, self.iterations, move, start)

    def atoms(self):
        """[F, E]."""
        return jnp.exp(self.log_scale) * (self.w_mix @ self.centroids.value + self.relax)
