import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.data.worlds import rooms

STEPS = {'north': (-1, 0), 'east': (0, 1), 'south': (1, 0), 'west': (0, -1)}


@functools.cache
def sampled(world, n=200, seed=0):
    batch = jax.jit(world.sample, static_argnums=1)(jax.random.key(seed), n)
    return {name: np.asarray(value) for name, value in batch.items()}


def through(world, room, name):
    """The room behind a door, read from the walls alone; None when there is no door."""
    east, south = world.walls()
    (r, c), (down, right) = divmod(room, world.size), STEPS[name]
    r2, c2 = r + down, c + right
    if not (0 <= r2 < world.size and 0 <= c2 < world.size):
        return None
    shut = {'north': south[r2, c], 'south': south[r, c],
            'east': east[r, c], 'west': east[r, c2]}[name]
    return None if shut else r2 * world.size + c2


@pytest.mark.parametrize('size,colours,moves', [(2, 2, 5), (3, 4, 11), (6, 9, 20)])
def test_sequences_against_a_walker_that_reads_the_walls(size, colours, moves):
    world = rooms.Rooms(size, colours, moves, score_from=1, harvest_from=1)
    batch = sampled(world)
    assert batch['tokens'].shape == (200, world.context) == (200, 2 * moves)
    assert batch['tokens'].dtype == batch['targets'].dtype == np.int32
    np.testing.assert_array_equal(batch['tokens'][:, 1:], batch['targets'][:, :-1])
    assert np.all(batch['states'].sum(axis=-1) == 1) and np.all(batch['weights'] == 1)
    where = batch['states'].argmax(axis=-1)
    for tokens, targets, at in zip(batch['tokens'][:50], batch['targets'], where):
        sequence = np.append(tokens, targets[-1])
        room = at[0]
        for j in range(moves):
            assert sequence[2 * j] == world.colour_of_room[room]
            assert at[2 * j] == at[2 * j + 1] == room
            room = through(world, room, world.token_names[sequence[2 * j + 1]])
            assert room is not None, 'walked through a wall'
        assert sequence[-1] == world.colour_of_room[room]


def test_starts_and_doors_are_uniform():
    world = rooms.Rooms(3, 3, 4, score_from=1)
    batch = sampled(world, 20_000)
    where = batch['states'].argmax(axis=-1)
    starts = np.bincount(where[:, 0], minlength=9) / 20_000
    assert np.abs(starts - 1 / 9).max() < 4 * np.sqrt(8 / 81 / 20_000)
    for room in range(9):
        taken = batch['tokens'][:, 1][where[:, 1] == room] - world.colours
        p = world.maze.likelihood()[room]
        error = np.abs(np.bincount(taken, minlength=4) / len(taken) - p)
        assert np.all(error <= 4 * np.sqrt(p * (1 - p) / len(taken)))


def test_masks_of_the_default_by_hand():
    batch = sampled(rooms.Rooms(), 3)
    # c_j is the target of position 2j - 1 and the token of position 2j
    np.testing.assert_array_equal(np.flatnonzero(batch['score'][0]),
                                  [21, 23, 25, 27, 29, 31, 33, 35, 37, 39])
    np.testing.assert_array_equal(np.flatnonzero(batch['harvest'][0]), np.arange(6, 40, 2))
    assert np.all(batch['targets'][batch['score']] < 9)
    assert np.all(batch['targets'][:, ::2] >= 9)
    assert np.all(batch['tokens'][batch['harvest']] < 9)


def enumerated(world, tokens):
    """P(room | tokens so far) by following every start room; one row of tokens."""
    at = {room: (room, 1.0) for room in range(world.state_count)}
    rows = []
    for t, token in enumerate(tokens):
        told, row = {}, np.zeros(world.state_count)
        for start, (room, p) in at.items():
            if t % 2 == 0:
                told[start] = (room, p * (world.colour_of_room[room] == token))
                row[room] += told[start][1]
            else:
                doors = [name for name in STEPS if through(world, room, name) is not None]
                name = world.token_names[token]
                if name in doors:
                    told[start] = (through(world, room, name), p / len(doors))
                    row[room] += p / len(doors)
        at = told
        rows.append(row / row.sum())
    return np.array(rows)


@pytest.mark.parametrize('size,colours', [(2, 2), (3, 2), (3, 4)])
def test_filter_against_enumeration_of_the_start_rooms(size, colours):
    world = rooms.Rooms(size, colours, 6, seed=3, score_from=1)
    batch = sampled(world, 30)
    found = np.asarray(jax.jit(world.bayes)(batch))
    for tokens, row in zip(batch['tokens'], found):
        np.testing.assert_allclose(row, enumerated(world, tokens), atol=2e-6)


def test_the_room_is_hidden_at_first_and_known_after_four_moves():
    batch = sampled(rooms.Rooms(), 2000)
    posterior = np.asarray(jax.jit(rooms.Rooms().bayes)(batch))
    true = (posterior * batch['states']).sum(axis=-1).mean(axis=0)
    np.testing.assert_allclose(posterior.sum(axis=-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(true[0], 0.25, atol=1e-6)
    assert 0.95 < true[4] < 0.98                    # after two moves
    assert np.all(true[8::2] > 0.99)
    assert np.all(true[21::2] > 0.99)               # where the subject is scored


def test_impossible_sequence_has_no_posterior():
    world = rooms.Rooms(2, 4, 1, score_from=1, harvest_from=0)
    outside = np.flatnonzero(~world.maze.door[0])[0]
    tokens = np.array([[world.colour_of_room[0], world.colours + outside]])
    found = np.asarray(world.bayes({'tokens': jnp.asarray(tokens)}))
    assert found[0, 0, 0] == 1 and not found[0, 1].any()


def test_sample_is_a_pure_function_of_the_key():
    world = rooms.Rooms(3, 3, 4, score_from=1)
    eager, jitted = world.sample(jax.random.key(0), 200), sampled(world)
    assert all(np.array_equal(eager[name], jitted[name]) for name in jitted)
    assert not np.array_equal(sampled(world, seed=1)['tokens'], jitted['tokens'])


def test_walls_names_and_picture():
    world = rooms.Rooms()
    east, south = world.walls()
    assert east[:, -1].all() and south[-1].all()
    assert 10 <= east[:, :-1].sum() + south[:-1].sum() <= 20        # of 60 inner walls
    np.testing.assert_array_equal(np.bincount(world.colour_of_room), [4] * 9)
    assert world.vocab == len(world.token_names) == 13 and world.context == 40
    assert world.state_names[17] == 'room 2,5' and len(world.state_names) == 36
    assert world.picture(np.arange(36))[2, 5] == 17


def test_problems_come_from_build_together():
    made = config.build('saex.data.worlds', dict(name='rooms', size=4, colours=5))
    assert made == rooms.Rooms(4, 5)
    with pytest.raises(config.ConfigError) as error:
        config.build('saex.data.worlds', dict(name='rooms', size=1, colours=1, moves=5))
    assert error.value.problems == [
        'worlds.size: expected >= 2, got 1', 'worlds.colours: expected 2 to 2, got 1',
        'worlds.score_from: expected 1 to 5, got 11']
