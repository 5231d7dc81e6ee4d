"""Cached decoding under an edit equals the full forward; sampling; stopping."""
import pathlib

import jax
from jax.sharding import Mesh
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.subjects import edits, where
from saex.subjects.checkpoints import shard
from saex.subjects.checkpoints.load import load
from saex.subjects.generate import _sample, generate

GOLDEN = pathlib.Path(__file__).parent / 'golden'
PROMPTS = np.array([[3, 5, 7, 4, 9, 2], [1, 1, 8, 3, 6, 4], [5, 9, 3, 2, 1, 1]])
MASK = np.array([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
STEPS = 6


def test_cached_decoding_equals_the_full_forward():
    """Left and right padding, edits by position, on the prompt and on what is written."""
    network = load(GOLDEN / 'gemma3_text')
    sites = ('blocks.0.resid_post', 'blocks.1.mlp_out', 'blocks.1.attn_z', 'logits')
    v = jax.random.normal(jax.random.key(1), (8,))
    changes = (edits.add(sites[0], v, 2.0, where.generated()),
               edits.add_relative(sites[1], v, 0.5, where.span(2, 8)),
               edits.project_out(sites[0], v, where.last() | where.tokens([4])))
    raw = f'{sites[0]}:raw'
    out = generate(network, PROMPTS, STEPS, mask=MASK, edits=changes, capture=(*sites, raw))
    moved = out.captured[sites[0]] - out.captured[raw]
    assert np.abs(moved).max(-1)[:, -STEPS + 1:].min() > 0.5
    tokens = np.concatenate([PROMPTS, out.tokens[:, :-1]], axis=1)
    mask = np.concatenate([MASK, np.ones((3, STEPS - 1), int)], axis=1)
    prompt = np.concatenate([MASK, np.zeros((3, STEPS - 1), int)], axis=1)
    _, full = jax.jit(lambda p: network.model.apply(
        {'params': p}, tokens, mask=mask, prompt=prompt, edits=changes, capture=sites))(
            network.params)
    for site in sites:
        np.testing.assert_allclose(np.asarray(out.captured[site])[mask > 0],
                                   np.asarray(full[site])[mask > 0], atol=1e-5)
    last = jnp.array([5, 5, 3])
    best = jnp.argmax(full['logits'], -1)
    np.testing.assert_array_equal(out.tokens[:, 0], best[jnp.arange(3), last])
    np.testing.assert_array_equal(out.tokens[:, 1:], best[:, 6:])


def test_a_row_is_the_same_alone_and_stops_alone():
    network = load(GOLDEN / 'gpt2')
    many = generate(network, PROMPTS, STEPS, mask=MASK, stop=(99,), pad=98)
    alone = generate(network, PROMPTS[1:2, 2:], STEPS, jax.random.key(0), top_p=0.9)
    np.testing.assert_array_equal(many.tokens[1:2], alone.tokens)      # temperature 0
    tokens = np.concatenate([PROMPTS, many.tokens], axis=1)
    mask = np.concatenate([MASK, many.mask], axis=1)
    full = network.capture(tokens, 'logits', mask=mask).argmax(-1)
    np.testing.assert_array_equal(many.tokens[:, 0], full[jnp.arange(3), [5, 5, 3]])
    np.testing.assert_array_equal(many.tokens[:, 1:], full[:, 6:-1])
    stop = int(many.tokens[1, 2])
    halted = generate(network, PROMPTS, STEPS, mask=MASK, stop=(stop,), pad=98)
    for row in range(3):
        text = many.tokens[row].tolist()
        end = text.index(stop) + 1 if stop in text else STEPS
        assert halted.tokens[row].tolist() == text[:end] + [98] * (STEPS - end)
        assert halted.mask[row].tolist() == [True] * end + [False] * (STEPS - end)


def test_generation_on_a_mesh_and_in_bfloat16():
    mesh = Mesh(np.array(jax.devices()[:4]).reshape(2, 2), ('data', 'model'))
    plain = load(GOLDEN / 'llama')
    spread = load(GOLDEN / 'llama', sharding=shard.over(mesh))
    a, b = (generate(n, PROMPTS, 3, mask=MASK, capture=('logits',)) for n in (plain, spread))
    np.testing.assert_array_equal(a.tokens, b.tokens)
    np.testing.assert_allclose(a.captured['logits'], b.captured['logits'], atol=1e-5)
    half = jax.eval_shape(lambda n: generate(n, PROMPTS, 3, mask=MASK, capture=('logits',)),
                          load(GOLDEN / 'llama', dtype=jnp.bfloat16))
    assert half.captured['logits'].dtype == jnp.bfloat16


@pytest.mark.parametrize('top_k, top_p, temperature, expected', [
    (0, 1.0, 1.0, [0.4, 0.3, 0.2, 0.1]), (2, 1.0, 1.0, [4 / 7, 3 / 7, 0, 0]),
    (0, 0.5, 1.0, [4 / 7, 3 / 7, 0, 0]), (0, 0.3, 1.0, [1, 0, 0, 0]),
    (3, 1.0, 0.5, [16 / 29, 9 / 29, 4 / 29, 0]), (0, 1.0, 0.0, [1, 0, 0, 0])])
def test_sampling(top_k, top_p, temperature, expected):
    logits = jnp.tile(jnp.log(jnp.array([0.4, 0.3, 0.2, 0.1])), (20000, 1))
    how = dict(key=jax.random.key(0), temperature=jnp.float32(temperature))
    how |= {'top_p': jnp.float32(top_p)} if top_p < 1 else {}
    drawn = _sample(logits, 0, how, top_k)
    np.testing.assert_allclose(np.bincount(drawn, minlength=4) / 20000, expected, atol=0.015)


def test_bad_calls_are_named():
    network = load(GOLDEN / 'gpt2')
    for change, line in ((dict(steps=0), 'expected 1 or more tokens and steps, got 6 and 0'),
                         (dict(temperature=1.0), 'samples and needs a key'),
                         (dict(steps=30), '35 positions; the subject has 32'),
                         (dict(tokens=PROMPTS + 5), 'is this its tokenizer')):
        with pytest.raises(config.ConfigError, match=line):
            generate(network, **{'tokens': PROMPTS, 'steps': 2, **change})
