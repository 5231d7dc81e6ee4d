"""A subject network: a model and its parameters."""
import functools
import hashlib
from typing import Any

from flax import struct
import jax
import numpy as np

from saex import tree


@struct.dataclass
class Network:
    """model: a Flax module with named sites. params: its parameters, arguments of every
    compiled function, never constants in one."""
    model: Any = struct.field(pytree_node=False)
    params: Any = None

    def logits(self, tokens, edits=()):
        """[n, T, V]."""
        return self.model.apply({'params': self.params}, tokens, edits=edits)[0]

    def capture(self, tokens, site: str):
        """Activations at a site, [n, T, D]."""
        return _capture(self.model, site, self.params, tokens)

    def fingerprint(self) -> str:
        """SHA-256 over the parameters' paths and bytes."""
        digest = hashlib.sha256()
        for path, leaf in sorted(tree.flatten(self.params).items()):
            digest.update(path.encode())
            digest.update(np.asarray(leaf).tobytes())
        return digest.hexdigest()


@functools.partial(jax.jit, static_argnums=(0, 1))
def _capture(model, site, params, tokens):
    return model.apply({'params': params}, tokens, capture=(site,))[1][site]
