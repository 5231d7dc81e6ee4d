import dataclasses
import json

import jax
import numpy as np
import pytest

from saex.config import ConfigError, build
from saex.data.sources import harvest
from saex.data.worlds import _text_properties as properties
from saex.data.worlds.text import Text
from saex.subjects.decoder import Decoder
from saex.subjects.network import Network

WORDS = 'the quick brown Fox jumps "over 7 lazy" dogs (and some cats) now.\n'.split(' ')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp('text')
    rng = np.random.default_rng(0)
    with open(path / 'a.jsonl', 'w', encoding='utf-8') as file:
        for _ in range(60):
            file.write(json.dumps({'text': ' '.join(rng.choice(WORDS, 40))}) + '\n')
    return path


@pytest.fixture(scope='module')
def world(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SAEX_CACHE', str(tmp_path_factory.mktemp('cache')))
        made = Text(path=str(folder), vocab_size=300, length=12, packing='examples')
        assert made.problems() == []
    return made


def test_samples_are_a_function_of_the_key_and_masks_are_applied(world):
    one, two = world.sample(jax.random.key(3), 50), world.sample(jax.random.key(3), 50)
    jax.tree.map(np.testing.assert_array_equal, one, two)
    tokens, harvest_ = np.asarray(one['tokens']), np.asarray(one['harvest'])
    np.testing.assert_array_equal(tokens[:, 1:], one['targets'][:, :-1])
    assert not harvest_[:, 0].any() and harvest_[:, 1:].mean() > 0.9
    np.testing.assert_array_equal(harvest_, ~np.isin(tokens, (0, 1, 2)))
    bare = dataclasses.replace(world, mask=())
    assert np.asarray(bare.sample(jax.random.key(3), 50)['harvest']).all()
    assert bare.fingerprint != world.fingerprint


def test_held_out_documents_are_not_those_of_training(world):
    texts = [{world.tokens.text(row) for row in w.rows.tokens}
             for w in (world, world.held_out())]
    assert texts[1] and not texts[0] & texts[1]


def test_properties_of_a_line_read_by_hand():
    names = ('a', ' "', 'B', '"', '\n', '  ', 'x', '(', ')', '7', '>>>', '_')
    tokens = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 4, 10, 11, 6]])
    offset = np.arange(14)[None].copy()
    found = properties.context(names, tokens, offset)[0]
    where = {name: np.flatnonzero(found[:, i]).tolist()
             for i, name in enumerate(properties.CONTEXT)}
    assert where == {
        'previous has a digit': [9], 'previous has a capital': [3],
        'previous is punctuation': [2, 4, 8, 10, 12, 13], 'in double quotes': [1, 2],
        'in brackets': [7, 8], 'late in a line': [], 'in an indented line': [5, 6, 7, 8, 9],
        'in a doctest': [11, 12, 13], 'after an underscore': [13], 'late in a document': []}
    offset[0, 2:] -= 2                                     # a new document at 2
    new = properties.context(names, tokens, offset)[0]
    assert not new[2].any() and new[4, 3]        # the quote at 3 opens now


@pytest.mark.parametrize('fields, told', [
    ({'packing': 'pack'}, "packing: no 'pack'; did you mean packed?"),
    ({'mask': ('boss',)}, "mask: no 'boss'; did you mean bos?"),
    ({'vocab_size': 200}, 'vocab_size: expected >= 259'),
    ({'tokenizer': '/absent'}, 'has no tokenizer.json'),
    ({'path': '/absent.txt'}, 'which is absent'),
    ({'length': 100_000}, 'do not fill one row')])
def test_problems_are_told(world, fields, told):
    with pytest.raises(ConfigError) as error:
        build('saex.data.worlds', dict(name='text', **{
            **dict(path=world.path, packing='packed', vocab_size=300), **fields}))
    assert told in str(error.value) and len(error.value.problems) == 1


