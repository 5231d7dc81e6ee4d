"""Loads what write.py wrote and prints family x largest error: python compare.py FOLDER.

An error is the largest absolute difference over the positions that are not padding, in
float32, divided by the state's root mean square where that is above 1. Exits with 1 when
one is above 1e-5.
"""
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np

from saex.subjects.checkpoints.load import families, load
from saex.subjects.encoder import Encoder

LIMIT = 1e-5


def states(model):
    """The sites that are transformers' hidden states, in its order."""
    middle = [f'blocks.{i}.resid_post' for i in range(model.layers)]
    if isinstance(model, Encoder) and not model.style.rotary:
        return ['embed', *middle]
    return ['embed', *middle[:-1], 'final_norm']         # transformers tie the two


def errors(folder, network=None):
    """(largest error of a hidden state, of the result)."""
    family = folder.name if folder.name in families() else None
    network = network or load(folder, family=family)
    with np.load(folder / 'reference.npz') as held:
        wanted = dict(held)
    names = states(network.model)
    inputs = {k: jnp.asarray(v) for k, v in wanted.items() if k in ('mask', 'segments')}
    tokens = jnp.asarray(wanted['images' if 'images' in wanted else 'tokens'])
    with jax.default_matmul_precision('highest'):
        result, found = jax.jit(lambda p: network.model.apply(
            {'params': p}, tokens, **inputs, capture=names),
            compiler_options={'xla_backend_optimization_level': 0})(network.params)
    shape = wanted['hidden'].shape[1:3]
    real = wanted['mask'] > 0 if 'mask' in wanted else np.ones(shape, bool)
    hidden = max(_error(found[n][real], h[real])
                 for n, h in zip(names, wanted['hidden'], strict=True))
    pick = real if result.ndim == 3 else slice(None)
    return hidden, _error(result[pick], wanted['result'][pick])


def _error(found, wanted):
    scale = max(1.0, np.sqrt(np.mean(wanted ** 2)))
    return float(np.abs(np.asarray(found) - wanted).max() / scale)


def main(root):
    """Prints the table; the exit status."""
    worst = 0.0
    print(f'{"family":20}{"hidden states":>16}{"result":>12}')
    for folder in sorted(p.parent for p in root.glob('*/reference.npz')):
        hidden, result = errors(folder)
        worst = max(worst, hidden, result)
        print(f'{folder.name:20}{hidden:16.1e}{result:12.1e}', flush=True)
    return int(not worst <= LIMIT)


if __name__ == '__main__':
    sys.exit(main(pathlib.Path(sys.argv[1])))
