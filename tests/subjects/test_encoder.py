import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.subjects import edits
from saex.subjects.encoder import Encoder, _bicubic
from saex.subjects.layer import Style

SIZES = dict(layers=2, width=8, heads=2)
TEXT = Encoder(vocab=7, context=6, segments=2, embed_norm=True, head='tokens', **SIZES)
IMAGE = Encoder(patch=4, image=8, cls=True, pool='attention', head='pooled', outputs=3,
                style=Style(causal=False, place='both', layer_scale=True), **SIZES)
TOKENS = jax.random.randint(jax.random.key(0), (3, 6), 0, 7)
PIXELS = jax.random.normal(jax.random.key(0), (2, 8, 8, 3))
CASES = [(TEXT, TOKENS), (IMAGE, PIXELS)]
PARAMS = {m: jax.jit(m.init)(jax.random.key(1), *m.example()) for m, _ in CASES}


@pytest.mark.parametrize('model, inputs', CASES, ids=['text', 'image'])
def test_every_site_is_captured_and_identity_edits_are_bit_exact(model, inputs):
    params = PARAMS[model]
    run = jax.jit(model.apply, static_argnames='capture')
    plain, _ = run(params, inputs)
    result, held = run(params, inputs, capture=model.sites())
    assert set(held) == set(model.sites()) and not model.problems()
    length = held['embed'].shape[1]
    assert all(v.shape[-1] == (length if s.endswith('attn_pattern') else model.site_width(s))
               for s, v in held.items())
    same = [edits.identity(s) for s in model.sites()]
    np.testing.assert_array_equal(run(params, inputs, edits=same)[0], plain)
    np.testing.assert_array_equal(result, plain)
    np.testing.assert_array_equal(held['logits'], plain)


def test_both_directions_and_padding_is_inert():
    run = jax.jit(lambda t, mask=None: TEXT.apply(PARAMS[TEXT], t, mask=mask)[0])
    mask = jnp.ones((3, 6)).at[0, 4:].set(0).at[1, :2].set(0)
    other = jnp.where(mask > 0, TOKENS, (TOKENS + 1) % 7)
    a, b = (run(t, mask) for t in (TOKENS, other))
    np.testing.assert_array_equal(a[mask > 0], b[mask > 0])
    alone = run(TOKENS[1:2, 2:])
    np.testing.assert_allclose(a[1, 2:], alone[0], atol=1e-6)
    changed = run(TOKENS.at[2, 5].set((TOKENS[2, 5] + 1) % 7), mask)
    assert np.abs(changed[2, 0] - a[2, 0]).max() > 1e-4


def test_bicubic_by_hand():
    """Doubling reads at -1/4 and 1/4 of a cell; a = -3/4 gives w(1/4) = 115/128."""
    np.testing.assert_array_equal(_bicubic(3, 3), np.eye(3))
    row = _bicubic(8, 16)[8]                # at 3.75: cells 2, 3, 4, 5
    np.testing.assert_allclose(row[2:6] * 256, [-9, 67, 225, -27], atol=1e-5)
    np.testing.assert_allclose(_bicubic(5, 7).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize('fields, line', [
    (dict(), 'vocab: expected either vocab or patch'),
    (dict(vocab=3, patch=2), 'vocab: expected either'),
    (dict(vocab=3, pool='mean'), "pool: expected one of '', 'first'"),
    (dict(vocab=3, head='pooled'), 'head: pooled needs a pool'),
    (dict(patch=2, head='tokens'), 'head: tokens needs a vocab'),
    (dict(vocab=3, width=9), 'width: expected a multiple of heads')])
def test_problems(fields, line):
    assert any(p.startswith(line) for p in Encoder(**fields).problems())


def test_wrong_inputs_are_named():
    with pytest.raises(config.ConfigError, match='9 positions; the subject has 6'):
        TEXT.apply(PARAMS[TEXT], jnp.zeros((1, 9), int))
    with pytest.raises(config.ConfigError, match=r'expected \[n, H, W, 3\], got \[2, 3, 8, 8'):
        IMAGE.apply(PARAMS[IMAGE], PIXELS.transpose(0, 3, 1, 2))
