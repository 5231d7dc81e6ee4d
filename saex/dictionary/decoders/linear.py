"""The linear decoder."""
import flax.linen as nn
import jax.numpy as jnp

from saex.ops import sparse
from saex.types import Codes


class Linear(nn.Module):
    """y_hat = f w_dec + b_dec, and + x w_skip with `skip`.

    skip: for transcoders, a linear path around the dictionary that starts at 0 (Paulo et al.
    2025, "Transcoders beat sparse autoencoders"; checked against sparsify).
    norm: what norms() is, and so what `l1_norm` weighs a latent by. 'sum' Sum_s ||w_dec^s_j||
    over the S sites that lie side by side in E, the crosscoder's (Lindsey et al. 2024;
    reconstructed), which lets a latent live at few sites; 'joint' the norm over all sites,
    the cross-layer transcoder's. One site: both are the norm of the atom.
    All decoders that are linear in their atoms have these. path, precision: ops/sparse.py.

    Parameters: w_dec [F, E], b_dec [E]; w_skip [D, E] when skip.
    """
    d_in: int
    d_out: int
    features: int
    sites: int = 1
    skip: bool = False
    norm: str = 'sum'
    path: str = 'auto'
    precision: str = 'float32'
    provides = frozenset({'atoms'})
    plain = True           # y_hat is codes @ atoms() + bias(), and a skip where asked

    def problems(self):
        found = [] if self.norm in ('sum', 'joint') else [
            f"norm: expected 'sum' or 'joint', got {self.norm!r}"]
        if self.norm == 'sum' and self.d_out % self.sites:
            found.append(f"norm: the {self.d_out} coordinates of the target are not "
                         f"{self.sites} sites; name 'joint'")
        return found

    def conflicts(self, provided):
        return (['skip: x would pass to its own reconstruction; the source has no other '
                 'target y'] if self.skip and 'y' not in provided else [])

    def setup(self):
        self.w_dec = self.param('w_dec', nn.initializers.lecun_uniform(in_axis=1, out_axis=0),
                                (self.features, self.d_out))
        self.beside()

    def beside(self):
        """Declares what is beside the atoms: the bias and the skip."""
        self.b_dec = self.param('b_dec', nn.initializers.zeros, (self.d_out,))
        if self.skip:
            self.w_skip = self.param('w_skip', nn.initializers.zeros,
                                     (self.d_in, self.d_out))

    def __call__(self, codes: Codes, x=None):
        """Codes of B rows and their x [B, D] to [B, E]; without x the skip is left out."""
        y_hat = sparse.decode(codes, self.atoms(), self.path, self.precision) + self.bias()
        return y_hat + x @ self.w_skip if self.skip and x is not None else y_hat

    def atoms(self):
        """[F, E], one row for each latent."""
        return self.w_dec

    def norms(self):
        """Norm of each atom by `norm`, [F]; its gradient is 0 at an atom of 0."""
        sites = 1 if self.norm == 'joint' else self.sites
        each = self.atoms().reshape(self.features, sites, -1)
        return jnp.sum(jnp.sqrt(jnp.sum(each ** 2, axis=-1) + 1e-24), axis=-1)

    def bias(self):
        """[E]."""
        return self.b_dec
