"""KempnerInstitute/overcomplete: the state dict of a module, which is all that its users
save.

    pre  = BatchNorm(x W^T + b)                      in evaluation: folded into W and b
    f    = relu(pre), then top-k, or a threshold     D = normalised weights exp(multiplier)
    y    = f D                                       no b_dec, nothing subtracted

What the file does not hold has to be said: the class (SAE, TopKSAE, BatchTopKSAE), k or the
running threshold, and the normalisation of the dictionary. JumpSAE holds log thresholds.
Checked against overcomplete 0.3.0.
"""
import numpy as np

from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require
from saex.formats.place import Place, flipped, take

LINEAR, NORM = 'encoder.final_block.0', 'encoder.final_block.1'
ARCHETYPAL = {'dictionary.W', 'dictionary.C', 'dictionary.Relax'}
NORMALISATIONS = ('l2', 'max_l2', 'l1', 'max_l1', 'identity')
EPS = 1e-5          # of BatchNorm1d


def claims(place: Place) -> bool:
    return f'{LINEAR}.weight' in place.keys and (
        'dictionary._weights' in place.keys or ARCHETYPAL <= place.keys)


def read(place: Place, kind: str | None = None, k: int | None = None,
         threshold: float | None = None, normalization: str | None = None) -> Canonical:
    """kind: 'relu', 'topk' or 'batch_topk'; k, threshold: of the last two; normalization:
    of DictionaryLayer ('l2' is the library's default)."""
    where, t = place.weights, {n: np.asarray(v, np.float64) for n, v in place.arrays.items()
                               if isinstance(v, np.ndarray)}
    blocks = [n for n in t if n.startswith('encoder.') and not n.startswith((LINEAR, NORM))]
    require(not blocks,
            f'{where}: only a linear encoder is read, this one has {blocks[:1]}')
    w, b = take(t, f'{LINEAR}.weight', f'{LINEAR}.bias', where=where)
    if f'{NORM}.running_var' in t:
        gain, shift, mean, var = take(t, *(f'{NORM}.{n}' for n in (
            'weight', 'bias', 'running_mean', 'running_var')), where=where)
        require(w.ndim == 2
                and all(v.shape == w.shape[:1] for v in (b, gain, shift, mean, var))
                and bool(np.all(var >= 0)),
                f'{where}: its BatchNorm does not fit its encoder')
        gain = gain / np.sqrt(var + EPS)
        w, b = gain[:, None] * w, (b - mean) * gain + shift
    rows = _atoms(t, normalization, where)
    parts = {'activation': kind, 'options': {'k': k} if k else {}}
    if 'thresholds' in t:               # kept from the threshold on; ours are strict
        level = np.exp(np.float32(t['thresholds']))
        parts = {'activation': 'jumprelu', 'threshold': np.nextafter(level, np.float32(0))}
    require(parts['activation'] in ('relu', 'topk', 'batch_topk', 'jumprelu'),
            f'{where}: the file '
            "does not say its class: pass kind, 'relu', 'topk' or 'batch_topk'")
    if threshold is not None:
        parts['threshold'] = np.full(len(b),
                                     np.nextafter(np.float32(threshold), np.float32(0)))
    return checked(Canonical(
        w_enc=flipped(w, where), b_enc=b, w_dec=rows, b_dec=np.zeros(rows.shape[-1]),
        provenance={'format': 'overcomplete'}, **parts), str(where))


def _atoms(t: dict, how: str | None, where) -> np.ndarray:
    """The dictionary as the library uses it, [F, D]."""
    scale = np.exp(t.get('dictionary.multiplier', np.zeros(())))
    require(scale.size == 1, f'{where}: multiplier is no number')
    if ARCHETYPAL <= set(t):
        weights, points, relax = (t[n] for n in ('dictionary.W', 'dictionary.C',
                                                 'dictionary.Relax'))
        require(weights.ndim == points.ndim == 2 and weights.shape[1] == len(points)
                and relax.shape == (len(weights), points.shape[1]),
                f'{where}: W, C and Relax do '
                'not fit each other')
        return (weights @ points + relax) * scale.item()
    require(how in NORMALISATIONS, f'{where}: the file does not say how its dictionary is '
            f'normalised: pass normalization, one of {", ".join(NORMALISATIONS)}')
    w, = take(t, 'dictionary._weights', where=where)
    require(w.ndim == 2 and w.size > 0, f'{where}: dictionary._weights has shape {w.shape}')
    if how != 'identity':
        size = np.abs(w).sum(1, keepdims=True) if 'l1' in how else np.linalg.norm(
            w, axis=1, keepdims=True)
        w = w / (size.max() if 'max' in how else size + 1e-8)
    return w * scale.item()
