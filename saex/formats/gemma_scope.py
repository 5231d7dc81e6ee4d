"""Gemma Scope 1 (params.npz) and 2 (config.json, params.safetensors).

JumpReLU, raw activations, nothing subtracted and nothing to fold: W_enc [D, F], W_dec [F,
E], in lower case in the second. `affine_skip_connection` [D, E] acts as x @ skip.
Crosscoders have a leading site axis; a cross-layer transcoder is one file for each layer
with w_dec [F, L, E]. The SAEs on embeddings were trained on x sqrt(D)-scaled inputs
(SAELens's loader).
"""
import math
import pathlib
import re

import numpy as np

from saex.formats import files, fold
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, take

KEYS = {'w_enc', 'w_dec', 'b_enc', 'b_dec', 'threshold'}
LAYER = r'params_layer_(\d+)\.safetensors'


def claims(place: Place) -> bool:
    if place.has(LAYER):
        return True
    lower = {k.lower() for k in place.keys}
    if place.weights is None or not KEYS <= lower:
        return False
    if place.weights.suffix == '.npz':
        return True
    return place.weights.suffix == '.safetensors' and 'w_enc' in place.keys


def read(place: Place, embedding: bool | None = None) -> Canonical:
    """embedding: the SAE reads token embeddings; by default, where its path says so."""
    if place.has(LAYER):
        return _layers(place)
    where, cfg = place.weights, place.config('config.json')
    t = {k.lower(): v for k, v in place.arrays.items()}
    w_enc, w_dec, b_enc, b_dec, threshold = take(t, *sorted(KEYS, key=_order), where=where)
    require(cfg.get('architecture', 'jump_relu') in ('jump_relu', 'jumprelu'),
            f'{where}: architecture {cfg.get("architecture")!r}, expected jump_relu')
    parts = {'kind': 'crosscoder' if w_enc.ndim == 3 else 'single',
             'w_skip': t.get('affine_skip_connection'),
             'provenance': {'format': 'gemma_scope', 'path': '/'.join(where.parts[-4:]),
                            **cfg}}
    if embedding if embedding is not None else 'embedding' in where.parts[-4:]:
        root = math.sqrt(w_enc.shape[0])
        parts |= {'input_scale': 1 / root, 'output_scale': root}
    return checked(Canonical(w_enc=w_enc, b_enc=b_enc, w_dec=w_dec, b_dec=b_dec,
                             activation='jumprelu', threshold=threshold, **parts),
                   str(where))


def write(path: str | pathlib.Path, c: Canonical) -> None:
    """params.npz of Gemma Scope 1, as JumpReLU with everything folded. Raises FormatError
    for what that file has no key for (skip connections, per-row norms, layers)."""
    require(c.kind == 'single' and c.w_skip is None and c.w_glu is None
            and c.rows == 'none',
            'Gemma Scope npz: only a plain dictionary can be written')
    require(c.activation != 'matching_pursuit', 'Gemma Scope npz: no matching pursuit')
    c = fold.fold(fold.to_jumprelu(c))
    c = fold.unit_norm(c) if c.score == 'norm' else c
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, W_enc=c.w_enc, W_dec=c.w_dec, b_enc=c.b_enc, b_dec=c.b_dec,
             threshold=c.threshold)


def _layers(place: Place) -> Canonical:
    paths = {int(re.fullmatch(LAYER, n)[1]): place.folder / n for n in place.names
             if re.fullmatch(LAYER, n)}
    count = max(paths) + 1
    require(sorted(paths) == list(range(count)), f'{place.folder}: layers '
            f'{sorted(set(range(count)) - set(paths))} of {count} are missing')
    read_ = [files.tensors(paths[i]) for i in range(count)]
    t = [take(a, *sorted(KEYS, key=_order), where=paths[i]) for i, a in enumerate(read_)]
    for i, (_, w_dec, *_) in enumerate(t):
        require(w_dec.ndim == 3 and w_dec.shape[1] == count, f'{paths[i]}: w_dec has shape '
                f'{w_dec.shape}, expected [F, {count}, E]')
        require(not np.any(w_dec[:, :i]),
                f'{paths[i]}: layer {i} writes to an earlier layer')
    skips = [a.get('affine_skip_connection') for a in read_]
    require(all(s is None for s in skips) or all(s is not None for s in skips),
            f'{place.folder}: some layers have a skip connection, some have none')
    same = {tuple(v.shape for v in row[:1] + row[2:]) for row in t}
    require(len(same) == 1, f'{place.folder}: layers of different sizes')
    return checked(Canonical(
        w_enc=np.stack([r[0] for r in t]), b_enc=np.stack([r[2] for r in t]),
        w_dec=tuple(r[1][:, i:] for i, r in enumerate(t)),
        b_dec=np.stack([r[3] for r in t]),
        threshold=np.stack([r[4] for r in t]), activation='jumprelu', kind='cross_layer',
        w_skip=None if skips[0] is None else np.stack(skips),
        provenance={'format': 'gemma_scope', **place.config('config.json')}),
                   str(place.folder))


def _order(key: str) -> int:
    return ('w_enc', 'w_dec', 'b_enc', 'b_dec', 'threshold').index(key)
