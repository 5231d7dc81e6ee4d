import jax
import numpy as np
import pytest

from saex.data.sources.harvest import Harvest
from saex.data.sources.planted import Planted
from saex.data.worlds.rooms import Rooms
from saex.subjects.decoder import Decoder
from saex.subjects.network import Network


@pytest.mark.parametrize('law', ['zipf', 'uniform', 'linear'])
@pytest.mark.parametrize('rank', [0, 4])
def test_features_fire_as_often_as_asked(law, rank):
    source = Planted(d_in=16, features=40, law=law, l0=5.0, correlation_rank=rank)
    p, n = source.probabilities, 20000
    assert abs(p.sum() - 5) < 1e-6 and p.max() <= 0.5 + 1e-9
    rows = source.rows(jax.random.key(0), n)
    found = (np.asarray(rows['true_codes']) > 0).mean(0)
    assert (np.abs(found - p) < 4.5 * np.sqrt(p * (1 - p) / n) + 1e-3).all()
    np.testing.assert_allclose(rows['x'], rows['true_codes'] @ source.dictionary(),
                               atol=1e-5)


def test_planted_batches_are_a_function_of_the_step():
    one, two = Planted(features=20), Planted(features=20)
    one.batch(0, 8)
    np.testing.assert_array_equal(one.batch(5, 8)['x'], two.batch(5, 8)['x'])
    assert one.fingerprint == two.fingerprint != Planted(features=21, seed=1).fingerprint
    assert np.linalg.matrix_rank(Planted(subspace=5).dictionary(), tol=1e-4) == 5


def harvest(**options):
    world = Rooms(size=2, colours=2, moves=6, score_from=4)
    model = Decoder(vocab=world.vocab, context=world.context, layers=2, width=8, heads=2)
    params = model.init(jax.random.key(0), np.zeros((1, world.context), int))['params']
    return Harvest(world, Network(model, params), 'blocks.0.resid_post', sequences=32,
                   **options)


def test_harvest_batches_are_a_function_of_the_step_and_repeat_nothing():
    one, two = harvest(), harvest()
    count = len(one._chunk(0)['x']) // 16
    held = [np.asarray(one.batch(i, 16)['x']) for i in range(count)]
    np.testing.assert_array_equal(two.batch(3, 16)['x'], held[3])
    np.testing.assert_array_equal(np.concatenate(held), one._chunk(0)['x'][:16 * count])
    assert np.abs(np.asarray(one.batch(count, 16)['x']) - held[0]).max() > 0.1


def test_kept_chunks_come_again_in_another_order():
    one, two = harvest(chunks=2), harvest(chunks=2)
    first, second, again = (np.asarray(one._chunk(i)['x']) for i in (0, 1, 2))
    assert np.abs(first - second).max() > 0.1 and np.abs(first - again).max() > 0.1
    np.testing.assert_array_equal(np.sort(first, axis=0), np.sort(again, axis=0))
    np.testing.assert_array_equal(two._chunk(2)['x'], again)
    assert one.fingerprint != harvest().fingerprint
    assert harvest(chunks=-1).problems() == [
        'chunks: expected 0 (fresh for ever) or more, got -1']


def test_rows_align_with_states_and_tokens():
    source = harvest()
    key = jax.random.key(4)
    rows, batch = source.rows(key, 5), source.sequences_of(key, 5)
    x = source.subject.capture(batch['tokens'], source.site)
    for i, (n, t) in enumerate(zip(rows['sequence'], rows['position'])):
        np.testing.assert_allclose(rows['x'][i], x[n, t], rtol=1e-6)
        np.testing.assert_array_equal(rows['states'][i], batch['states'][n, t])
        np.testing.assert_array_equal(rows['window'][i], batch['tokens'][n, t - 2:t + 1])
