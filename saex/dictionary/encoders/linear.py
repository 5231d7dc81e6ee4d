"""The linear encoder."""
import flax.linen as nn

from saex.types import Context, DensePre


class Linear(nn.Module):
    """pre = (x - b_dec) w_enc + b_enc, or without b_dec when `pre_bias` is off.

    Parameters: w_enc [D, F]; b_enc [F] when `bias`.
    """
    d_in: int
    features: int
    pre_bias: bool = True
    bias: bool = True
    provides = frozenset({'w_enc'})

    def conflicts(self, provided):
        if self.pre_bias and 'y' in provided:
            return ['pre_bias: b_dec lives in the space of the target y, which is another '
                    'one than that of x; set it to False']
        return []

    def setup(self):
        self.w_enc = self.param('w_enc', nn.initializers.lecun_uniform(),
                                (self.d_in, self.features))
        if self.bias:
            self.b_enc = self.param('b_enc', nn.initializers.zeros, (self.features,))

    def __call__(self, x, ctx: Context) -> DensePre:
        """x [B, D] to pre-activations [B, F]."""
        if self.pre_bias:
            x = x - ctx.dictionary.bias()
        pre = x @ self.w_enc
        return DensePre(pre + self.b_enc if self.bias else pre)
