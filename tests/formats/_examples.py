"""One small canonical dictionary of every kind."""
import numpy as np

from saex.formats.canonical import Canonical, checked

D, F, E, S = 5, 12, 4, 3
PURSUIT = {'residual_threshold': 0.1, 'max_iterations': 4,
           'stop_on_duplicate_support': True}


def canonical(activation='relu', d_out=None, seed=0, **changes):
    """An autoencoder of D inputs and F latents, or a transcoder where d_out is given."""
    rng = np.random.default_rng(seed)
    e = d_out or D
    options = {'k': 3} if activation in ('topk', 'abs_topk', 'groupmax',
                                         'batch_topk') else {}
    parts = {'options': PURSUIT if activation == 'matching_pursuit' else options}
    if activation in ('jumprelu', 'batch_topk'):
        parts['threshold'] = rng.uniform(0.1, 0.6, F)
    if activation == 'batch_topk':
        parts['threshold'] = np.full(F, 0.4)
    if activation == 'gated':
        parts |= {'r_mag': rng.normal(0, 0.3, F), 'b_mag': rng.normal(0, 0.3, F)}
    w_dec = rng.normal(size=(F, e))
    if activation == 'matching_pursuit':
        w_dec /= np.linalg.norm(w_dec, axis=1, keepdims=True)
    w_enc = None if activation == 'matching_pursuit' else rng.normal(size=(D, F))
    return checked(Canonical(**{
        'w_enc': w_enc, 'b_enc': np.zeros(F) if w_enc is None else rng.normal(0, 0.3, F),
        'w_dec': w_dec, 'b_dec': rng.normal(size=e), 'activation': activation} | parts
                             | changes))


def crosscoder(activation='relu', seed=0, e=E, **changes):
    rng = np.random.default_rng(seed)
    return canonical(activation, seed=seed, kind='crosscoder',
                     w_enc=rng.normal(size=(S, D, F)),
                     w_dec=rng.normal(size=(F, S, e)), b_dec=rng.normal(size=(S, e)),
                     **changes)


def cross_layer(seed=0, skip=False, **changes):
    rng = np.random.default_rng(seed)
    return checked(Canonical(**{
        'w_enc': rng.normal(size=(S, D, F)), 'b_enc': rng.normal(0, 0.3, (S, F)),
        'w_dec': tuple(rng.normal(size=(F, S - i, D)) for i in range(S)),
        'b_dec': rng.normal(size=(S, D)), 'activation': 'jumprelu', 'kind': 'cross_layer',
        'threshold': rng.uniform(0.1, 0.6, (S, F)),
        'w_skip': rng.normal(size=(S, D, D)) if skip else None} | changes))


def rows(c, n=32, seed=7):
    """Raw activations [n, ...] in the shape c reads."""
    shape = (c.d_in,) if c.kind == 'single' else (c.sites, c.d_in)
    return np.random.default_rng(seed).normal(0.5, 2.0, (n, *shape)).astype(np.float32)


def same(a, b, x=None, atol=2e-5, codes=True):
    """a and b give the same codes and reconstructions."""
    x = rows(a) if x is None else x
    scale = max(1.0, float(np.abs(a.reconstruct(x)).max()))
    if codes:
        np.testing.assert_allclose(b.encode(x), a.encode(x), atol=atol * scale)
    np.testing.assert_allclose(b.reconstruct(x), a.reconstruct(x), atol=atol * scale)
    assert (a.encode(x) != 0).any()
