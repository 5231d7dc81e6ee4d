"""Mazes of square rooms: connected, two doors or more to a room, evenly spread colours."""
import dataclasses

import numpy as np

MOVES = ('north', 'east', 'south', 'west')
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))     # (row, column) of each move
DRAWS = 12                                     # divisible by 2, 3 and 4 doors


@dataclasses.dataclass(frozen=True)
class Maze:
    """A layout; R = size * size rooms in row-major order, moves as in `MOVES`.

    colour: [R] int32.
    door: [R, 4] bool, an open door on that side.
    neighbour: [R, 4] int32, the room behind it; the room itself where there is no door.
    """
    size: int
    colour: np.ndarray
    door: np.ndarray
    neighbour: np.ndarray

    def choice(self) -> np.ndarray:
        """[R, DRAWS] int32: the move that a uniform draw from range(DRAWS) stands for, so
        that every open door of a room has the same number of draws."""
        moves = [np.resize(np.flatnonzero(doors), DRAWS) for doors in self.door]
        return np.stack(moves).astype(np.int32)

    def likelihood(self) -> np.ndarray:
        """[R, 4] float32: P(move | room), uniform over the open doors."""
        return (self.door / self.door.sum(axis=1, keepdims=True)).astype(np.float32)


def draw(size: int, colours: int, seed: int) -> Maze:
    """A maze that depends on these three numbers alone.

    The doors are a random spanning tree (every room can be reached) and then, room by room
    in random order, one more door through a random wall of each dead end. No other wall is
    opened: a 6 x 6 maze keeps about a quarter of its 60 inner walls. The colours are a
    random arrangement in which any two colours differ by at most one room.
    """
    rng = np.random.default_rng(seed)
    rooms = size * size
    beside = _beside(size)
    door = np.zeros((rooms, 4), bool)
    group = np.arange(rooms)
    walls = [(room, side) for room in range(rooms) for side in (1, 2)
             if beside[room, side] >= 0]
    for i in rng.permutation(len(walls)):
        room, side = walls[i]
        other = beside[room, side]
        if group[room] != group[other]:
            group[group == group[other]] = group[room]
            _open(door, beside, room, side)
    for room in rng.permutation(rooms):
        if door[room].sum() < 2:
            closed = np.flatnonzero(~door[room] & (beside[room] >= 0))
            _open(door, beside, room, rng.choice(closed))
    neighbour = np.where(door, beside, np.arange(rooms)[:, None]).astype(np.int32)
    colour = rng.permutation(np.arange(rooms) % colours).astype(np.int32)
    return Maze(size, colour, door, neighbour)


def _beside(size: int) -> np.ndarray:
    """[R, 4]: the room on each side, -1 outside."""
    row, column = np.divmod(np.arange(size * size), size)
    sides = []
    for down, right in STEPS:
        r, c = row + down, column + right
        inside = (r >= 0) & (r < size) & (c >= 0) & (c < size)
        sides.append(np.where(inside, r * size + c, -1))
    return np.stack(sides, axis=1)


def _open(door: np.ndarray, beside: np.ndarray, room: int, side: int):
    door[room, side] = door[beside[room, side], (side + 2) % 4] = True
