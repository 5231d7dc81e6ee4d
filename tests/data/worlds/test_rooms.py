import itertools

import jax
import numpy as np
import pytest

from saex.data.worlds import _maze
from saex.data.worlds.rooms import Rooms

STEPS = _maze.STEPS


def layout(world):
    maze = _maze.draw(world.size, world.colours, world.seed)
    return np.asarray(maze.door), np.asarray(maze.colour)


@pytest.mark.parametrize('size, colours, seed', [(6, 9, 7), (2, 2, 0), (5, 25, 3), (8, 8, 1)])
def test_every_maze_is_connected_with_two_way_doors(size, colours, seed):
    doors, colour = layout(Rooms(size, colours, seed=seed))
    seen, todo = {0}, [0]
    while todo:
        room = todo.pop()
        for d, (dr, dc) in enumerate(STEPS):
            if doors[room, d]:
                other = room + dr * size + dc
                assert doors[other, (d + 2) % 4]
                assert abs(other % size - room % size) == abs(dc)
                todo += [] if other in seen else [other]
                seen.add(other)
    assert len(seen) == size ** 2 and doors.sum(1).min() >= 2
    assert np.ptp(np.bincount(colour, minlength=colours)) <= 1


def test_walks_go_through_doors_and_show_the_colours():
    world = Rooms()
    doors, colour = layout(world)
    batch = jax.tree.map(np.asarray, world.sample(jax.random.key(0), 50))
    rooms = batch['states'].argmax(-1)
    for walk, room, target in zip(batch['tokens'], rooms, batch['targets']):
        for t in range(0, world.context, 2):
            assert walk[t] == colour[room[t]] and room[t + 1] == room[t]
            move = walk[t + 1] - world.colours
            assert doors[room[t], move]
            dr, dc = STEPS[move]
            after = room[t] + dr * world.size + dc
            assert target[t + 1] == colour[after]
            if t + 2 < world.context:
                assert room[t + 2] == after
    np.testing.assert_array_equal(np.flatnonzero(batch['harvest'][0])[:3], [6, 8, 10])
    assert np.flatnonzero(batch['score'][0])[0] == 21      # after the 11th move
    assert (batch['targets'][batch['score']] < world.colours).all()


def test_bayes_equals_enumeration():
    world = Rooms(size=2, colours=2, moves=4, seed=1, score_from=2)
    doors, colour = layout(world)
    batch = jax.tree.map(np.asarray, world.sample(jax.random.key(3), 6))
    posterior = np.asarray(world.bayes(batch))
    for n, t in itertools.product(range(6), range(world.context)):
        chance = np.zeros(4)
        for start in range(4):
            room, p = start, 0.25
            for i, token in enumerate(batch['tokens'][n, :t + 1]):
                if i % 2 == 0:
                    p *= colour[room] == token
                else:
                    move = token - world.colours
                    p *= doors[room, move] / doors[room].sum()
                    if p and i < t:
                        room += STEPS[move][0] * 2 + STEPS[move][1]
            chance[room] += p
        np.testing.assert_allclose(posterior[n, t], chance / chance.sum(), atol=1e-5)
