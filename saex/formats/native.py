"""Between the canonical form and a dictionary that trains.

`from_dictionary` takes the parameters out as they are (its transform becomes input_scale
and input_shift, its evaluation threshold a threshold); `to_dictionary` builds the
composition that computes what the file computes and goes on training. `save` writes
SAELens's folder, or, for a composition that SAELens has no architecture for, the same
folder with saex's own parameter names and architecture 'saex'.
"""
import pathlib
from typing import Any, Mapping

import flax.linen as nn
import jax
import numpy as np

from saex import __version__, tree
from saex.dictionary import build
from saex.dictionary.decoders import linear as decoders
from saex.dictionary.encoders import linear as encoders
from saex.dictionary.model import Dictionary
from saex.dictionary.transforms import standardise
from saex.formats import files, fold, load, saelens
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import FormatError, require

NAMES = {'standard': 'relu', 'abstopk': 'abs_topk'}     # SAELens's, of export()


def from_dictionary(model: Dictionary, params: Mapping, stats: Mapping,
                    provenance: Mapping | None = None) -> Canonical:
    """The canonical form of a trained dictionary. Raises FormatError where the composition
    has no such form."""
    found = nn.apply(_gather, model)({'params': params, 'stats': stats})
    if found is None:
        raise FormatError('this composition of parts has no form that other libraries know')
    (shift, scale), (architecture, cfg, threshold), (w_dec, b_dec) = found
    shift, scale = np.asarray(shift, np.float64), float(scale)
    b_enc = params['encoder'].get('b_enc', np.zeros(model.features))
    if threshold is not None:
        threshold = np.broadcast_to(np.asarray(threshold, np.float32), model.features)
    return checked(Canonical(
        w_enc=np.asarray(params['encoder']['w_enc']), b_enc=np.asarray(b_enc),
        w_dec=np.asarray(w_dec), b_dec=np.asarray(b_dec),
        activation=NAMES.get(architecture, architecture), threshold=threshold,
        options={k: v for k, v in cfg.items() if k == 'k'},
        subtract_b_dec=model.encoder.pre_bias, input_scale=scale, input_shift=shift,
        output_scale=1 / scale, output_shift=shift,
        rows='layer_norm'
        if isinstance(model.transform, standardise.Standardise) else 'none',
        provenance=dict(provenance or {})))


def to_dictionary(c: Canonical, **options: Any) -> tuple[Dictionary, dict, dict]:
    """(model, params, stats) that compute what c computes and can be trained.

    options: further keys of the dictionary's section (dead_after, ...), or selector (a
    section) to convert to: its threshold starts at c's where it has one. Raises FormatError
    for what saex has no trainable part for.
    """
    parts, c = section(c, {k: v for k, v in options.items() if v is not None})
    model = build.dictionary(parts, c.d_in)
    variables = model.init(jax.random.key(0), np.zeros((2, c.d_in), np.float32))
    params, stats = tree.flatten(variables['params']), tree.flatten(variables['stats'])
    params |= {'encoder/w_enc': c.w_enc, 'encoder/b_enc': c.b_enc, 'decoder/w_dec': c.w_dec,
               'decoder/b_dec': c.b_dec}
    level = None if c.threshold is None else np.maximum(c.threshold, 0)
    if level is not None and 'selector/threshold' in params:
        params['selector/threshold'] = level
    if level is not None and 'selector/threshold_total' in stats:   # ours keeps pre >= tau
        stats |= {'selector/threshold_total': np.nextafter(level.mean(),
                                                           np.float32(np.inf)),
                  'selector/threshold_weight': np.ones(())}
    if 'transform/links_0/centre' in stats:
        stats |= {'transform/links_0/centre': np.broadcast_to(
            np.asarray(c.input_shift), (c.d_in,)), 'transform/links_1/scale': c.input_scale}
    cast = lambda new, old: {k: jax.numpy.asarray(new[k], v.dtype).reshape(v.shape)
                             for k, v in tree.flatten(old).items()}
    return (model, tree.unflatten(cast(params, variables['params'])),
            tree.unflatten(cast(stats, variables['stats'])))


def open_folder(path: str | pathlib.Path, item: str | None = None,
                format: str | None = None,
                selector: Mapping | str | None = None, **options: Any
                ) -> tuple[Dictionary, dict, dict]:
    """(model, params, stats) of a saved dictionary, of saex or any format of load.py.

    selector: a section to convert to; options: of load.load. Raises FormatError.
    """
    here = pathlib.Path(path, item or '')
    if format is None and (here / 'cfg.json').is_file():
        cfg = files.json_file(here / 'cfg.json')
        if cfg.get('architecture') == 'saex':
            require(selector is None,
                    f'{here}: a composition of its own keeps its selector')
            return _own(here, cfg)
    found = load.load(path, item, format, **options)
    return to_dictionary(found, **({} if selector is None else {'selector': selector}))


