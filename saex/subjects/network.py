"""A subject network: a model and its parameters."""
import functools
import hashlib
from typing import Any, Callable, Sequence

from flax import struct
import jax
import jax.numpy as jnp
import numpy as np

from saex import tree
from saex.subjects.edits import Edit


@struct.dataclass
class Network:
    """model: a Flax module with named sites. params: its parameters, arguments of every
    compiled function, never constants in one."""
    model: Any = struct.field(pytree_node=False)
    params: Any = None

    def logits(self, tokens, edits=(), mask=None):
        """[n, T, V]."""
        return self.model.apply({'params': self.params}, tokens, edits=edits, mask=mask)[0]

    def capture(self, inputs, sites: str | Sequence[str], mask=None, edits=()):
        """Activations of one forward pass, which ends at the last site asked for: an array
        for one site, {site: array} for several."""
        wanted = (sites,) if isinstance(sites, str) else tuple(sites)
        held = _capture(self.model, wanted, self.params, inputs, mask, tuple(edits))
        return held[sites] if isinstance(sites, str) else held

    def gradients(self, inputs, sites: Sequence[str], metric: Callable, mask=None,
                  edits=()) -> dict:
        """{site: d metric(logits) / d activations}, each in the shape of its site.

        metric: [n, T, V] -> scalar. The gradient is that of a zero added after the edits.
        """
        def variables(deltas):
            extra = tuple(Edit(site, _shift, delta) for site, delta in deltas.items())
            out = self.model.apply({'params': self.params}, inputs, mask=mask,
                                   edits=(*edits, *extra))[0]
            return metric(out)

        shapes = jax.eval_shape(lambda: self.model.apply(
            {'params': self.params}, inputs, mask=mask, capture=tuple(sites))[1])
        return jax.grad(variables)(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype),
                                                shapes))

    def fingerprint(self) -> str:
        """SHA-256 over the parameters' paths and bytes."""
        digest = hashlib.sha256()
        for path, leaf in sorted(tree.flatten(self.params).items()):
            digest.update(path.encode())
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()


def _shift(delta, x):
    return x + delta


@functools.partial(jax.jit, static_argnums=(0, 1))
def _capture(model, sites, params, inputs, mask, edits):
    return model.apply({'params': params}, inputs, mask=mask, edits=edits,
                       capture=sites)[1]
