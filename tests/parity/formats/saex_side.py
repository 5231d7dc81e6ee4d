"""The half of the parity check that runs saex (no torch).

    python saex_side.py read DIR     reads what libraries_side.py wrote and compares: codes
                                     and reconstructions, over max(1, the largest value)
    python saex_side.py write DIR    writes one dictionary of every architecture in every
                                     format, with codes and reconstructions in expected.npz

`read` exits with 1 when a difference is above 1e-5.
"""
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[3]))
from saex.formats import (circuit_tracer, dictionary_learning, files, fold,  # noqa: E402
                          gemma_scope, load, saelens, sparsify)
from tests.formats import _examples as ex  # noqa: E402

LIMIT = 1e-5
SITE = {'hook_name': 'blocks.1.hook_resid_post', 'model_name': 'gpt2'}
SCALED = {'input_scale': 0.37, 'output_scale': 1 / 0.37, 'input_shift': np.arange(5.0),
          'output_shift': np.arange(5.0), 'subtract_b_dec': True}
SKIP = {'w_skip': np.random.default_rng(8).normal(size=(5, 4))}
SQUARE = {'w_skip': np.random.default_rng(9).normal(size=(5, 5))}
ACTIVATIONS = ('relu', 'topk', 'abs_topk', 'jumprelu', 'gated', 'batch_topk')
CASES = {
    saelens: {
        **{name: (name, {}) for name in ACTIVATIONS},
        'matching_pursuit': ('matching_pursuit', {'subtract_b_dec': True}),
        **{f'{name}_scaled': (name, SCALED) for name in ACTIVATIONS},
        'norm_ranked': ('topk', {'score': 'norm'}),
        'layer_norm': ('topk', {'rows': 'layer_norm'}),
        'transcoder': ('relu', {'d_out': 4}),
        'skip_transcoder': ('relu', {'d_out': 4} | SKIP),
        'jumprelu_transcoder': ('jumprelu', {'d_out': 4}),
        'jumprelu_skip_transcoder': ('jumprelu', {'d_out': 4} | SKIP)},
    sparsify: {'topk': ('topk', {}), 'groupmax': ('groupmax', {}),
               'scaled': ('topk', SCALED),
               'skip': ('topk', SQUARE)},
    dictionary_learning: {
        **{name: (name, {}) for name in dictionary_learning.WRITTEN},
        **{f'{name}_scaled': (name, SCALED) for name in dictionary_learning.WRITTEN}}}


LAYER = 'layer_3/width_16k/average_l0_50'
FILES = {       # read by SAELens's loaders: activation, file below the folder, changes
    gemma_scope: {'jumprelu': ('jumprelu', f'{LAYER}/params.npz', {}),
                  'gated_scaled': ('gated', f'{LAYER}/params.npz', SCALED),
                  'batch_topk': ('batch_topk', f'{LAYER}/params.npz', SCALED)},
    circuit_tracer: {'relu': ('relu', 'layer_3.safetensors', SCALED)}}


def difference(folder):
    """The largest difference of what saex reads in folder from its expected.npz."""
    with np.load(folder / 'expected.npz') as held:
        want = dict(held)
    said = folder / 'said.json'         # what the files leave unsaid
    c = load.load(folder, **(files.json_file(said) if said.is_file() else {}))
    x = np.asarray(want['x'], np.float64)
    codes = c.encode(x)
    found = {'codes': codes, 'y': c.decode(codes, x)}
    return max(float(np.abs(v - want[k]).max() / max(1.0, np.abs(want[k]).max()))
               for k, v in found.items())


def read(root):
    """Prints the table; the exit status."""
    worst = {}
    for path in sorted(root.rglob('expected.npz')):
        name = str(path.parent.relative_to(root))
        worst[name] = difference(path.parent)
        print(f'{name:60}{worst[name]:10.1e}')
    print(f'{len(worst)} dictionaries read by saex, worst difference '
          f'{max(worst.values()):.1e}')
    return int(not 0 < max(worst.values()) <= LIMIT)


def write(root):
    for writer, cases in CASES.items():
        for name, (activation, changes) in cases.items():
            folder = root / writer.__name__.rpartition('.')[2] / name
            folder.parent.mkdir(parents=True, exist_ok=True)
            c = ex.canonical(activation, provenance=SITE, **changes)
            writer.write(folder, c)
            expect(folder, fold.unit_norm(c) if c.score == 'norm' else c)
    for writer, cases in FILES.items():
        for name, (activation, file, changes) in cases.items():
            folder = root / writer.__name__.rpartition('.')[2] / name
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            c = ex.canonical(activation, **changes)
            writer.write(folder / file, c)
            expect(folder, fold.to_jumprelu(c) if writer is gemma_scope else c)
    return 0


def expect(folder, c):
    x = ex.rows(c).astype(np.float64)
    codes = c.encode(x)
    np.savez(folder / 'expected.npz', x=x.astype(np.float32),
             codes=codes.astype(np.float32),
             y=c.decode(codes, x).astype(np.float32))


if __name__ == '__main__':
    action = {'read': read, 'write': write}[sys.argv[1]]
    sys.exit(action(pathlib.Path(sys.argv[2])))