def _own(folder: pathlib.Path, cfg: Mapping) -> tuple[Dictionary, dict, dict]:
    """A dictionary that was saved under its own parameter names, by its recipe."""
    meta = cfg.get('metadata') or {}
    require(isinstance(meta.get('recipe'), dict),
            f'{folder}: no recipe in metadata, so its parts '
            'are unknown')
    model = build.dictionary(meta['recipe'], cfg['d_in'], d_out=meta.get('d_out'))
    rows = jax.ShapeDtypeStruct((2, cfg['d_in']), np.float32)
    wanted = tree.flatten(jax.eval_shape(model.init, jax.random.key(0), rows))
    found = files.tensors(folder / 'sae_weights.safetensors')
    require(set(found) == set(wanted), f'{folder}: the file and its recipe differ in '
            f'{", ".join(sorted(set(found) ^ set(wanted))[:6])}')
    for name, like in wanted.items():
        require(found[name].shape == like.shape, f'{folder}: {name} has shape '
                f'{found[name].shape}, its recipe {like.shape}')
    made = tree.unflatten({k: jax.numpy.asarray(found[k], v.dtype)
                           for k, v in wanted.items()})
    return model, made['params'], made['stats']


def save(directory: str | pathlib.Path, model: Dictionary, params: Mapping, stats: Mapping,
         provenance: Mapping) -> None:
    """SAELens's folder of a trained dictionary, whole or not at all."""
    try:
        saelens.write(directory, from_dictionary(model, params, stats, provenance),
                      stats['frequency'])
    except FormatError:
        flat = tree.flatten({'params': params, 'stats': stats})
        saelens.folder(directory, {k: np.asarray(v, np.float32) for k, v in flat.items()}, {
            'architecture': 'saex', 'd_in': model.d_in, 'd_sae': model.features,
            'dtype': 'float32', 'metadata': {'saex_version': __version__, **provenance} | (
                {} if model.target is None else {'d_out': model.target.d_in})},
            stats['frequency'])


def _gather(module: Dictionary):
    decoder = module.decoder
    plain = (isinstance(module.encoder, encoders.Linear) and module.target is None and
             isinstance(decoder, decoders.Linear) and not decoder.skip and
             hasattr(module.selector, 'export'))
    rows = isinstance(module.transform, standardise.Standardise)
    affine = ((np.zeros(module.d_in), 1.0) if rows else
              getattr(module.transform, 'affine', lambda: None)())
    if not plain or affine is None:
        return None
    return affine, module.selector.export(), (decoder.atoms(), decoder.bias())


def section(c: Canonical, options: Mapping) -> tuple[dict, Canonical]:
    """The config section of c, and c in the units that its transform leaves. options: as of
    `to_dictionary`. Raises FormatError."""
    options = dict(options)
    require(c.kind == 'single' and c.w_glu is None and c.w_skip is None
            and c.d_in == c.d_out,
            f'saex trains no {c.kind} dictionary with these parts from a file; encode, '
            'decode '
            'and the writers work')
    require(c.rows in ('none', 'layer_norm'), f'saex has no transform for rows {c.rows!r}')
    if c.activation == 'gated':
        c = fold.to_jumprelu(c)
    c = fold.unit_norm(c) if c.score == 'norm' else c
    parts = {'relu': lambda: dict(name='relu'), 'jumprelu': lambda: dict(name='jumprelu'),
             'topk': lambda: dict(name='topk', k=c.options['k']),
             'batch_topk': lambda: dict(name='batch_topk', k=float(c.options.get('k', 32)))}
    selector = options.pop('selector', None)
    require(selector is not None or c.activation in parts, f'saex trains no {c.activation} '
            'selector; pass another as selector')
    if c.activation == 'batch_topk' and selector is None and c.threshold is not None and \
            np.ptp(c.threshold):
        selector, c = dict(name='jumprelu'), fold.to_jumprelu(c)    # one for each latent
    scalar = (np.ndim(c.input_scale) == 0 and np.isclose(c.input_scale * c.output_scale, 1)
              and
              np.array_equal(np.asarray(c.input_shift), np.asarray(c.output_shift)))
    transform = 'identity'
    if c.rows == 'layer_norm':
        transform = 'standardise'
    elif fold.fold_needed(c) not in ([], ['subtract_b_dec']):
        if scalar:
            transform = dict(name='chain', parts=('centre', 'scale'))
        else:
            c = fold.fold(c)
    return dict(features=c.features, transform=transform,
                selector=selector or parts[c.activation](),
                encoder=dict(name='linear', pre_bias=bool(c.subtract_b_dec)), **options), c
