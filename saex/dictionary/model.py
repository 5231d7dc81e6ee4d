"""The composition: transform -> encoder -> selector -> decoder.

    x', c  = transform(x)
    pre    = encoder(x')
    f      = selector(pre)
    y_hat' = decoder(f)
    y_hat  = transform.invert(y_hat', c)

Losses and training see the primed (transformed) space; `encode`, `decode` and
`reconstruct` take and give raw activations.
"""
import flax.linen as nn
import jax.numpy as jnp

from saex.types import Codes, Context, Output


class Dictionary(nn.Module):
    """A sparse dictionary of F latents over D inputs; build one with `build`.

    dead_after: a latent that has not fired for this many rows (tokens) is dead.
    frequency_rate: rate of the running firing frequency.
    """
    transform: nn.Module
    encoder: nn.Module
    selector: nn.Module
    decoder: nn.Module
    d_in: int
    features: int
    dead_after: int = 10_000_000
    frequency_rate: float = 0.01

    def setup(self):
        self.idle = self.variable('stats', 'rows_since_fired', jnp.zeros, (self.features,),
                                  jnp.int32)
        self.frequency = self.variable('stats', 'frequency', jnp.zeros, (self.features,))

    def __call__(self, x, ctx: Context | None = None) -> Output:
        """The forward pass on raw x [B, D]."""
        ctx = self._context(ctx)
        inside, _ = self.transform(x)
        pre = self.encoder(inside, ctx)
        codes, gate = self.selector(pre, ctx)
        return Output(x=inside, y=inside, pre=pre, codes=codes, gate=gate,
                      y_hat=self.decoder(codes))

    def encode(self, x) -> Codes:
        """Codes of raw activations x [B, D], by the evaluation rule."""
        ctx = self._context(None)
        inside, _ = self.transform(x)
        return self.selector(self.encoder(inside, ctx), ctx)[0]

    def reconstruct(self, x):
        """Raw activations [B, D] to their raw reconstruction [B, E]."""
        ctx = self._context(None)
        inside, c = self.transform(x)
        codes, _ = self.selector(self.encoder(inside, ctx), ctx)
        return self.transform.invert(self.decoder(codes), c)

    def decode(self, codes: Codes, x):
        """Codes to raw space; x [B, D] are the rows they came from (a per-row transform
        needs them to go back)."""
        return self.transform.invert(self.decoder(codes), self.transform(x)[1])

    def decode_transformed(self, codes: Codes):
        """Codes to the transformed space in which the losses live."""
        return self.decoder(codes)

    def fit(self, sample):
        """Fits the transform on raw sample [N, D]; mutates `stats`."""
        self.transform.fit(sample)

    def to_inside(self, x):
        """Raw x [B, D] to the transformed space."""
        return self.transform(x)[0]

    def atoms(self):
        """[F, E] in transformed space."""
        return self.decoder.atoms()

    def norms(self):
        """[F]."""
        return self.decoder.norms()

    def bias(self):
        """[E] in transformed space."""
        return self.decoder.bias()

    def dead(self):
        """[F] bool: latents silent for at least `dead_after` rows."""
        return self.idle.value >= self.dead_after

    def observe(self, codes: Codes, mask=None):
        """Updates the firing history from one batch; mutates `stats`.

        Counters are int32 rows and saturate at 2^31 - 1. The batch is the global batch.
        """
        rows = codes.l0().shape[0] if mask is None else jnp.sum(mask)
        fired = codes.fired(mask)
        rows_i = jnp.asarray(rows, jnp.int32)
        top = jnp.iinfo(jnp.int32).max
        aged = jnp.where(self.idle.value > top - rows_i, top, self.idle.value + rows_i)
        self.idle.value = jnp.where(fired > 0, 0, aged)
        density = fired / jnp.maximum(rows, 1)
        self.frequency.value += self.frequency_rate * (density - self.frequency.value)

    def _context(self, ctx: Context | None) -> Context:
        if ctx is None:
            return Context(dictionary=self)
        return Context(dictionary=self, batch=ctx.batch, mask=ctx.mask, step=ctx.step,
                       key=ctx.key, train=ctx.train)
