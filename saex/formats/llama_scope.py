"""Llama Scope: v1 (hyperparams.json), R1-Distill, and llamascopium 2 (config.json).

v1: encoder.weight [F, D], decoder.weight [E, F], trained on x sqrt(D) / (average norm); its
one jump_relu_threshold is in raw units, so it is multiplied by that scale. llamascopium:
W_E [D, F], W_D [F, E], log threshold, dataset_average_activation_norm in the file (as in
R1-Distill's); nothing is subtracted. Where sparsity includes the decoder norm, pre *
||W_D|| is what is cut. Crosscoders have a leading axis of sites; a cross-layer transcoder
is grouped by target layer, W_D.t [t + 1, F, D]. 2 is *checked* against its own classes; v1
and R1 are *reconstructed* from the published source and SAELens's loaders.
"""
import dataclasses
import math
import re

import numpy as np

from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flag, flipped, number, take, word

ACTIVATIONS = {'relu': 'relu', 'jumprelu': 'jumprelu', 'topk': 'topk',
               'batchtopk': 'batch_topk'}
LOG = 'activation_function.log_jumprelu_threshold'


def claims(place: Place) -> bool:
    return 'W_E' in place.keys or 'log_jumprelu_threshold' in place.keys or _v1(place)


def read(place: Place, norm_scaling_factor: float | None = None) -> Canonical:
    """norm_scaling_factor: of an R1-Distill file without its average activation norm."""
    r1 = 'log_jumprelu_threshold' in place.keys and not _v1(place)
    require(r1 or norm_scaling_factor is None, f'{place.path}: norm_scaling_factor is for '
            'R1-Distill files')
    if r1:
        return _read_r1(place, norm_scaling_factor)
    return _read_v1(place) if _v1(place) else _read_2(place)


def _read_r1(place: Place, factor: float | None) -> Canonical:
    t, cfg, where = place.arrays, place.config('config.json'), place.weights
    c = _read_linear(place, np.exp(np.asarray(t['log_jumprelu_threshold'], np.float32)),
                     'R1-Distill')
    if factor is None:
        require(cfg.get('norm_activation') == 'inference' or any(
            k.startswith('dataset_average_activation_norm.') for k in t),
                f'{where}: trained on '
            'scaled activations, and no dataset_average_activation_norm is in it; pass '
            'norm_scaling_factor')
        scales = _scales(t, cfg, 'single', where)
    else:
        scales = {'input_scale': factor, 'output_scale': 1 / factor}
    norm = flag(cfg, 'sparsity_include_decoder_norm', where, True)
    return checked(dataclasses.replace(c, score='norm' if norm else 'value', **scales,
                                       provenance=c.provenance | {
                                           k: cfg[k]
                                           for k in ('hook_point_in', 'hook_point_out')
                                           if k in cfg}), str(where))


def _v1(place: Place) -> bool:
    return 'hyperparams.json' in place.names or (
        place.file is not None and (place.folder.parent / 'hyperparams.json').is_file())


def _read_v1(place: Place) -> Canonical:
    inner = place if place.file else Place(place.folder / 'checkpoints')
    inner = inner if inner.file else Place(inner.one(r'(final|pruned)\.safetensors'))
    cfg, where = inner.config('hyperparams.json', up=1), inner.weights
    d = number(cfg, 'd_model', int, where)
    s_in = s_out = 1.0
    if cfg.get('norm_activation') == 'dataset-wise':
        norms = cfg.get('dataset_average_activation_norm')
        require(isinstance(norms, dict), f'{where}: no dataset_average_activation_norm')
        s_in, s_out = (_scale(d, number(norms, side, float, where), where)
                       for side in ('in', 'out'))
    else:
        require(cfg.get('norm_activation') in (None, 'inference'),
                f'{where}: norm_activation '
                f'{cfg.get("norm_activation")!r} is not dataset-wise')
    size = number(cfg, 'd_sae', int, where)
    level = np.full(size, number(cfg, 'jump_relu_threshold', float, where) * s_in)
    require(cfg.get('act_fn', 'jumprelu') == 'jumprelu',
            f'{where}: act_fn {cfg.get("act_fn")!r}')
    c = _read_linear(inner, level, 'v1')
    return checked(dataclasses.replace(
        c, input_scale=s_in, output_scale=1 / s_out,
        score='norm' if flag(cfg, 'sparsity_include_decoder_norm', where) else 'value',
        subtract_b_dec=flag(cfg, 'apply_decoder_bias_to_pre_encoder', where),
        provenance=c.provenance | {k: cfg[k] for k in ('hook_point_in', 'hook_point_out')
                                   if k in cfg}), str(where))


def _read_linear(place: Place, threshold, version: str) -> Canonical:
    w_enc, b_enc, w_dec, b_dec = take(place.arrays, 'encoder.weight', 'encoder.bias',
                                      'decoder.weight', 'decoder.bias', where=place.weights)
    return checked(Canonical(
        w_enc=flipped(w_enc, place.weights), b_enc=b_enc,
        w_dec=flipped(w_dec, place.weights),
        b_dec=b_dec, activation='jumprelu', threshold=threshold,
        provenance={'format': 'llama_scope', 'version': version}), str(place.weights))


