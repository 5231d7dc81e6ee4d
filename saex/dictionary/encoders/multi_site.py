"""Each site has latents of its own (cross-layer transcoders)."""
import flax.linen as nn
import jax.numpy as jnp

from saex.types import Context, DensePre


class MultiSite(nn.Module):
    """Latents in S blocks, one a site: pre^s = x_s w_enc^s + b_enc^s.

    For one set of latents that reads all sites (a crosscoder) name the encoder `linear`: the
    sites lie side by side, so that x w_enc is already Sum_s x_s w_enc^s. Cross-layer
    transcoders (reconstructed) pair this one with the decoder `cross_layer`.

    Parameters: w_enc [S, D / S, F / S], b_enc [F].
    """
    d_in: int
    features: int
    sites: int

    def problems(self):
        if self.features % self.sites:
            return [f'name: {self.features} latents cannot be split over {self.sites} sites']
        return []

    def setup(self):
        shape = self.sites, self.d_in // self.sites, self.features // self.sites
        self.w_enc = self.param('w_enc', nn.initializers.lecun_uniform(batch_axis=(0,)),
                                shape)
        self.b_enc = self.param('b_enc', nn.initializers.zeros, (self.features,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, S D] to pre-activations [B, F]."""
        each = x.reshape(x.shape[0], self.sites, -1)
        pre = jnp.einsum('bsd,sdf->bsf', each, self.w_enc).reshape(-1, self.features)
        return DensePre(pre + self.b_enc)
