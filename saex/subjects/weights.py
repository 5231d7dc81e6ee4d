"""Edits of a subject's weights instead of its activations."""
from typing import Any, Sequence

import jax.numpy as jnp

from saex import tree
from saex.config import ConfigError
from saex.subjects.network import Network

__all__ = []       # not itself a subject

WRITERS = r'(token|position|segment)/embedding|(attn_proj|mlp_proj)/(kernel|bias)'


def orthogonalise(network: Network, direction: Any) -> Network:
    """The network whose residual writers cannot write along v:

        W <- W - (W u) u^T,  u = v / |v|,  W [..., D]

    for the embeddings and for the output matrices and biases of attention and MLP, so that
    x.v = 0 all along the stream, as projecting v out at every site would do (Arditi et al.
    2024; reconstructed). A tied head changes with its embedding. Raises ConfigError where a
    norm or a gain lies between a writer and the stream, and for patches.
    """
    model = network.model
    problems = _problems(model)
    if problems:
        raise ConfigError(problems)
    u = jnp.asarray(direction, jnp.float32)
    if u.shape != (model.width,):
        raise ConfigError(f'direction: expected [{model.width}], got {list(u.shape)}')
    u = u / jnp.linalg.norm(u)

    def change(path, w):
        if not tree.matches(WRITERS, path):
            return w
        along = w.astype(jnp.float32) @ u
        return (w - along[..., None] * u).astype(w.dtype)

    return network.replace(params=tree.map_with_path(change, network.params))


def _problems(model: Any) -> Sequence[str]:
    style = model.style
    between = {'the norm after each writer': style.place != 'pre',
               'a learned gain': style.layer_scale,
               'the norm of the embeddings': getattr(model, 'embed_norm', False),
               'the embedding of patches': getattr(model, 'patch', 0)}
    return [f'orthogonalise: {what} lies between the weights and the stream'
            for what, held in between.items() if held]
