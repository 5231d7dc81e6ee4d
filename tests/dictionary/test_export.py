"""The SAELens folder reproduces the dictionary on raw activations, by plain numpy."""
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from saex.dictionary import build
from saex.formats import native
from saex.train import dictionary

X = 5.0 + 3.0 * jax.random.normal(jax.random.key(1), (64, 8))
SELECTORS = [dict(name='relu'), dict(name='topk', k=3), dict(name='batch_topk', k=3.0),
             dict(name='jumprelu', init=0.4, bandwidth=0.5)]


@pytest.mark.parametrize('selector', SELECTORS, ids=lambda s: s['name'])
def test_numpy_reading_of_the_folder_equals_the_dictionary(selector, tmp_path):
    model = build.dictionary(dict(features=24, selector=selector, transform=dict(
        name='chain', parts=('centre', dict(name='scale', to='width')))), 8)
    params, stats = dictionary.initialise_on(
        model, build.initialiser({'bias': 'mean'}), jax.random.key(0), X)
    params['decoder']['b_dec'] += 0.3
    params['encoder']['b_enc'] += 0.1
    if selector['name'] == 'batch_topk':
        stats['selector'] = {'threshold_total': jnp.float32(0.01),
                             'threshold_weight': jnp.float32(0.02)}
    native.save(tmp_path / 'sae', model, params, stats, {'hook_name': 'here'})
    t = load_file(tmp_path / 'sae' / 'sae_weights.safetensors')
    cfg = json.loads((tmp_path / 'sae' / 'cfg.json').read_text())
    assert cfg['apply_b_dec_to_input'] is False and cfg['d_sae'] == 24
    pre = np.asarray(X) @ t['W_enc'] + t['b_enc']
    codes = np.maximum(pre, 0)
    if cfg['architecture'] == 'jumprelu':
        codes = codes * (pre > t['threshold'])
    if cfg['architecture'] == 'topk':
        keep = np.argsort(np.argsort(-codes, axis=1), axis=1) < cfg['k']
        codes = codes * keep
    ours = model.apply({'params': params, 'stats': stats}, X, method='reconstruct')
    np.testing.assert_allclose(codes @ t['W_dec'] + t['b_dec'], ours, atol=2e-4)
    assert 0 < (codes > 0).sum() < codes.size
