import numpy as np
import pytest

from saex.data.worlds import _maze


@pytest.mark.parametrize('size', [2, 3, 4, 6, 9])
def test_connected_with_two_way_doors_two_or_more_to_a_room(size):
    for seed in range(6):
        for colours in {2, min(9, size ** 2), size ** 2}:
            maze = _maze.draw(size, colours, seed)
            room, side = np.nonzero(maze.door)
            behind = maze.neighbour[room, side]
            assert np.all(maze.door[behind, (side + 2) % 4])
            assert np.all(maze.neighbour[behind, (side + 2) % 4] == room)
            steps = np.array(_maze.STEPS)[side]
            assert np.all(behind // size - room // size == steps[:, 0])
            assert np.all(behind % size - room % size == steps[:, 1])
            assert maze.door.sum(axis=1).min() >= 2
            reached = {0}
            for _ in range(size ** 2):
                reached |= {int(maze.neighbour[r, s]) for r in reached for s in range(4)}
            assert len(reached) == size ** 2
            held = np.bincount(maze.colour, minlength=colours)
            assert held.max() - held.min() <= 1


def test_two_by_two_is_a_ring():
    door = _maze.draw(2, 4, 0).door
    north, east, south, west = range(4)
    assert [set(np.flatnonzero(d)) for d in door] == [
        {east, south}, {south, west}, {north, east}, {north, west}]


def test_doors_are_drawn_equally_often():
    maze = _maze.draw(6, 9, 7)
    assert set(maze.door.sum(axis=1)) == {2, 3, 4}
    for room, draws in enumerate(maze.choice()):
        share = np.bincount(draws, minlength=4) / _maze.DRAWS
        np.testing.assert_allclose(share, maze.likelihood()[room], rtol=1e-6)
        assert np.array_equal(share > 0, maze.door[room])


def test_the_layout_is_a_function_of_its_arguments():
    one, same, other = (_maze.draw(6, 9, seed) for seed in (7, 7, 8))
    assert np.array_equal(one.door, same.door) and np.array_equal(one.colour, same.colour)
    assert not np.array_equal(one.door, other.door)
    assert not np.array_equal(one.colour, other.colour)
