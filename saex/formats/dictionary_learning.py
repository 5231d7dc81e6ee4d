"""saprmarks/dictionary_learning: trainer_i/ae.pt and config.json, or
checkpoints/ae_STEP.pt.

    AutoEncoder          relu, x - bias; its decoder has unit norms when it is loaded
    AutoEncoderNew       relu, nothing subtracted
    GatedAutoEncoder     exp(r_mag) x W + mag_bias behind x W + gate_bias > 0, x - decoder_bias
    JumpReluAutoEncoder  W_enc [D, F], nothing subtracted, pre > threshold
    AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE       x - b_dec

A BatchTopK threshold of -1 was never set: codes are refused until one is.

TopK and BatchTopK files have the same keys, so one without config.json is refused unless
dict_class is given. Checked against dictionary-learning 0.1.0.
"""
import pathlib

import numpy as np

from saex.formats import files, fold, torch_write
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flipped, number, take

CLASSES = {
    'AutoEncoder': ('bias', 'encoder.weight', 'encoder.bias', 'decoder.weight'),
    'AutoEncoderNew': ('encoder.weight', 'encoder.bias', 'decoder.weight', 'decoder.bias'),
    'GatedAutoEncoder': ('decoder_bias', 'r_mag', 'gate_bias', 'mag_bias', 'encoder.weight',
                         'decoder.weight'),
    'JumpReluAutoEncoder': ('W_enc', 'b_enc', 'W_dec', 'b_dec', 'threshold'),
    'AutoEncoderTopK': ('b_dec', 'k', 'threshold', 'encoder.weight', 'encoder.bias',
                        'decoder.weight'),
    'BatchTopKSAE': ('b_dec', 'k', 'threshold', 'encoder.weight', 'encoder.bias',
                     'decoder.weight'),
    'MatryoshkaBatchTopKSAE': ('W_enc', 'b_enc', 'W_dec', 'b_dec', 'k', 'threshold',
                               'group_sizes')}
WRITTEN = {'relu': 'AutoEncoderNew', 'jumprelu': 'JumpReluAutoEncoder',
           'gated': 'GatedAutoEncoder', 'topk': 'AutoEncoderTopK',
           'batch_topk': 'BatchTopKSAE'}


def claims(place: Place) -> bool:
    torch_like = place.weights is not None and place.weights.suffix in files.TORCH
    return torch_like and any(place.keys == set(keys) for keys in CLASSES.values()) and (
        'W_enc' not in place.keys or 'threshold' in place.keys)


def read(place: Place, dict_class: str | None = None) -> Canonical:
    where, t = place.weights, place.arrays
    trainer = place.config('config.json', up=1).get('trainer', {})
    require(isinstance(trainer, dict), f'{where}: trainer in config.json is no object')
    name = dict_class or trainer.get('dict_class')
    fitting = [n for n, keys in CLASSES.items() if place.keys == set(keys)]
    require(bool(fitting), f'{where}: its keys are of no class: {sorted(place.keys)[:12]}')
    require(name is not None or len(fitting) == 1,
            f'{where}: {" and ".join(fitting)} have the '
            'same keys and there is no config.json: pass dict_class')
    name = name or fitting[0]
    require(name in fitting,
            f'{where}: dict_class {name!r} does not fit its keys, which are '
            f'those of {" or ".join(fitting)}')
    linear = 'encoder.weight' in t
    parts = {'w_enc': flipped(t['encoder.weight'], where) if linear else t['W_enc'],
             'w_dec': flipped(t['decoder.weight'], where) if linear else t['W_dec'],
             'b_enc': t.get('encoder.bias', t.get('b_enc', t.get('gate_bias'))),
             'provenance': {'format': 'dictionary_learning', 'dict_class': name, **{
                 k: v for k, v in trainer.items() if isinstance(v, (str, int, float))}}}
    bias = {'AutoEncoder': 'bias', 'AutoEncoderNew': 'decoder.bias',
            'GatedAutoEncoder': 'decoder_bias'}.get(name, 'b_dec')
    parts |= {'b_dec': t[bias],
              'subtract_b_dec': name not in ('AutoEncoderNew', 'JumpReluAutoEncoder')}
    if name == 'GatedAutoEncoder':
        parts |= {'activation': 'gated', 'r_mag': t['r_mag'], 'b_mag': t['mag_bias']}
    elif name == 'JumpReluAutoEncoder':
        parts |= {'activation': 'jumprelu', 'threshold': t['threshold']}
    elif 'TopK' in name:
        parts |= _top_k(t, name, where)
    c = checked(Canonical(**parts), str(where))
    size = trainer.get('dict_size', c.features)
    require(size == c.features,
            f'{where}: dict_size is {size} in config.json, {c.features} here')
    return fold.unit_norm(c) if name == 'AutoEncoder' else c


