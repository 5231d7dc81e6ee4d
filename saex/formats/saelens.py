"""SAELens 6 (and the layouts before it): cfg.json and sae_weights.safetensors.

Read: standard, gated, jumprelu, topk, abstopk, batchtopk and Matryoshka (as trained, and as
written for inference: jumprelu), matching pursuit, transcoders with and without skip, and
checkpoints in the middle of training with their activation scale or whitening. Written: the
same from a folded form, normalize_activations 'none'. Temporal SAEs are refused.
"""
import dataclasses
import pathlib
import shutil

import numpy as np

from saex import __version__
from saex.formats import files, fold
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import FormatError, require
from saex.formats.place import Place, flag, flipped, number, take, word

PLAIN = {'standard': 'relu', 'topk': 'topk', 'abstopk': 'abs_topk', 'jumprelu': 'jumprelu',
         'batchtopk': 'batch_topk', 'matryoshka_batchtopk': 'batch_topk', 'gated': 'gated',
         'matching_pursuit': 'matching_pursuit', 'transcoder': 'relu',
         'skip_transcoder': 'relu',
         'jumprelu_transcoder': 'jumprelu', 'jumprelu_skip_transcoder': 'jumprelu'}
VERSION = '6.54.12'     # the SAELens whose rules the writer keeps


def claims(place: Place) -> bool:
    return (place.weights is not None and place.weights.name == 'sae_weights.safetensors'
            and 'cfg.json' in place.names and 'W_dec' in place.keys
            and 's_gate' not in place.keys)


def read(place: Place, norm_scaling_factor: float | None = None) -> Canonical:
    """norm_scaling_factor: of a checkpoint that was trained on scaled activations and does
    not say by how much."""
    where, cfg, t = place.weights, place.config('cfg.json'), dict(place.arrays)
    require(bool(cfg), f'{where}: no cfg.json beside it')
    architecture = _architecture(cfg, where)
    activation = PLAIN[architecture]
    w_dec, b_dec = take(t, 'W_dec', 'b_dec', where=where)
    subtract = flag(cfg, 'apply_b_dec_to_input', where, 'transcoder' not in architecture)
    parts = {'w_dec': w_dec, 'b_dec': b_dec, 'subtract_b_dec': subtract,
             'activation': activation, 'provenance': _provenance(cfg, architecture)}
    if activation == 'matching_pursuit':
        parts |= {'w_enc': None, 'b_enc': np.zeros(len(w_dec), np.float32), 'options': {
            'residual_threshold': number(cfg, 'residual_threshold', float, where),
            'max_iterations': None if cfg.get('max_iterations') is None else number(
                cfg, 'max_iterations', int, where),
            'stop_on_duplicate_support': flag(cfg, 'stop_on_duplicate_support', where)}}
        parts['b_dec'] = b_dec if subtract else np.zeros_like(b_dec)
    else:
        parts['w_enc'], = take(t, 'W_enc', where=where)
    if activation == 'gated':
        parts['b_enc'], parts['b_mag'], parts['r_mag'] = take(
            t, 'b_gate', 'b_mag', 'r_mag', where=where)
    elif activation != 'matching_pursuit':
        parts['b_enc'], = take(t, 'b_enc', where=where)
    if activation == 'jumprelu':
        log = 'threshold' not in t
        level, = take(t, 'log_threshold' if log else 'threshold', where=where)
        parts['threshold'] = np.exp(np.asarray(level, np.float32)) if log else level
    if activation in ('topk', 'abs_topk', 'batch_topk') and 'k' in cfg:
        parts['options'] = {'k': cfg['k']}
    if activation == 'batch_topk':
        level = float(np.asarray(take(t, 'topk_threshold', where=where)[0]))
        parts['threshold'] = np.full(len(w_dec), level) if level > 0 else None
    if 'W_skip' in t:
        parts['w_skip'] = flipped(t['W_skip'], f'{where}: W_skip')
    scaling = t.get('scaling_factor')
    if scaling is not None:
        require(scaling.shape == (len(w_dec),), f'{where}: scaling_factor {scaling.shape}')
        parts['w_dec'] = scaling[:, None] * w_dec
    c = checked(Canonical(**parts), str(where))
    for key, value in (('d_in', c.d_in), ('d_sae', c.features)):
        require(cfg.get(key, value) == value,
                f'{where}: {key} is {cfg.get(key)!r} in cfg.json, '
                f'{value} in the weights')
    if flag(cfg, 'rescale_acts_by_decoder_norm', where, activation == 'batch_topk'):
        c = fold.unit_norm(dataclasses.replace(c, score='norm'))
    return _normalised(c, cfg, place, norm_scaling_factor)


def write(directory: str | pathlib.Path, c: Canonical, frequency=None) -> None:
    """The folder of c, whole or not at all. frequency [F]: of firing, for
    sparsity.safetensors.

    BatchTopK with a threshold becomes jumprelu. Raises FormatError for what SAELens has no
    architecture for.
    """
    c, cfg, tensors = _written(c)
    cfg |= {'d_in': c.d_in, 'd_sae': c.features, 'dtype': 'float32', 'device': 'cpu',
            'apply_b_dec_to_input': c.subtract_b_dec,
            'normalize_activations': 'layer_norm' if c.rows == 'layer_norm' else 'none',
            'reshape_activations': 'none', 'metadata': {
                **c.provenance, 'sae_lens_version': VERSION, 'saex_version': __version__}}
    folder(directory, tensors, cfg, frequency)


