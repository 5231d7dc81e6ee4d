"""One code, several sites: crosscoders and cross-layer transcoders."""
import jax.numpy as jnp

from saex.dictionary.decoders import linear


class MultiSite(linear.Linear):
    """y_hat_s = f w_dec^s + b_dec^s; w_dec [F, S E] holds the sites side by side.

    norm: what norms() is, and so what l1_norm weighs a latent by. 'sum' Sum_s ||w_dec^s[j]||,
    the crosscoder's penalty (Lindsey et al. 2024; reconstructed), which lets a latent live at
    few sites; 'joint' the norm over all sites, the cross-layer transcoder's.
    causal: latents come in S blocks (encoder `multi_site`), and those of site s write to the
    sites s, s + 1, ... only (cross-layer transcoders; reconstructed).
    """
    sites: int = 1
    norm: str = 'sum'
    causal: bool = False

    def problems(self):
        found = []
        if self.norm not in ('sum', 'joint'):
            found.append(f"norm: expected 'sum' or 'joint', got {self.norm!r}")
        for name, size in (('d_out', self.d_out), ('features', self.features)):
            if size % self.sites and (self.causal or name == 'd_out'):
                found.append(f'name: {name} {size} cannot be split over {self.sites} sites')
        return found

    def atoms(self):
        """[F, S E]."""
        if not self.causal:
            return self.w_dec
        own = jnp.arange(self.features) // (self.features // self.sites)
        to = jnp.arange(self.d_out) // (self.d_out // self.sites)
        return self.w_dec * (own[:, None] <= to[None, :])

    def norms(self):
        """[F]."""
        each = self.atoms().reshape(self.features, self.sites, -1)
        power = jnp.sum(each ** 2, axis=-1)
        if self.norm == 'joint':
            return jnp.sqrt(jnp.sum(power, axis=-1) + 1e-24)
        return jnp.sum(jnp.sqrt(power + 1e-24), axis=-1)
