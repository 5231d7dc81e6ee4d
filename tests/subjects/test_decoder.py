import jax
import numpy as np
import pytest

from saex import config
from saex.subjects import decoder, edits, encoder
from saex.subjects.decoder import Decoder

MODEL = Decoder(vocab=7, context=6, layers=2, width=8, heads=2)
TOKENS = jax.random.randint(jax.random.key(0), (3, 6), 0, 7)
PARAMS = jax.jit(MODEL.init)(jax.random.key(1), TOKENS)


def test_every_site_is_captured_and_identity_edits_are_bit_exact():
    plain, _ = MODEL.apply(PARAMS, TOKENS)
    logits, held = MODEL.apply(PARAMS, TOKENS, capture=MODEL.sites())
    assert set(held) == set(MODEL.sites())
    assert all(v.shape[-1] == (6 if s.endswith('attn_pattern') else MODEL.site_width(s))
               for s, v in held.items())
    same = [edits.identity(s) for s in MODEL.sites()]
    np.testing.assert_array_equal(MODEL.apply(PARAMS, TOKENS, edits=same)[0], plain)
    np.testing.assert_array_equal(logits, plain)
    np.testing.assert_allclose(held['blocks.0.resid_mid'], held['blocks.0.resid_pre']
                               + held['blocks.0.attn_out'], atol=1e-6)


class Bare:
    """In place of Taps: no sites at all."""
    captured = {}

    def __init__(self, *args):
        pass

    def __call__(self, site, x):
        return x

    def layer(self, index):
        return self


@pytest.mark.parametrize('module, model', [
    (decoder, MODEL), (encoder, encoder.Encoder(vocab=7, head='tokens', width=8, heads=2))])
def test_no_edit_and_no_capture_is_the_program_without_sites(monkeypatch, module, model):
    params = jax.eval_shape(model.init, jax.random.key(1), TOKENS)

    def program():
        return str(jax.make_jaxpr(lambda p, t: model.apply(p, t)[0])(params, TOKENS))

    found = program()
    monkeypatch.setattr(module, 'Taps', Bare)
    assert found == program()


def test_a_capture_ends_the_forward():
    def flops(*sites):
        run = jax.jit(lambda p, t: MODEL.apply(p, t, capture=sites)[1])
        return run.lower(PARAMS, TOKENS).compile().cost_analysis()['flops']

    assert flops('blocks.0.attn_in') < 0.2 * flops('blocks.0.resid_post')
    assert flops('blocks.0.resid_post') < 0.6 * flops('logits')


def test_causal():
    changed = TOKENS.at[:, 4].set((TOKENS[:, 4] + 1) % 7)
    a, b = MODEL.apply(PARAMS, TOKENS)[0], MODEL.apply(PARAMS, changed)[0]
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert np.abs(a[:, 4:] - b[:, 4:]).max() > 1e-3


def test_unknown_site_is_named():
    with pytest.raises(config.ConfigError, match='did you mean blocks.0.resid_post'):
        MODEL.apply(PARAMS, TOKENS, capture=('blocks.0.resid_pos',))