def test_pretokenised_rows_are_those_of_the_text(world, tmp_path):
    rows = world.rows.tokens[:40]
    np.save(tmp_path / 'ids.npy', rows)
    world.tokens._inner.save(str(tmp_path / 'tokenizer.json'))
    (tmp_path / 'tokenizer_config.json').write_text(json.dumps({'bos_token': '<bos>'}))
    options = dict(path=str(tmp_path / 'ids.npy'), tokenizer=str(tmp_path), length=12)
    made = Text(packing='pretokenised', **options)
    assert made.problems() == [] and made.fingerprint != world.fingerprint
    both = np.concatenate([made.rows.tokens, made.held_out().rows.tokens])
    assert {r.tobytes() for r in both} == {r.tobytes() for r in rows}
    assert not made.sample(jax.random.key(0), 4)['harvest'][:, 0].any()
    found = Text(packing='pretokenised', path=options['path']).problems()
    assert 'the tokenizer that made them' in found[0]
    found = Text(packing='pretokenised', **options | dict(length=16)).problems()
    assert found == ['length: the rows hold 13 ids, length 16 needs 17']


def subject(world, vocab=None, context=None):
    model = Decoder(vocab=vocab or world.vocab, context=context or world.context, layers=2,
                    width=8, heads=2)
    tokens = np.zeros((1, model.context), int)
    params = jax.tree.map(lambda x: 4 * x, model.init(jax.random.key(0), tokens)['params'])
    return Network(model, params)


def source(world, **options):
    options = {'site': 'blocks.0.resid_post', 'sequences': 32} | options
    return harvest.Harvest(world, subject(world), **options)


@pytest.mark.parametrize('options, told', [
    ({'vocab': 100}, 'largest id is'), ({'vocab': 2048}, 'not the tokenizer'),
    ({'context': 8}, 'sequences of 12 tokens, but the subject reads 8')])
def test_a_subject_that_cannot_read_the_text_is_refused(world, options, told):
    with pytest.raises(ConfigError, match=told):
        build('saex.data.sources', dict(name='harvest', site='embed'), world=world,
              subject=subject(world, **options))


def test_several_sites_and_a_target_are_one_forward(world):
    single, key = source(world), jax.random.key(5)
    sites = ('blocks.0.resid_post', 'blocks.1.mlp_out')
    both = source(world, site='', sites=sites, target='blocks.1.resid_post')
    assert both.problems() == [] and both.spec['sites'] == 2
    one, two = single.rows(key, 6), both.rows(key, 6)
    np.testing.assert_allclose(two['x'][:, 0], one['x'], atol=1e-6)
    target = source(world, site='blocks.1.resid_post').rows(key, 6)['x']
    np.testing.assert_allclose(two['y'], target, atol=1e-6)
    batch = both.batch(3, 16)
    assert batch['x'].shape == (16, 2, 8) and batch['y'].shape == (16, 8)
    assert source(world, sites=sites).problems() == ['site: give either site or sites']
    assert both.spec['d_out'] == 8


def test_heads_lie_side_by_side_and_sites_of_one_width(world):
    heads = source(world, site='blocks.0.attn_z')
    assert heads.spec['d_in'] == 8 and heads.rows(jax.random.key(0), 2)['x'].shape[1] == 8
    found = source(world, site='', sites=('embed', 'blocks.0.mlp_act')).problems()
    assert found == ['sites: of different widths, embed 8, blocks.0.mlp_act 32']


def test_tokens_of_high_norm_are_masked_in_training_and_evaluation(world):
    free, held = source(world), source(world, max_norm=1.2)
    key, limit = jax.random.key(5), held.norm_limit
    norms = np.linalg.norm(free.rows(key, 20)['x'], axis=1)
    assert (norms > limit).any() and held.fingerprint != free.fingerprint
    assert len(held.rows(key, 20)['x']) == (norms <= limit).sum()
    assert held.sequences_of(key, 20)['harvest'].sum() == (norms <= limit).sum()
    for step in range(6):
        x = np.asarray(held.batch(step, 32)['x'])
        assert len(x) == 32 and np.linalg.norm(x, axis=1).max() <= limit
