"""SAELens's folder layout: cfg.json, sae_weights.safetensors, sparsity.safetensors.

The scale and centre of the transform and the pre-bias are folded into the weights, so that
the saved dictionary works on raw activations and 'normalize_activations' is 'none'. With
x' = c (x - s) and pre = (x' - b_dec) w_enc + b_enc, codes come out divided by c:

    W_enc = w_enc                  b_enc = (b_enc - b_dec w_enc) / c - s w_enc
    W_dec = w_dec                  b_dec = b_dec / c + s             threshold = threshold / c

which is exact for selectors that commute with a positive scale (relu, top-k, jumprelu).
A selector says how it is written by `export() -> (architecture, cfg keys, threshold or
None)`. One that does not, or a transform that cannot be folded, is written unfolded, with
its own parameter and statistic names, as architecture 'saex'.
"""
import json
import pathlib
import shutil

import flax.linen as nn
import numpy as np
from safetensors.numpy import save_file

from saex import __version__, tree
from saex.dictionary.decoders import linear as decoders
from saex.dictionary.encoders import linear as encoders
from saex.dictionary.model import Dictionary


def write(directory: pathlib.Path, model: Dictionary, params, stats, provenance: dict
          ) -> None:
    """Writes the folder, whole or not at all; provenance goes to metadata (site, ...)."""
    directory = pathlib.Path(directory)
    building = directory.with_name(directory.name + '.building')
    for stale in (building, directory):
        if stale.exists():
            shutil.rmtree(stale)
    building.mkdir(parents=True)
    tensors, cfg = fold(model, params, stats)
    cfg |= {'d_in': model.d_in, 'd_sae': model.features, 'dtype': 'float32', 'device': 'cpu',
            'apply_b_dec_to_input': False, 'normalize_activations': 'none',
            'reshape_activations': 'none',
            'metadata': {'sae_lens_version': '6.54.12', 'saex_version': __version__,
                         **provenance}}
    frequency = np.asarray(stats['frequency'], np.float32)
    save_file({k: np.ascontiguousarray(v, np.float32) for k, v in tensors.items()},
              building / 'sae_weights.safetensors')
    save_file({'sparsity': np.log10(frequency + 1e-10)}, building / 'sparsity.safetensors')
    (building / 'cfg.json').write_text(json.dumps(cfg, indent=1, sort_keys=True) + '\n')
    building.rename(directory)


def fold(model: Dictionary, params, stats) -> tuple[dict, dict]:
    """(tensors, cfg keys) as above."""
    def gather(module):
        plain = (isinstance(module.encoder, encoders.Linear) and module.target is None and
                 isinstance(module.decoder, decoders.Linear))
        if not (plain and hasattr(module.selector, 'export') and
                hasattr(module.transform, 'affine')):
            return None
        return module.transform.affine(), module.selector.export()

    found = nn.apply(gather, model)({'params': params, 'stats': stats})
    if found is None:
        flat = tree.flatten({'params': params, 'stats': stats})
        return {k: np.asarray(v, np.float32) for k, v in flat.items()}, {
            'architecture': 'saex'}
    (shift, scale), (architecture, cfg, threshold) = found
    shift, scale = np.asarray(shift, np.float64), float(scale)
    w_enc = np.asarray(params['encoder']['w_enc'], np.float64)
    b_enc = np.asarray(params['encoder'].get('b_enc', np.zeros(model.features)), np.float64)
    b_dec = np.asarray(params['decoder']['b_dec'], np.float64)
    if model.encoder.pre_bias:
        b_enc = b_enc - b_dec @ w_enc
    tensors = {'W_enc': w_enc, 'b_enc': b_enc / scale - shift @ w_enc,
               'W_dec': params['decoder']['w_dec'], 'b_dec': b_dec / scale + shift}
    if threshold is not None:
        level = np.broadcast_to(np.asarray(threshold, np.float64) / scale, model.features)
        tensors['threshold'] = level
    return tensors, {'architecture': architecture, **cfg}
