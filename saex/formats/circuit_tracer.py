"""circuit-tracer: per-layer transcoders (layer_i.safetensors) and cross-layer ones
(W_enc_i.safetensors and W_dec_i.safetensors), with config.yaml.

Per layer: W_enc [F, D], W_dec [F, D], W_skip as x W_skip^T, activation_function.threshold,
k. Across layers, grouped by source layer: W_enc_i [F, D], W_dec_i [F, L - i, D]; a skip
there is x W_skip, not transposed. Top-k here keeps negative
values, and its loader refuses its own files with k. *Checked* against the library's
classes.
"""
import pathlib
import re

import numpy as np

from saex.formats import files, fold
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flipped, take

LAYER, SOURCE = r'layer_(\d+)\.safetensors', r'W_enc_(\d+)\.safetensors'


def claims(place: Place) -> bool:
    if place.file is not None:
        return re.fullmatch(LAYER, place.file.name) is not None
    return place.has(SOURCE) or place.has(LAYER)


def read(place: Place, activation: str | None = None) -> Canonical:
    """activation: of a transcoder whose files hold neither threshold nor k ('relu')."""
    if place.file is None and place.has(SOURCE):
        return _read_cross(place)
    path = place.one(LAYER)
    where, t = path, files.tensors(path)
    w_enc, w_dec, b_enc, b_dec = take(t, 'W_enc', 'W_dec', 'b_enc', 'b_dec', where=where)
    level = t.get('activation_function.threshold')
    said = activation or _config(place).get('activation')
    parts = {'activation': 'jumprelu' if level is not None else 'topk' if 'k' in t else
             str(said or 'relu')}
    require(level is None or level.size == len(b_enc), f'{where}: a threshold of shape '
            f'{getattr(level, "shape", None)} for {len(b_enc)} latents')
    if level is not None:
        _positive(level, where)
        parts['threshold'] = level.reshape(-1)
    if 'k' in t:
        parts['options'] = {'k': int(np.asarray(t['k']).reshape(-1)[0]), 'relu': False}
    if 'W_skip' in t:
        parts['w_skip'] = flipped(t['W_skip'], f'{where}: W_skip')
    return checked(Canonical(
        w_enc=flipped(w_enc, f'{where}: W_enc'), b_enc=b_enc, w_dec=w_dec, b_dec=b_dec,
        provenance={'format': 'circuit_tracer', **_config(place)}, **parts), str(where))


def write(path: str | pathlib.Path, c: Canonical) -> None:
    """layer_i.safetensors (path: the file) of a transcoder, or the folder (path) of a
    cross-layer transcoder. Raises FormatError for what the library does not hold."""
    require(c.kind in ('single', 'cross_layer') and c.w_glu is None and c.rows == 'none',
            'circuit-tracer: only transcoders can be written')
    c = fold.to_jumprelu(c) if c.activation in ('batch_topk', 'gated') else c
    c = fold.fold(fold.unit_norm(c) if c.score == 'norm' else c)
    require(c.activation in ('relu', 'jumprelu'), f'circuit-tracer loads no {c.activation}')
    path = pathlib.Path(path)
    if c.kind == 'cross_layer':
        _write_cross(path, c)
        return
    require(re.fullmatch(LAYER, path.name) is not None,
            f'{path.name!r}: the file of a layer is '
            'named layer_N.safetensors')
    require(c.d_in == c.d_out or c.w_skip is None,
            'circuit-tracer: a skip needs equal widths')
    path.parent.mkdir(parents=True, exist_ok=True)
    t = {'W_enc': c.w_enc.T, 'W_dec': c.w_dec, 'b_enc': c.b_enc, 'b_dec': c.b_dec}
    if c.activation == 'jumprelu':
        t['activation_function.threshold'] = c.threshold
    if c.w_skip is not None:
        t['W_skip'] = c.w_skip.T
    files.write_tensors(path, t)


def _positive(level, where) -> None:
    """The library keeps pre > threshold without a ReLU: below 0 that would be another
    rule."""
    require(bool(np.all(np.asarray(level) >= 0)), f'{where}: a threshold below 0')


def _config(place: Place) -> dict:
    path = place.folder / 'config.yaml'
    return files.yaml_file(path) if path.is_file() else {}


def _read_cross(place: Place) -> Canonical:
    count = len([n for n in place.names if re.fullmatch(SOURCE, n)])
    enc = [files.tensors(place.folder / f'W_enc_{i}.safetensors') for i in range(count)]
    dec = [files.tensors(place.folder / f'W_dec_{i}.safetensors') for i in range(count)]
    where = place.folder
    rows = [take(t, f'W_enc_{i}', f'b_enc_{i}', f'b_dec_{i}', where=where)
            for i, t in enumerate(enc)]
    for column in zip(*rows):
        require(len({v.shape for v in column}) == 1, f'{where}: layers of different sizes')
    cut = [t.get(f'threshold_{i}') for i, t in enumerate(enc)]
    require(all(v is None for v in cut) or all(v is not None and v.size == len(rows[0][1])
                                               for v in cut),
            f'{where}: thresholds of some '
            'layers are missing or of another size')
    for level in cut:
        _positive(0 if level is None else level, where)
    skips = [t.get(f'W_skip_{i}') for i, t in enumerate(enc)]
    return checked(Canonical(
        w_enc=np.stack([flipped(r[0], where) for r in rows]),
        b_enc=np.stack([r[1] for r in rows]), b_dec=np.stack([r[2] for r in rows]),
        w_dec=tuple(take(t, f'W_dec_{i}', where=where)[0] for i, t in enumerate(dec)),
        w_skip=None if any(s is None for s in skips) else np.stack(skips),
        activation='relu' if cut[0] is None else 'jumprelu', kind='cross_layer',
        threshold=None if cut[0] is None else np.stack([v.reshape(-1) for v in cut]),
        provenance={'format': 'circuit_tracer', **_config(place)}), str(where))


def _write_cross(folder: pathlib.Path, c: Canonical) -> None:
    require(c.w_skip is None, 'circuit-tracer writes no skip of a cross-layer transcoder')
    require(c.activation in ('relu', 'jumprelu'), f'circuit-tracer has no cross-layer '
            f'{c.activation}')
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(c.sites):
        t = {f'W_enc_{i}': c.w_enc[i].T, f'b_enc_{i}': c.b_enc[i], f'b_dec_{i}': c.b_dec[i]}
        if c.activation == 'jumprelu':
            t[f'threshold_{i}'] = c.threshold[i]
        files.write_tensors(folder / f'W_enc_{i}.safetensors', t)
        files.write_tensors(folder / f'W_dec_{i}.safetensors', {f'W_dec_{i}': c.w_dec[i]})
