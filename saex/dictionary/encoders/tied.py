"""The encoder that is the dictionary itself."""
import flax.linen as nn
import jax.numpy as jnp

from saex.ops import matching
from saex.types import Context, DensePre


class Tied(nn.Module):
    """pre_j = <x - b_dec, atom_j> + b_j; no encoder weights of its own.

    Cunningham et al. 2023 (reconstructed; pre_bias off), k-sparse autoencoders (Makhzani
    and Frey 2014), CSR. unit: read the atoms' directions, so that their norms are scales of
    the output alone (group bias adaptation). A decoder that is tied to an encoder is the
    same function, so there is no other part for it.

    Parameters: b_enc [F] when `bias`.
    """
    features: int
    pre_bias: bool = True
    bias: bool = True
    unit: bool = False
    needs = frozenset({'atoms'})

    def conflicts(self, provided):
        if 'y' in provided:
            return ['name: atoms of a target y cannot encode x; name linear']
        return []

    def setup(self):
        if self.bias:
            self.b_enc = self.param('b_enc', nn.initializers.zeros, (self.features,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to pre-activations [B, F]."""
        if self.pre_bias:
            x = x - ctx.dictionary.bias()
        atoms = ctx.dictionary.atoms()
        pre = jnp.matmul(x, (matching.unit(atoms) if self.unit else atoms).T)
        return DensePre(pre + self.b_enc if self.bias else pre)
