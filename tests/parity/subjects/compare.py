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

from saex.subjects.checkpoints.load import load

LIMIT = 1e-5


def states(model):
    """The sites that are transformers' hidden states, in its order."""
    last = model.layers - 1
    return ['embed', *(f'blocks.{i}.resid_post' for i in range(last)), 'final_norm']


def errors(folder, network=None):
    """(largest error of a hidden state, of the logits)."""
    network = network or load(folder)
    with np.load(folder / 'reference.npz') as held:
        wanted = dict(held)
    names = states(network.model)
    with jax.default_matmul_precision('highest'):
        logits, found = jax.jit(lambda p: network.model.apply(
            {'params': p}, jnp.asarray(wanted['tokens']), mask=jnp.asarray(wanted['mask']),
            capture=names))(network.params)
    real = wanted['mask'] > 0
    hidden = max(_error(found[n], h, real) for n, h in zip(names, wanted['hidden'],
                                                           strict=True))
    return hidden, _error(logits, wanted['logits'], real)


def _error(found, wanted, real):
    wanted = wanted[real]
    scale = max(1.0, np.sqrt(np.mean(wanted ** 2)))
    return float(np.abs(np.asarray(found)[real] - wanted).max() / scale)


def main(root):
    """Prints the table; the exit status."""
    worst = 0.0
    print(f'{"family":20}{"hidden states":>16}{"logits":>12}')
    for folder in sorted(p.parent for p in root.glob('*/reference.npz')):
        hidden, logits = errors(folder)
        worst = max(worst, hidden, logits)
        print(f'{folder.name:20}{hidden:16.1e}{logits:12.1e}', flush=True)
    return int(not worst <= LIMIT)


if __name__ == '__main__':
    sys.exit(main(pathlib.Path(sys.argv[1])))
