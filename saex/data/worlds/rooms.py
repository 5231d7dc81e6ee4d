"""A walker in a maze of coloured rooms: the hidden state is the room."""
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from saex.data import _fingerprint
from saex.data.worlds import _maze


@dataclasses.dataclass(frozen=True)
class Rooms:
    """A walker starts in a uniform random room of a fixed maze and leaves every room by one
    of its open doors, each equally likely. It tells the colours and its moves:

        c_0  m_1  c_1  m_2  c_2 ...  m_L  c_L        with L = `moves`, 1 + 2 L tokens

    Several rooms share a colour, so whoever predicts c_j must infer the room. Tokens:
    0..colours-1 are the colours, then north, east, south, west. The input is all but the
    last token (T = 2 L), the target all but the first: position 2j reads c_j and predicts
    m_j+1, position 2j+1 reads m_j+1 and predicts c_j+1.

    size: rooms on a side. colours: spread as evenly as possible. moves: L. seed: of the
    maze. score_from: the predictions c_j with j >= score_from are scored, so that by
    default ten moves and their colours have been seen before the move that counts.
    harvest_from: the tokens c_j with j >= harvest_from are harvested.

    The properties are the size * size rooms, one-hot: the room whose colour is read, and at
    a move the room before it. The maze and the protocol are ours.
    """
    size: int = 6
    colours: int = 9
    moves: int = 20
    seed: int = 7
    score_from: int = 11
    harvest_from: int = 3

    accuracy_name = 'colour_accuracy'

    def problems(self) -> list[str]:
        rooms = self.size ** 2
        limits = {'size': (2, None), 'colours': (2, max(rooms, 2)), 'moves': (1, None),
                  'seed': (0, None), 'score_from': (1, max(self.moves, 1)),
                  'harvest_from': (0, max(self.moves - 1, 0))}
        found = []
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if value < low or (high is not None and value > high):
                wanted = f'>= {low}' if high is None else f'{low} to {high}'
                found.append(f'{name}: expected {wanted}, got {value}')
        return found

    @property
    def vocab(self) -> int:
        return self.colours + len(_maze.MOVES)

    @property
    def context(self) -> int:
        return 2 * self.moves

    @property
    def state_count(self) -> int:
        return self.size ** 2

    @property
    def state_names(self) -> tuple[str, ...]:
        """'room 2,5' is in row 2, column 5, counted from 0 at the north-west."""
        return tuple(f'room {r},{c}' for r in range(self.size) for c in range(self.size))

    @property
    def token_names(self) -> tuple[str, ...]:
        return tuple(f'colour {c}' for c in range(self.colours)) + _maze.MOVES

    @functools.cached_property
    def fingerprint(self) -> str:
        return _fingerprint.of(self)

    @functools.cached_property
    def maze(self) -> _maze.Maze:
        return _maze.draw(self.size, self.colours, self.seed)

    @property
    def colour_of_room(self) -> np.ndarray:
        """[size * size] int32."""
        return self.maze.colour

    def sample(self, key: jax.Array, n: int) -> dict[str, jax.Array]:
        """n sequences with targets, masks and rooms; pure in (key, n) and jittable.

        tokens, targets [n, T] int32; weights [n, T] float32 (all 1); score, harvest [n, T]
        bool; states [n, T, size * size] bool.
        """
        colour, choice, neighbour = map(jnp.asarray, (
            self.maze.colour, self.maze.choice(), self.maze.neighbour))
        start_key, walk_key = jax.random.split(key)
        start = jax.random.randint(start_key, (n,), 0, self.state_count)
        draws = jax.random.randint(walk_key, (self.moves, n), 0, _maze.DRAWS)

        def step(room, draw):
            move = choice[room, draw]
            return neighbour[room, move], (room, move)

        last, (rooms, moves) = jax.lax.scan(step, start, draws)
        told = jnp.stack([colour[rooms], self.colours + moves], axis=1)       # [L, 2, n]
        sequence = jnp.concatenate([told.reshape(self.context, n), colour[last][None]]).T
        here = jnp.repeat(rooms, 2, axis=0).T                                 # [n, T]
        position = jnp.arange(self.context)
        score = (position % 2 == 1) & (position // 2 + 1 >= self.score_from)
        harvest = (position % 2 == 0) & (position // 2 >= self.harvest_from)
        return {
            'tokens': sequence[:, :-1],
            'targets': sequence[:, 1:],
            'weights': jnp.ones(here.shape, jnp.float32),
            'score': jnp.broadcast_to(score, here.shape),
            'harvest': jnp.broadcast_to(harvest, here.shape),
            'states': here[..., None] == jnp.arange(self.state_count),
        }

    def bayes(self, batch: dict[str, jax.Array]) -> jax.Array:
        """P(room | the tokens so far), [n, T, size * size] float32: the exact filter.

        b(r) is uniform before the first token. A colour c and a move m give

            b(r) <- b(r) [colour(r) = c] / Z
            b(r) <- b(r) P(m | r) / Z,        P(m | r) = [door m of r is open] / doors of r

        which is the answer at a move (the room before it), and then the walker moves:
        b(r') <- b(r) where door m of r leads to r'. A sequence that cannot happen gives 0.
        """
        maze = self.maze
        colour, likelihood = jnp.asarray(maze.colour), jnp.asarray(maze.likelihood())
        door, neighbour = jnp.asarray(maze.door), jnp.asarray(maze.neighbour)
        tokens = batch['tokens']
        pairs = jnp.moveaxis(tokens.reshape(len(tokens), self.moves, 2), 0, 2)  # [L, 2, n]

        def normalise(belief):
            total = belief.sum(axis=-1, keepdims=True)
            return jnp.where(total > 0, belief / jnp.where(total > 0, total, 1.0), 0.0)

        def step(prior, pair):
            told, move = pair[0], pair[1] - self.colours
            seen = normalise(prior * (colour == told[:, None]))
            moved = normalise(seen * likelihood[:, move].T)
            back = (move + 2) % 4
            origin, open_ = neighbour[:, back].T, door[:, back].T              # [n, R]
            after = jnp.where(open_, jnp.take_along_axis(moved, origin, axis=1), 0.0)
            return after, jnp.stack([seen, moved], axis=1)

        rooms = self.state_count
        uniform = jnp.full((len(tokens), rooms), 1.0 / rooms, jnp.float32)
        beliefs = jax.lax.scan(step, uniform, pairs)[1]                     # [L, n, 2, R]
        return jnp.moveaxis(beliefs, 0, 1).reshape(len(tokens), self.context, rooms)

    def picture(self, values) -> np.ndarray:
        """[size, size]: one value for each room, north at the top."""
        return np.asarray(values).reshape(self.size, self.size)

    def walls(self) -> tuple[np.ndarray, np.ndarray]:
        """Where a wall stands to the east, and to the south, of each room: two [size, size]
        bool. The outer wall is among them."""
        shut = ~self.maze.door.reshape(self.size, self.size, 4)
        return shut[..., 1], shut[..., 2]
