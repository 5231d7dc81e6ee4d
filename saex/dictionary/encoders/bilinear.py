"""Latents that are quadratic forms of the input."""
import flax.linen as nn

from saex.types import Context, DensePre


class Bilinear(nn.Module):
    """pre_j = (l_j . x)(r_j . x).

    Dooms's bilinear autoencoder (checked against tdooms/bae). tied: the factors are those
    of the decoder `gram`, else w_left and w_right [D, F] are the encoder's own. Wants unit
    rows (transform `unit`). Codes have either sign: choose them with a signed selector.
    """
    d_in: int
    features: int
    tied: bool = True
    provides = frozenset({'quadratic_codes'})

    @property
    def needs(self):
        return frozenset({'factors'} if self.tied else ())

    def setup(self):
        if not self.tied:
            init, shape = nn.initializers.lecun_normal(), (self.d_in, self.features)
            self.w_left = self.param('w_left', init, shape)
            self.w_right = self.param('w_right', init, shape)

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to pre-activations [B, F]."""
        if self.tied:
            left, right = ctx.dictionary.decoder.factors()
            return DensePre((x @ left.T) * (x @ right.T))
        return DensePre((x @ self.w_left) * (x @ self.w_right))
