"""What rows carry beside x, several layers in one dictionary, pooling, and the way through a
store."""
import dataclasses
import json

import jax
import ml_dtypes
import numpy as np
import pytest

from saex.config import ConfigError, build
from saex.data.sources.harvest import Harvest
from saex.data.sources.mixed import Mixed
from saex.data.sources.stored import Stored
from saex.data.store.layout import StoreError
from saex.data.worlds.rooms import Rooms
from saex.data.worlds.text import Text
from saex.subjects.decoder import Decoder
from saex.subjects.network import Network

SITES = ('blocks.0.resid_post', 'blocks.1.resid_post')


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    path = tmp_path_factory.mktemp('text')
    rng, words = np.random.default_rng(0), 'the quick (brown) fox "jumps" over 7 dogs'.split()
    with open(path / 'a.jsonl', 'w', encoding='utf-8') as file:
        for _ in range(30):
            file.write(json.dumps({'text': ' '.join(rng.choice(words, 40))}) + '\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('SAEX_CACHE', str(tmp_path_factory.mktemp('cache')))
        made = Text(path=str(path), vocab_size=280, length=12)
        made.rows.tokens
    return made


@pytest.fixture(scope='module')
def subject(world):
    model = Decoder(vocab=world.vocab, context=12, layers=2, width=8, heads=2)
    params = model.init(jax.random.key(0), np.zeros((1, 12), int))['params']
    return Network(model, params)


@pytest.fixture(scope='module')
def truth(world, subject):
    """(document, position) -> the row at every site of the first block, and its label."""
    batch = world.at(np.arange(world.count))
    held = subject.capture(batch['tokens'], SITES)
    keys = zip(np.asarray(batch['document']).ravel(), np.asarray(batch['offset']).ravel())
    values = [np.asarray(held[s]).reshape(-1, 8) for s in SITES]
    states = np.asarray(batch['states']).reshape(len(values[0]), -1)
    return {key: (*row, label) for key, *row, label in zip(keys, *values, states)}


def chunks(source):
    found, i = [], 0
    while (made := source.chunk(i)) is not None:
        found.append(made)
        i += 1
    return {k: np.concatenate([f[k] for f in found]) for k in found[0]}


def test_a_pass_gives_every_token_once_with_its_place_and_label(world, subject, truth):
    source = Harvest(world, subject, SITES[0], sequences=50, beside=('labels',))
    rows = chunks(source)
    places = [tuple(p) for p in rows['where'][:, :2]]
    wanted = world.wanted(world.rows.tokens[:, :-1], world.rows.document[:, :-1])
    assert len(set(places)) == len(places) == wanted.sum()
    for x, label, place in zip(rows['x'], rows['labels'], places):
        np.testing.assert_allclose(x, truth[place][0], atol=2e-5)
        np.testing.assert_array_equal(label, truth[place][2])
    flat = world.rows
    tokens = dict(zip(zip(flat.document.ravel(), flat.offset.ravel()), flat.tokens.ravel()))
    assert [tokens[p] for p in places] == rows['where'][:, 2].tolist()
    assert (np.diff(rows['where'][:, 0]) == 0).mean() < 0.1          # shuffled


def test_layers_are_mixed_as_rows_of_their_own(world, subject, truth):
    source = Harvest(world, subject, sites=SITES, mix=True, sequences=world.count)
    assert source.problems() == [] and source.spec['keys'] == ('site',)
    assert source.spec['d_in'] == 8 and 'sites' not in source.spec
    rows = chunks(source)
    assert (np.bincount(rows['site']) == len(rows['x']) // 2).all()
    for x, site, place in zip(rows['x'], rows['site'], rows['where']):
        np.testing.assert_allclose(x, truth[tuple(place[:2])][site], atol=2e-5)
    batch = source.batch(0, 64)
    assert batch['x'].shape == (64, 8) and set(np.asarray(batch['site'])) == {0, 1}
    assert set(source.rows(jax.random.key(0), 4)) == {'x', 'mask', 'sequence'}


def test_a_pair_is_the_row_before_in_the_same_document(world, subject, truth):
    rows = chunks(Harvest(world, subject, SITES[0], sequences=world.count, beside=('pair',)))
    assert len(rows['x']) > 300
    for pair, (document, position, _) in zip(rows['pair'], rows['where']):
        np.testing.assert_allclose(pair, truth[document, position - 1][0], atol=2e-5)
    source = Harvest(world, subject, SITES[0], sequences=world.count, beside=('pair',))
    assert source.batch(0, 32)['pair'].shape == (32, 8)


def test_the_gradient_is_that_of_a_finite_difference(world, subject):
    from saex.data.sources import _columns
    from saex.subjects import objective
    from saex.subjects.edits import Edit
    batch = world.at(np.arange(world.count))
    grad = np.asarray(_columns.gradients(subject, batch, SITES[0]))[1]
    largest = np.unravel_index(np.abs(grad).argmax(), grad.shape)

    def loss(delta):
        shift = np.zeros((world.count, 12, 8), np.float32)
        shift[1][largest] = delta
        edit = Edit(SITES[0], lambda args, x: x + args, shift)
        logits = subject.logits(batch['tokens'], (edit,))
        rows = objective.cross_entropy(logits, batch) * batch['weights']
        return np.asarray(rows)[1].sum(dtype=np.float64)

    np.testing.assert_allclose(grad[largest], (loss(.1) - loss(-.1)) / .2, rtol=2e-2)
    source = Harvest(world, subject, SITES[0], sequences=world.count, beside=('grad',))
    assert source.spec['keys'] == ('grad',) and np.abs(source.batch(0, 8)['grad']).max() > 0


@pytest.mark.parametrize('pool', ['mean', 'first'])
def test_a_pooled_row_is_a_sequence(world, subject, pool):
    short = dataclasses.replace(world, packing='split')
    source = Harvest(short, subject, SITES[0], sequences=short.count, pool=pool)
    rows = chunks(source)
    batch = short.at(np.arange(short.count))
    x = np.asarray(subject.capture(batch['tokens'], SITES[0], batch['real']))
    real = np.asarray(batch['real'])
    assert len(rows['x']) == short.count and not real.all()
    places = {(int(d), int(o)): i for i, (d, o) in enumerate(
        zip(batch['document'][:, 0], batch['offset'][:, 0]))}
    assert len(places) == short.count
    for row, where in zip(rows['x'], rows['where']):
        i = places[tuple(where[:2].tolist())]
        wanted = x[i, 0] if pool == 'first' else x[i][real[i]].mean(0)
        np.testing.assert_allclose(row, wanted, atol=2e-5)
    found = source.rows(jax.random.key(1), 5)
    assert found['x'].shape == (5, 8) and found['sequence'].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize('options, told', [
    (dict(beside=('label',)), "beside: no 'label'; did you mean labels?"),
    (dict(pool='max'), "pool: no 'max'"),
    (dict(mix=True), 'mix: needs sites'),
    (dict(pool='mean', beside=('pair',)), 'pool: a row is a whole sequence'),
    (dict(site='', sites=SITES, beside=('grad',)), 'beside: grad is of one site'),
    (dict(site='blocks.9.resid_post'), 'site: no')])
def test_problems_are_told(world, subject, options, told):
    found = Harvest(world, subject, **{'site': SITES[0]} | options).problems()
    assert len(found) == 1 and told in found[0]


def stored(world, subject, path, **options):
    section = dict(site=SITES[0], sequences=world.count) | options.pop('harvest', {})
    return Stored(world, subject, section, str(path), shard=256, block=32, window=512,
                  **options)


def test_a_store_gives_the_rows_of_the_harvest(world, subject, truth, tmp_path):
    source = stored(world, subject, tmp_path / 'a', harvest=dict(beside=('labels',)))
    assert source.problems() == [] and source.spec == source.live.spec
    assert source.splice_site == SITES[0]
    live, n = chunks(source.live), len(chunks(source.live)['x'])
    batches = [source.batch(i, 64) for i in range(n // 64)]
    x = np.concatenate([b['x'] for b in batches])
    assert x.dtype == ml_dtypes.bfloat16 and 'where' not in batches[0]
    wanted = live['x'].astype(ml_dtypes.bfloat16)
    assert {r.tobytes() for r in x} <= {r.tobytes() for r in wanted}
    assert source.store.rows == n and source.store.provenance == source.live.about
    again = stored(world, subject, tmp_path / 'a', harvest=dict(beside=('labels',)))
    assert again.fingerprint == source.fingerprint
    np.testing.assert_array_equal(again.batch(7, 64)['x'], source.batch(7, 64)['x'])


def test_several_sites_and_a_target_by_way_of_a_store(world, subject, truth, tmp_path):
    source = stored(world, subject, tmp_path / 'a', dtype='float32',
                    harvest=dict(site='', sites=SITES, target=SITES[1]))
    assert source.spec['sites'] == 2 and source.spec['d_out'] == 8
    batch = source.batch(2, 64)
    assert batch['x'].shape == (64, 2, 8)
    np.testing.assert_array_equal(batch['x'][:, 1], batch['y'])
    first = source.store.ask(0, 1, ['x', 'where'])()
    wanted = truth[tuple(first['where'][0, :2])]
    np.testing.assert_allclose(first['x'][0], np.stack(wanted[:2]), atol=2e-5)


@pytest.mark.parametrize('change, told', [
    (dict(harvest=dict(site=SITES[1])), r"sites is \['blocks.0.resid_post'\], asked for"),
    (dict(mask=()), "mask is .*, asked for .*world is"),
    (dict(scale=2.0), 'model is .*, asked for'),
    (dict(store_rows=128), '.*slots is .*, asked for 128')])
def test_a_store_of_something_else_is_refused(world, subject, tmp_path, change, told):
    path = tmp_path / 'a'
    stored(world, subject, path).store
    other = dict(change)
    if 'mask' in other:
        world = dataclasses.replace(world, mask=other.pop('mask'))
    if 'scale' in other:
        scale = other.pop('scale')
        subject = Network(subject.model, jax.tree.map(lambda x: scale * x, subject.params))
    with pytest.raises(StoreError, match=f'holds other activations: {told}'):
        stored(world, subject, path, **other).batch(0, 8)


@pytest.mark.parametrize('options, told', [
    (dict(dtype='int8'), "dtype: no 'int8'"), (dict(shard=100), 'shard: expected a multiple'),
    (dict(harvest=dict(site='embd')), "site: no 'embd'; did you mean embed?")])
def test_problems_of_a_store(world, subject, tmp_path, options, told):
    section = dict(name='stored', path=str(tmp_path / 'a'), harvest=dict(site=SITES[0]))
    with pytest.raises(ConfigError, match=told) as error:
        build('saex.data.sources', section | options, world=world, subject=subject, seed=0)
    assert len(error.value.problems) == 1


def test_a_world_that_does_not_end_needs_a_number_of_rows():
    world = Rooms(size=2, colours=2, moves=6, score_from=4)
    subject = Network(Decoder(vocab=world.vocab, context=world.context, layers=1, width=8,
                              heads=2))
    section = dict(name='stored', harvest=dict(site='embed'))
    with pytest.raises(ConfigError, match='store_rows: this world does not end'):
        build('saex.data.sources', section, world=world, subject=subject, seed=0)


def test_sources_are_mixed_by_weight(world, subject):
    sources = {'a': dict(name='harvest', site=SITES[0], sequences=world.count, weight=3.0),
               'b': dict(name='planted', d_in=8, features=20, l0=2.0)}
    mixed = Mixed(sources, 0, world, subject)
    assert mixed.problems() == [] and mixed.spec['d_in'] == 8
    assert mixed.shares(64) == [48, 16] and mixed.shares(10) == [8, 2]
    batch, again = mixed.batch(3, 64), Mixed(sources, 0, world, subject).batch(3, 64)
    np.testing.assert_array_equal(batch['x'], again['x'])
    assert np.bincount(batch['source']).tolist() == [48, 16]
    np.testing.assert_array_equal(batch['x'][:48], mixed.parts[0].batch(3, 48)['x'])
    other = sources | {'b': sources['b'] | dict(d_in=16)}
    assert 'differ in width' in Mixed(other, 0, world, subject).problems()[0]
    with pytest.raises(ConfigError, match='source.sources.b.feature: unknown'):
        Mixed(sources | {'b': dict(name='planted', feature=3)}, 0, world, subject)