def write(directory: str | pathlib.Path, c: Canonical) -> None:
    """ae.pt and config.json. Raises FormatError for what no class of the library holds."""
    require(c.kind == 'single' and c.w_skip is None and c.w_glu is None and c.rows == 'none'
            and c.d_in == c.d_out,
            'dictionary_learning: only a plain autoencoder can be written')
    require(c.rectified, 'top-k that keeps negative values has no form there')
    c = fold.unit_norm(c) if c.score == 'norm' else c
    require(c.activation in WRITTEN, f'dictionary_learning has no {c.activation}')
    name, c = WRITTEN[c.activation], fold.fold(c)
    if c.activation not in ('relu', 'jumprelu'):
        c = fold.unfold(c, subtract=True)
    t = {'encoder.weight': c.w_enc.T, 'encoder.bias': c.b_enc, 'decoder.weight': c.w_dec.T}
    config = {'dict_class': name, 'activation_dim': c.d_in, 'dict_size': c.features}
    if name == 'AutoEncoderNew':
        t['decoder.bias'] = c.b_dec
    elif name == 'GatedAutoEncoder':
        t = {'decoder_bias': c.b_dec, 'r_mag': c.r_mag, 'gate_bias': t.pop('encoder.bias'),
             'mag_bias': c.b_mag, **t}
    elif name == 'JumpReluAutoEncoder':
        t = {'W_enc': c.w_enc, 'b_enc': c.b_enc, 'W_dec': c.w_dec, 'b_dec': c.b_dec,
             'threshold': c.threshold}
    else:
        level = -1.0 if c.threshold is None else float(c.threshold[0])
        require(c.threshold is None or np.all(c.threshold == c.threshold[0]),
                f'dictionary_learning: {name} has one threshold for all latents')
        require(type(c.options.get('k')) is int, f'{name} needs a whole k')
        t |= {'b_dec': c.b_dec, 'k': np.array(c.options['k'], np.int32),
              'threshold': np.array(level, np.float32)}
        config['k'] = c.options['k']
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    torch_write.save(directory / 'ae.pt', {
        n: np.asarray(v, v.dtype if v.dtype == np.int32 else np.float32)
        for n, v in t.items()})
    files.write_json(directory / 'config.json', {'trainer': config, 'buffer': {}})


def _top_k(t: dict, name: str, where) -> dict:
    k, level = (np.asarray(take(t, n, where=where)[0]) for n in ('k', 'threshold'))
    require(k.size == 1 and level.size == 1, f'{where}: k and threshold are numbers')
    size = len(t['W_dec'] if 'W_dec' in t else t['encoder.weight'])
    held = {'k': number({'k': k.item()}, 'k', int, where)}
    if name == 'AutoEncoderTopK':       # the library ranks; the threshold is for other uses
        return {'activation': 'topk', 'options': held}
    found = None if level.item() < 0 else np.full(size, level.item(), np.float32)
    return {'activation': 'batch_topk', 'options': held, 'threshold': found}