def _read_2(place: Place) -> Canonical:
    where, cfg, t = place.weights, place.config('config.json'), place.arrays
    require(bool(cfg), f'{where}: no config.json beside it')
    kind = {'sae': 'single', 'crosscoder': 'crosscoder', 'clt': 'cross_layer'}.get(
        word(cfg, 'sae_type', where, 'sae'))
    require(kind is not None,
            f'{where}: sae_type {cfg.get("sae_type")!r} is not a dictionary '
            'that saex reads')
    name = str(cfg.get('act_fn', 'relu')).lower()
    require(name in ACTIVATIONS, f'{where}: act_fn {name!r}, expected one of '
            f'{", ".join(ACTIVATIONS)}')
    w_enc, b_enc = take(t, 'W_E', 'b_E', where=where)
    norm = flag(cfg, 'sparsity_include_decoder_norm', where, True)
    parts = {'kind': kind, 'w_enc': w_enc, 'b_enc': b_enc, 'activation': ACTIVATIONS[name],
             'score': 'norm' if norm else 'value', 'provenance': {
                 'format': 'llama_scope', 'version': '2', **{
                     k: cfg[k] for k in ('hook_point_in', 'hook_point_out', 'hook_points')
                     if k in cfg}}}
    if name in ('topk', 'batchtopk'):
        parts['options'] = {'k': number(cfg, 'top_k', int, where)}
    if name == 'jumprelu':
        parts['threshold'] = np.exp(np.asarray(take(t, LOG, where=where)[0], np.float32))
    if kind == 'cross_layer':
        parts['w_dec'], parts['b_dec'] = _by_source(t, where)
    else:
        w_dec, = take(t, 'W_D', where=where)
        parts['w_dec'] = w_dec
        parts['b_dec'] = t.get('b_D', np.zeros(w_dec.shape[:1] * (w_dec.ndim - 2)
                                               + w_dec.shape[-1:], np.float32))
    if kind == 'crosscoder':
        parts |= _summed(parts, name, norm, where)
    if 'W_E_glu' in t:
        parts['w_glu'], parts['b_glu'] = take(t, 'W_E_glu', 'b_E_glu', where=where)
    return checked(Canonical(**parts, **_scales(t, cfg, kind, where)), str(where))


def _summed(parts: dict, name: str, norm: bool, where) -> dict:
    """A llamascopium crosscoder cuts pre * ||W_D[s]|| at each site s on its own."""
    norms = np.linalg.norm(np.asarray(parts['w_dec'], np.float32), axis=-1)
    one = not norm or name == 'relu' or np.allclose(norms, norms[:1], rtol=1e-4)
    require(one and parts.get('threshold', np.zeros(1)).ndim == 1,
            f'{where}: a {name} crosscoder '
            'whose sites have decoders of different norm has other codes at every site; '
            'only '
            'relu ones, or equal norms, are read')
    scale = norms[0] if norm and name != 'relu' else np.ones_like(norms[0])
    found = {'b_enc': np.asarray(parts['b_enc'], np.float32).sum(0), 'score': 'value',
             'w_dec': np.swapaxes(parts['w_dec'], 0, 1)}
    if 'threshold' in parts:
        found['threshold'] = parts['threshold'] / np.where(scale > 0, scale, 1)
    require(name in ('relu', 'jumprelu') or np.allclose(scale, 1),
            f'{where}: a {name} crosscoder '
            'that ranks by norm is not read')
    return found


def _by_source(t: dict, where) -> tuple:
    """W_D.t [t + 1, F, D] by target layer t as w_dec by source layer."""
    count = len([k for k in t if re.fullmatch(r'W_D\.\d+', k)])
    targets = take(t, *[f'W_D.{i}' for i in range(count)], where=where)
    biases = take(t, *[f'b_D.{i}' for i in range(count)], where=where)
    for i, w in enumerate(targets):
        require(w.ndim == 3 and w.shape[0] == i + 1,
                f'{where}: W_D.{i} has shape {w.shape}, '
                f'expected [{i + 1}, F, D]: it is grouped by target layer')
    by_source = tuple(np.stack([targets[j][i] for j in range(i, count)], axis=1)
                      for i in range(count))
    return by_source, np.stack(biases)


def _scale(d: int, norm: float, where) -> float:
    require(d > 0 and math.isfinite(norm) and norm > 0,
            f'{where}: an average activation norm '
            f'of {norm} in {d} dimensions')
    return math.sqrt(d) / norm


def _scales(t: dict, cfg: dict, kind: str, where) -> dict:
    """input_scale and output_scale of a file trained on dataset-wise normalised inputs."""
    how = cfg.get('norm_activation', 'dataset-wise')
    if how == 'inference':
        return {}
    require(how == 'dataset-wise',
            f'{where}: norm_activation {how!r} is neither dataset-wise nor '
            'inference')
    d = number(cfg, 'd_model', int, where)

    def scale(hook):
        value, = take(t, f'dataset_average_activation_norm.{hook}', where=where)
        require(value.size == 1, f'{where}: the average norm of {hook} is no number')
        return _scale(d, float(np.asarray(value).reshape(-1)[0]), where)

    if kind == 'single':
        hooks = cfg.get('hook_point_in'), cfg.get('hook_point_out')
        return {'input_scale': scale(hooks[0]), 'output_scale': 1 / scale(hooks[1])}
    hooks_in, hooks_out = (cfg.get('hook_points') or cfg.get(f'hook_points_{side}')
                           for side in ('in', 'out'))
    require(all(isinstance(h, list) for h in (hooks_in, hooks_out)), f'{where}: no list of '
            'hook points')
    return {'input_scale': np.array([[scale(h)] for h in hooks_in], np.float32),
            'output_scale': np.array([[1 / scale(h)] for h in hooks_out], np.float32)}
