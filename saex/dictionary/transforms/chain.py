"""Several transforms, one after the other."""
import flax.linen as nn
import jax.numpy as jnp

from saex import config


class Chain(nn.Module):
    """x' = t_n(... t_2(t_1(x))); `parts` is a tuple of sections or names, in order."""
    d_in: int
    sites: int = 1
    parts: tuple = ('centre', 'scale')

    @nn.nowrap      # its builds must not become children of this module
    def problems(self):
        found = []
        for i, part in enumerate(self.parts):
            try:
                config.build('saex.dictionary.transforms', part, where=f'parts[{i}]',
                             d_in=self.d_in, sites=self.sites)
            except config.ConfigError as e:
                found += e.problems
        return found

    @property
    @nn.nowrap
    def per_row(self):
        """Whether going back needs what a link kept of each row."""
        return any(getattr(link, 'per_row', False) for link in self._build())

    @nn.nowrap
    def _build(self):
        return [config.build('saex.dictionary.transforms', p, d_in=self.d_in,
                             sites=self.sites) for p in self.parts]

    def setup(self):
        self.links = self._build()

    def fit(self, sample):
        """Fits each part on what the parts before it make of sample [N, D]."""
        for link in self.links:
            link.fit(sample)
            sample, _ = link(sample)

    def __call__(self, x):
        held = []
        for link in self.links:
            x, c = link(x)
            held.append(c)
        return x, tuple(held)

    def invert(self, y, c):
        for link, held in reversed(list(zip(self.links, c or [None] * len(self.links)))):
            y = link.invert(y, held)
        return y

    def affine(self):
        """As of `identity`; None where a link has none."""
        if not all(hasattr(link, 'affine') for link in self.links):
            return None
        shift, scale = jnp.zeros(self.d_in), jnp.ones(())
        for link in self.links:
            s, k = link.affine()
            shift, scale = shift + s / scale, scale * k
        return shift, scale
