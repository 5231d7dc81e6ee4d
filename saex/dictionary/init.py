"""Initial parameters from a sample of data.

Each function `(key, params, sample, **options) -> params` fills one of three slots, which
run in this order: the atoms, the bias, the encoder. params are the plain dicts of the
model; sample [N, D] is transformed data.
"""
import jax
import jax.numpy as jnp

from saex.ops import moments

def gaussian_rows(key, params, sample, norm: float = 1.0):
    """Atoms in random directions with Euclidean norm `norm`."""
    w = jax.random.normal(key, params['decoder']['w_dec'].shape)
    w = norm * w / jnp.linalg.norm(w, axis=-1, keepdims=True)
    return _put(params, 'decoder', w_dec=w)


def data_rows(key, params, sample, norm: float = 1.0):
    """Atoms are centred data points, drawn with replacement, of norm `norm`."""
    w_dec = params['decoder']['w_dec']
    rows = jax.random.randint(key, (w_dec.shape[0],), 0, sample.shape[0])
    w = (sample - sample.mean(0))[rows]
    w = norm * w / jnp.maximum(jnp.linalg.norm(w, axis=-1, keepdims=True), 1e-8)
    return _put(params, 'decoder', w_dec=w)


def zero(key, params, sample):
    """b_dec = 0."""
    return _put(params, 'decoder', b_dec=jnp.zeros_like(params['decoder']['b_dec']))


def mean(key, params, sample):
    """b_dec = mean of the sample."""
    return _put(params, 'decoder', b_dec=sample.mean(0))


def geometric_median(key, params, sample):
    """b_dec = geometric median of the sample (Bricken et al. 2023, Gao et al. 2024)."""
    return _put(params, 'decoder', b_dec=moments.geometric_median(sample))


def tied(key, params, sample, gain: float = 1.0):
    """w_enc = gain * transpose of the atoms, b_enc = 0 (untied afterwards)."""
    params = _put(params, 'encoder', w_enc=gain * params['decoder']['w_dec'].T)
    if 'b_enc' in params['encoder']:
        params = _put(params, 'encoder', b_enc=jnp.zeros_like(params['encoder']['b_enc']))
    return params


def keep(key, params, sample):
    """Whatever the modules' own initialisers made."""
    return params


def _put(params, part, **leaves):
    """params with some leaves replaced, in the dtype they had."""
    old = params[part]
    new = {k: v.astype(old[k].dtype) for k, v in leaves.items()}
    return {**params, part: {**old, **new}}
