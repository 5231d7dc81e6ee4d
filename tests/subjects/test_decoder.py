import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.subjects import edits
from saex.subjects.decoder import Decoder

MODEL = Decoder(vocab=7, context=6, layers=2, width=8, heads=2)
TOKENS = jax.random.randint(jax.random.key(0), (3, 6), 0, 7)
PARAMS = MODEL.init(jax.random.key(1), TOKENS)


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


def test_no_edit_and_no_capture_is_the_plain_program():
    plain = jax.make_jaxpr(lambda: MODEL.apply(PARAMS, TOKENS)[0])()
    empty = jax.make_jaxpr(lambda: MODEL.apply(PARAMS, TOKENS, edits=(), capture=())[0])()
    assert str(plain) == str(empty)


def test_causal():
    changed = TOKENS.at[:, 4].set((TOKENS[:, 4] + 1) % 7)
    a, b = MODEL.apply(PARAMS, TOKENS)[0], MODEL.apply(PARAMS, changed)[0]
    np.testing.assert_array_equal(a[:, :4], b[:, :4])
    assert np.abs(a[:, 4:] - b[:, 4:]).max() > 1e-3


def test_unknown_site_is_named():
    with pytest.raises(config.ConfigError, match='did you mean blocks.0.resid_post'):
        MODEL.apply(PARAMS, TOKENS, capture=('blocks.0.resid_pos',))