def folder(directory, tensors: dict, cfg: dict, frequency=None) -> None:
    """Writes cfg.json, sae_weights.safetensors and sparsity.safetensors, then renames."""
    directory = pathlib.Path(directory)
    building = directory.with_name(directory.name + '.building')
    for stale in (building, directory):
        if stale.exists():
            shutil.rmtree(stale)
    building.mkdir(parents=True)
    files.write_tensors(building / 'sae_weights.safetensors',
                        {k: np.asarray(v, np.float32) for k, v in tensors.items()})
    if frequency is not None:
        files.write_tensors(building / 'sparsity.safetensors', {
            'sparsity': np.log10(np.asarray(frequency, np.float32) + 1e-10)})
    files.write_json(building / 'cfg.json', cfg)
    building.rename(directory)


def _written(c: Canonical) -> tuple[Canonical, dict, dict]:
    require(c.kind == 'single' and c.w_glu is None, f'SAELens has no {c.kind} dictionary'
            + (' with a gated linear unit' if c.w_glu is not None else ''))
    require(c.rows in ('none', 'layer_norm'), f'SAELens: rows {c.rows!r} are not written')
    require(c.rectified, 'top-k that keeps negative values has no form there')
    if c.activation == 'batch_topk':
        c = fold.to_jumprelu(c)
    if c.score == 'norm':
        c = fold.unit_norm(c)
    if c.activation != 'matching_pursuit':
        c = fold.fold(c)
    require(c.activation != 'matching_pursuit' or c.subtract_b_dec or not np.any(c.b_dec),
            'SAELens drops the b_dec of matching pursuit where the input does not lose it')
    names = {'relu': 'standard', 'abs_topk': 'abstopk'}
    name = names.get(c.activation, c.activation)
    if c.w_skip is not None or c.d_in != c.d_out:
        skip = 'skip_' if c.w_skip is not None else ''
        require(c.activation in ('relu', 'jumprelu'),
                f'SAELens has no {c.activation} transcoder')
        name = {'relu': '', 'jumprelu': 'jumprelu_'}[c.activation] + skip + 'transcoder'
    require(name in PLAIN, f'SAELens has no {c.activation} dictionary')
    cfg = {'architecture': name} | ({'d_out': c.d_out} if 'transcoder' in name else {})
    tensors = {'W_dec': c.w_dec, 'b_dec': c.b_dec}
    if c.activation == 'gated':
        tensors |= {'W_enc': c.w_enc, 'b_gate': c.b_enc, 'b_mag': c.b_mag, 'r_mag': c.r_mag}
    elif c.activation == 'matching_pursuit':
        cfg |= c.options
    else:
        tensors |= {'W_enc': c.w_enc, 'b_enc': c.b_enc}
    if c.threshold is not None:
        tensors['threshold'] = c.threshold
    if c.w_skip is not None:
        tensors['W_skip'] = c.w_skip.T
    if c.activation in ('topk', 'abs_topk'):
        cfg |= {'k': c.options['k'], 'rescale_acts_by_decoder_norm': False}
    return c, cfg, tensors


def _architecture(cfg: dict, where) -> str:
    """The 6.x name; layouts before 6 said standard and named the activation apart."""
    name = word(cfg, 'architecture', where, 'standard')
    key = 'activation_fn' if 'activation_fn' in cfg else 'activation_fn_str'
    function = word(cfg, key, where, 'relu')
    if name == 'standard' and function == 'topk':
        options = cfg.get('activation_fn_kwargs') or {}
        cfg['k'] = number(options, 'k', int, f'{where}: activation_fn_kwargs')
        return 'topk'
    require(name != 'standard' or function == 'relu',
            f'{where}: activation {function!r} is not known')
    if name == 'temporal':
        raise FormatError(f'{where}: a temporal SAE reads whole sequences through '
                          'attention; '
                          'saex has no such dictionary')
    require(name in PLAIN, f'{where}: architecture {name!r} is unknown; known: '
            f'{", ".join(PLAIN)}')
    return name


def _provenance(cfg: dict, architecture: str) -> dict:
    keep = {k: cfg[k] for k in ('model_name', 'hook_name', 'hook_point', 'hook_head_index',
                                'context_size', 'prepend_bos', 'dataset_path',
                                'reshape_activations') if k in cfg}
    if 'hook_point' in keep:
        keep.setdefault('hook_name', keep.pop('hook_point'))
    meta = cfg.get('metadata') or {}
    return {**keep, **(meta if isinstance(meta, dict) else {}), 'format': 'saelens',
            'architecture': architecture}


def _normalised(c: Canonical, cfg: dict, place: Place, factor: float | None) -> Canonical:
    """c with the input scale, whitening or per-row norm that it was trained under."""
    how, where = cfg.get('normalize_activations', 'none'), place.weights
    if isinstance(how, bool):       # before version 3: true meant the expected average
        how = 'expected_average_only_in' if how else 'none'
    if how == 'none':
        return c
    if how in ('layer_norm', 'constant_norm_rescale'):
        return dataclasses.replace(
            c, rows='layer_norm' if how == 'layer_norm' else 'unit_norm')
    scaler = place.config('activation_scaler.json')
    if how == 'expected_average_only_in':
        factor = factor or scaler.get('scaling_factor')
        require(isinstance(factor, (int, float)) and factor > 0,
                f'{where}: trained on activations '
                'scaled by a factor that the folder does not hold '
                '(activation_scaler.json); pass '
                'norm_scaling_factor, or 1 for raw activations')
        return checked(dataclasses.replace(c, input_scale=float(factor),
                                           output_scale=1 / float(factor)), str(where))
    require(how == 'covariance_whitening',
            f'{where}: normalize_activations {how!r} is unknown')
    t = files.tensors(place.folder / 'activation_whitening.safetensors')
    return fold.whiten(c, *take(t, 'mean', 'matrix', 'inverse_matrix', where=where))
