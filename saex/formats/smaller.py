"""Single-file families: e2e_sae, Goodfire, Qwen Scope and neverix/saex (JAX, equinox).

e2e_sae: samples_N.pt, SITE.encoder.0.weight [F, D], SITE.decoder.weight [D, F], the decoder
    unit-normed at use. Goodfire: encoder_linear, decoder_linear, relu. Qwen Scope:
    layerN.sae.pt, W_enc [F, D], W_dec [D, F], top-k whose k stands in the name of the
    repository. neverix/saex: hidden = relu(pre) s; whether b_dec is subtracted is not in
    the file. e2e_sae is *checked* against its own class, Goodfire and Qwen Scope against
SAELens's loaders; neverix/saex is *reconstructed* from its source.
"""
import math
import re

import numpy as np

from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flipped, take

E2E = r'(.+)\.encoder\.0\.weight'
QWEN = r'layer(\d+)\.sae\.pt'
NEVERIX = {'W_enc', 'b_enc', 'scaling_factor', 'W_dec', 'b_dec'}


def claims_e2e(place: Place) -> bool:
    return any(re.fullmatch(E2E, k) for k in place.keys)


def read_e2e(place: Place, site: str | None = None) -> Canonical:
    """site: which of the file's sites (dots as hyphens), where it holds several."""
    where, t = place.weights, place.arrays
    sites = sorted(m[1] for m in (re.fullmatch(E2E, k) for k in t) if m)
    require(site in sites or (site is None and len(sites) == 1),
            f'{where}: site {site!r}; it '
            f'holds {", ".join(sites)}: pass one of them as site')
    name = site or sites[0]
    w_enc, b_enc, w_dec, b_dec = take(t, *[f'{name}.{k}' for k in (
        'encoder.0.weight', 'encoder.0.bias', 'decoder.weight', 'decoder.bias')],
                                      where=where)
    w_dec = np.asarray(flipped(w_dec, where), np.float32)
    norm = np.linalg.norm(w_dec, axis=1, keepdims=True)
    return checked(Canonical(
        w_enc=flipped(w_enc, where), b_enc=b_enc, w_dec=w_dec / np.maximum(norm, 1e-12),
        b_dec=b_dec, provenance={'format': 'e2e_sae', 'hook_name': name}), str(where))


def claims_goodfire(place: Place) -> bool:
    return {'encoder_linear.weight', 'decoder_linear.weight'} <= place.keys


def read_goodfire(place: Place) -> Canonical:
    w_enc, b_enc, w_dec, b_dec = take(
        place.arrays, 'encoder_linear.weight', 'encoder_linear.bias',
        'decoder_linear.weight',
        'decoder_linear.bias', where=place.weights)
    return checked(Canonical(
        w_enc=flipped(w_enc, place.weights), b_enc=b_enc,
        w_dec=flipped(w_dec, place.weights),
        b_dec=b_dec, provenance={'format': 'goodfire'}), str(place.weights))


def claims_qwen(place: Place) -> bool:
    return place.weights is not None and re.fullmatch(QWEN,
                                                      place.weights.name) is not None \
        and {'W_enc', 'W_dec'} <= place.keys and 'threshold' not in place.keys


def read_qwen(place: Place, k: int | None = None) -> Canonical:
    """k: of the top-k; by default the L0_k of a folder's name (SAE-Res-...-W32K-L0_50)."""
    named = re.search(r'L0_(\d+)', '/'.join(place.folder.parts[-3:]))
    k = k or (int(named[1]) if named else None)
    require(k is not None,
            f'{place.weights}: k is in neither the file nor its path: pass k')
    w_enc, b_enc, w_dec, b_dec = take(place.arrays, 'W_enc', 'b_enc', 'W_dec', 'b_dec',
                                      where=place.weights)
    return checked(Canonical(
        w_enc=flipped(w_enc, place.weights), b_enc=b_enc,
        w_dec=flipped(w_dec, place.weights),
        b_dec=b_dec, activation='topk', options={'k': k},
        provenance={'format': 'qwen_scope'}), str(place.weights))


def claims_neverix(place: Place) -> bool:
    return NEVERIX | {'s_gate', 'b_gate', 'mean_norm', 'tgt_mean_norm'} <= place.keys


def read_neverix(place: Place, subtract_b_dec: bool | None = None, k: int | None = None,
                 encoder_bias: bool | None = None, norm_input: str | None = None
                 ) -> Canonical:
    """subtract_b_dec, encoder_bias: the trainer's remove_decoder_bias and use_encoder_bias,
    which the file does not hold; k: its topk_k; norm_input: 'none' or 'wes', where the file
    holds no mean norm ('wes-mean-fixed' does)."""
    where, t = place.weights, place.arrays
    require(subtract_b_dec is not None and encoder_bias is not None,
            f'{where}: the file does not '
            'say whether b_dec is subtracted or b_enc used: pass subtract_b_dec and '
            'encoder_bias')
    w_enc, b_enc, s, w_dec, b_dec, s_gate, b_gate, mean, target = (
        np.asarray(v, np.float32) for v in take(
            t, 'W_enc', 'b_enc', 'scaling_factor', 'W_dec', 'b_dec', 's_gate', 'b_gate',
            'mean_norm', 'tgt_mean_norm', where=where))
    require(w_enc.ndim == 2
            and all(v.shape == w_enc.shape[1:] for v in (b_enc, s, s_gate, b_gate))
            and mean.size == target.size == 1,
            f'{where}: its arrays are of different sizes')
    mean, target = mean.item(), target.item()
    require(bool(np.all(s > 0)) and mean > 0 and target > 0,
            f'{where}: a scale that is not '
            'positive')
    root = math.sqrt(w_enc.shape[0])
    scaled = mean != 1 or target != 1
    require(scaled or norm_input in ('none', 'wes'), f'{where}: its mean norm is 1: pass '
            "norm_input='none', or 'wes' where each row was scaled by its own norm")
    parts = {'subtract_b_dec': subtract_b_dec,
             'rows': 'unit_norm' if norm_input == 'wes' and not scaled else 'none',
             'input_scale': root / mean if scaled else 1.0,
             'output_scale': target / root if scaled else 1.0, 'w_dec': w_dec,
             'b_dec': b_dec,
             'provenance': {'format': 'neverix'}}
    b_enc = b_enc if encoder_bias else np.zeros_like(b_enc)
    if np.any(s_gate) or np.any(b_gate):
        require(k is None, f'{where}: gated with top-k is not read')
        gain = np.logaddexp(0, s_gate) * s
        parts |= {'activation': 'gated', 'r_mag': np.log(gain), 'b_mag': b_gate,
                  'w_enc': w_enc, 'b_enc': b_enc}
    else:
        require(k is None or bool(np.all(s == 1)), f'{where}: top-k ranks before its scale')
        parts |= {'activation': 'topk' if k else 'relu', 'options': {'k': k} if k else {},
                  'w_enc': w_enc * s, 'b_enc': b_enc * s}
    return checked(Canonical(**parts), str(where))
