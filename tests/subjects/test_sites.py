"""docs/sites.md is current, and what it says is so."""
import importlib.util
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex.subjects import sites
from saex.subjects.checkpoints.load import load

ROOT = pathlib.Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location('make_sites', ROOT / 'docs/make_sites.py')
make = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(make)
MODELS = make.models()


def test_the_page_is_current():
    assert (ROOT / 'docs/sites.md').read_text() == make.page(), 'python docs/make_sites.py'


@pytest.mark.parametrize('family', MODELS)
def test_every_site_has_the_shape_that_the_page_says(family):
    model = MODELS[family]
    told = sites.describe(model)
    assert list(told) == list(dict.fromkeys(s.rsplit('.', 1)[-1] for s in model.sites()))
    inputs = jax.ShapeDtypeStruct((3, 5), jnp.int32)
    if not model.vocab:
        inputs = jax.ShapeDtypeStruct((3, model.image, model.image, 3), jnp.float32)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), *model.example()))
    held = jax.eval_shape(lambda p, x: model.apply(p, x, capture=model.sites())[1],
                          params, inputs)
    s, length = model.style, held['embed'].shape[1]
    sizes = dict(n=3, T=length, S=length, D=model.width, H=model.heads, h=model.head_dim,
                 G=s.kv_heads or model.heads, V=model.vocab, M=model.site_width('mlp_act'),
                 P=getattr(model, 'outputs', 0))
    for site, value in held.items():
        letters = told[site.rsplit('.', 1)[-1]][0].strip('[]').split(', ')
        assert value.shape == tuple(sizes[c] for c in letters), site


@pytest.mark.parametrize('family', ['gpt_neox', 'bert', 'gemma2', 'dinov2'])
def test_the_stream_adds_up_as_the_page_says(family):
    network = load(make.GOLDEN / family)
    inputs = jnp.array([[3, 5, 7, 4]]) if network.model.vocab else jax.random.normal(
        jax.random.key(0), (1, 8, 8, 3))
    model, params = network.model, network.params['blocks_1']
    names = [s for s in model.sites() if s.startswith('blocks.1.')]
    held = {k.rsplit('.', 1)[-1]: v for k, v in network.capture(inputs, names).items()}

    def norm(name, x):
        p = {k: np.asarray(v) for k, v in params[name].items()}
        if 'bias' in p:
            x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x ** 2).mean(-1, keepdims=True) + model.style.eps)
        return x * p['scale'] + p['bias'] if 'bias' in p else x * (1 + p['scale'])

    values = dict(held, x=held['resid_pre'])
    for site, (_, where) in sites.describe(model).items():
        if site not in held:
            continue
        rule = where.split(';')[0].removesuffix(' itself')
        inner = rule[rule.index('(') + 1:-1] if rule.startswith('N') else rule
        terms = [t.strip() for t in inner.split(' + ')]
        if not set(terms) <= set(values):
            continue
        total = sum(np.asarray(values[t]) for t in terms)
        if rule.startswith('N'):
            module = {'attn_in': 'ln_attn', 'mlp_in': 'ln_mlp', 'resid_mid': 'ln_attn',
                      'resid_post': 'ln_mlp', 'attn_out': 'ln_attn_out',
                      'mlp_out': 'ln_mlp_out'}[site]
            total = norm(module, total)
        np.testing.assert_allclose(held[site], total, atol=2e-5, err_msg=site)
