"""A transform for each site by itself."""
import flax.linen as nn
import jax.numpy as jnp

from saex import config


class PerSite(nn.Module):
    """x'_s = t_s(x_s) for the S sites that lie side by side in x [B, S D]; every t_s is the
    section `part`, fitted on its own site (crosscoders scale each layer by itself)."""
    d_in: int
    sites: int
    part: str | dict = 'scale'

    @nn.nowrap      # its builds must not become children of this module
    def problems(self):
        try:
            self._build()
        except config.ConfigError as e:
            return e.problems
        return [] if self.d_in % self.sites == 0 else [
            f'part: {self.d_in} dimensions cannot be split over {self.sites} sites']

    @nn.nowrap
    def _build(self):
        return config.build('saex.dictionary.transforms', self.part, where='part',
                            d_in=self.d_in // self.sites, sites=1)

    @property
    @nn.nowrap
    def per_row(self):
        """Whether going back needs what the part kept of each row."""
        return getattr(self._build(), 'per_row', False)

    def setup(self):
        self.parts = [config.build('saex.dictionary.transforms', self.part,
                                   d_in=self.d_in // self.sites, sites=1)
                      for _ in range(self.sites)]

    def fit(self, sample):
        """Fits each part on its columns of sample [N, S D]."""
        for part, x in zip(self.parts, self._split(sample)):
            part.fit(x)

    def __call__(self, x):
        found = [part(x) for part, x in zip(self.parts, self._split(x))]
        return jnp.concatenate([x for x, _ in found], axis=-1), tuple(c for _, c in found)

    def invert(self, y, c):
        held = c or (None,) * self.sites
        return jnp.concatenate([part.invert(y, k) for part, y, k in zip(
            self.parts, self._split(y), held)], axis=-1)

    def _split(self, x):
        return jnp.split(x, self.sites, axis=-1)
