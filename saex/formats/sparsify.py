"""EleutherAI sparsify: cfg.json and sae.safetensors, one folder for a hookpoint.

encoder.weight [F, D], encoder.bias, W_dec [F, E], b_dec, and W_skip [E, D] as x W_skip^T.
The encoder sees x - b_dec unless `transcode`. Checked against eai-sparsify 1.3.3.
"""
import pathlib

import numpy as np

from saex.formats import files, fold
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flag, flipped, number, take


def claims(place: Place) -> bool:
    return 'encoder.weight' in place.keys and 'W_dec' in place.keys


def read(place: Place) -> Canonical:
    where, cfg = place.weights, place.config('cfg.json')
    require(bool(cfg), f'{where}: no cfg.json beside it, so k is unknown')
    t = place.arrays
    w_enc, b_enc, w_dec, b_dec = take(t, 'encoder.weight', 'encoder.bias', 'W_dec', 'b_dec',
                                      where=where)
    activation = cfg.get('activation', 'topk')
    require(activation in ('topk', 'groupmax'),
            f'{where}: activation {activation!r}, expected '
            'topk or groupmax')
    if flag(cfg, 'signed', where):
        activation = 'abs_topk'
    size = number(cfg, 'num_latents', int, where, 0) or (
        number(cfg, 'expansion_factor', int, where, 0) * number(cfg, 'd_in', int, where, 0))
    require(not size or size == w_enc.shape[0],
            f'{where}: {w_enc.shape[0]} latents, cfg.json '
            f'says {size}')
    skip = t.get('W_skip')
    return checked(Canonical(
        w_enc=flipped(w_enc, f'{where}: encoder.weight'), b_enc=b_enc, w_dec=w_dec,
        b_dec=b_dec,
        w_skip=None if skip is None else flipped(skip, f'{where}: W_skip'),
        activation=activation, options={'k': number(cfg, 'k', int, where)},
        subtract_b_dec=not flag(cfg, 'transcode', where),
        provenance={'format': 'sparsify', 'hook_name': place.folder.name,
                    **{k: v for k, v in cfg.items() if k not in ('k', 'd_in')}}),
                   str(where))


def write(directory: str | pathlib.Path, c: Canonical) -> None:
    """Folded; b_dec is added back to what the encoder subtracts. Raises FormatError for an
    activation that is not top-k or group-max."""
    require(c.kind == 'single' and c.w_glu is None and c.rows == 'none'
            and c.score == 'value',
            'sparsify: only a plain dictionary can be written')
    require(c.activation in ('topk', 'groupmax'), f'sparsify has top-k and group-max, not '
            f'{c.activation}')
    require(c.rectified, 'top-k that keeps negative values has no form there')
    require(c.d_in == c.d_out, 'sparsify: the target must be as wide as the input')
    transcode, k = c.w_skip is not None, c.options['k']
    c = fold.fold(c)
    c = c if transcode else fold.unfold(c, subtract=True)
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {'encoder.weight': c.w_enc.T, 'encoder.bias': c.b_enc, 'W_dec': c.w_dec,
               'b_dec': c.b_dec}
    if transcode:
        tensors['W_skip'] = c.w_skip.T
    files.write_tensors(directory / 'sae.safetensors',
                        {k: np.asarray(v, np.float32) for k, v in tensors.items()})
    files.write_json(directory / 'cfg.json', {
        'activation': c.activation, 'expansion_factor': max(1, c.features // c.d_in),
        'normalize_decoder': True, 'num_latents': c.features, 'k': k, 'multi_topk': False,
        'skip_connection': transcode, 'transcode': transcode, 'd_in': c.d_in})
