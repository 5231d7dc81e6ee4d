"""A dictionary of any known format in another one.

    python experiments/convert.py --from=PATH_OR_REPO --to=saelens --out=DIR

--item, --format, and the reader's own options (--k=50, --site=...) say what the files do
not; --sample=ROWS.npy gives raw activations [N, D] to set the threshold of a TopK
dictionary by where the new format has only JumpReLU. The result is read back and compared
before the command ends.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))     # this clone's saex, always

import numpy as np  # noqa: E402

from experiments import _flags  # noqa: E402
from saex.formats import fold, load  # noqa: E402
from saex.formats.errors import FormatError, require  # noqa: E402

USAGE = f"""usage: python experiments/convert.py --from=PATH_OR_REPO --to=FORMAT --out=PATH
  FORMAT: {', '.join(load.WRITERS)}
  --item=NAME --format=NAME --k=N --site=NAME --dict_class=NAME --sample=ROWS.npy"""
OPTIONS = {'k': int, 'site': str, 'dict_class': str, 'activation': str,
           'norm_scaling_factor': float}


def main(argv):
    flags = _flags.parse(argv, USAGE, ('from', 'to', 'out'),
                         ('item', 'format', 'sample', *OPTIONS))
    require(flags['to'] in load.WRITERS,
            f'--to: no {flags["to"]!r}; {", ".join(load.WRITERS)}')
    options = {k: cast(flags[k]) for k, cast in OPTIONS.items() if k in flags}
    c = load.load(flags['from'], flags.get('item'), flags.get('format'), **options)
    changed = 'sample' in flags and c.activation in ('topk', 'batch_topk')
    if changed:
        c = fold.to_jumprelu(c, np.load(flags['sample'], allow_pickle=False))
    out = pathlib.Path(flags['out'])
    require(not out.exists(), f'{out}: exists already')
    load.WRITERS[flags['to']](out, c)
    worst = difference(c, load.load(out if out.exists() else out.with_suffix('.npz')))
    print(f'{c.activation}, {c.features} latents -> {flags["to"]} at {out}; read back, its '
          f'reconstruction differs by {worst:.1e} of the largest value')
    require(worst < 1e-4, f'{out}: what was written is not what was read')


def difference(c, found, rows=64):
    """The largest difference of two reconstructions of random rows, over the largest."""
    shape = (rows, c.d_in) if c.kind == 'single' else (rows, c.sites, c.d_in)
    x = np.random.default_rng(0).normal(size=shape)
    try:
        want = c.reconstruct(x)
    except FormatError:         # BatchTopK before its threshold was set has no codes
        return 0.0
    return float(np.abs(found.reconstruct(x) - want).max() / max(1.0, np.abs(want).max()))


if __name__ == '__main__':
    _flags.run(main)
