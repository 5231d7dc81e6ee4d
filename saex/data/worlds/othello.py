"""Othello games of random legal moves: the hidden state is the board."""
import dataclasses
import functools
import string

import jax
import jax.numpy as jnp
import numpy as np

from saex.data import _fingerprint
from saex.data.worlds import _othello_rules as rules

PAD = 0


@dataclasses.dataclass(frozen=True)
class Othello:
    """Games on an n x n board (n = 4, 6 or 8) in which every legal move is equally likely.

    A token is the square of a move: 1, 2, ... are the squares row by row without the four
    of the start, 0 is padding after the end of a game. The input is the first T = n^2 - 5
    moves of the n^2 - 4 that fit the board. Passes are not told, as in Othello-GPT (Li et
    al. 2023, arXiv:2210.13382).

    Position t has seen moves 0..t. It is *running* when the game goes on after them:
    running positions, and only they, are trained on, scored and harvested. The properties
    are the board after the move relative to the player who made it, 'mine' and then
    'yours', as in the board-game evaluation of Karvonen et al. 2024 (arXiv:2408.00113).
    """
    n: int = 8

    accuracy_name = 'legal_accuracy'

    def problems(self) -> list[str]:
        return [] if self.n in (4, 6, 8) else [f'n: expected 4, 6 or 8, got {self.n}']

    @property
    def vocab(self) -> int:
        return self.n ** 2 - 3

    @property
    def context(self) -> int:
        return self.n ** 2 - 5

    @property
    def state_count(self) -> int:
        return 2 * self.n ** 2

    @property
    def square_names(self) -> tuple[str, ...]:
        """'d3' is in column d from the left and row 3 from the top."""
        return tuple(f'{string.ascii_lowercase[c]}{r + 1}'
                     for r in range(self.n) for c in range(self.n))

    @property
    def state_names(self) -> tuple[str, ...]:
        return tuple(f'{whose} {square}' for whose in ('mine', 'yours')
                     for square in self.square_names)

    @property
    def token_names(self) -> tuple[str, ...]:
        return ('pad',) + tuple(self.square_names[s] for s in self.playable)

    @property
    def playable(self) -> np.ndarray:
        """[vocab - 1] int: the square (row * n + column) of tokens 1, 2, ..."""
        return np.flatnonzero(rules.start(self.n) == 0)

    @functools.cached_property
    def fingerprint(self) -> str:
        return _fingerprint.of(self)

    def sample(self, key: jax.Array, n: int) -> dict[str, jax.Array]:
        """n games; pure in (key, n) and jittable.

        tokens, targets [n, T] int32, the moves and the next moves (0 after the end);
        soft_targets [n, T, V] float32, uniform over the legal next moves (all on 0 after
        the end): the same optimum as the sampled move with less variance;
        correct [n, T, V] bool, the legal next moves; weights [n, T] float32, 1 where the
        game is running; score, harvest [n, T] bool, the same;
        states [n, T, 2 n^2] bool, all False after the end.
        """
        def step(board, key):
            position = rules.look(board)
            move = _choose(key, position.legal)
            after, board = rules.play(position, move)
            return board, (self._token(move), position.legal, after)

        start = jnp.asarray(rules.start(self.n))[..., None]
        board = jnp.broadcast_to(start, (self.n, self.n, n))
        keys = jax.random.split(key, self.context + 1)
        moves, legal, boards = jax.lax.scan(step, board, keys)[1]
        return self._batch(moves.T, _games_first(legal[1:]), _games_first(boards[:-1]))

    def _batch(self, moves, legal, boards) -> dict[str, jax.Array]:
        """moves [n, T + 1]; legal, the answers to moves 0..T-1, and boards [n, T, n^2]."""
        tokens, targets = moves[:, :-1], moves[:, 1:]
        running = targets != PAD
        answers = legal[..., self.playable]
        correct = jnp.concatenate([jnp.zeros_like(answers[..., :1]), answers], axis=-1)
        soft = correct.at[..., PAD].set(~running).astype(jnp.float32)
        states = jnp.concatenate([boards == 1, boards == -1], axis=-1)
        return {
            'tokens': tokens,
            'targets': targets,
            'soft_targets': soft / soft.sum(axis=-1, keepdims=True),
            'correct': correct,
            'weights': running.astype(jnp.float32),
            'score': running,
            'harvest': running,
            'states': states & (tokens != PAD)[..., None],
        }

    def _token(self, move: jax.Array) -> jax.Array:
        """[n] int32 of a move [rows, columns, n]; 0 for none."""
        ids = np.zeros(self.n ** 2, np.int32)
        ids[self.playable] = np.arange(1, self.vocab)
        return jnp.sum(jnp.where(move, ids.reshape(self.n, self.n, 1), 0), axis=(0, 1))

    def bayes(self, batch: dict[str, jax.Array]) -> jax.Array:
        """The moves determine the board: the states themselves, [n, T, 2 n^2] float32."""
        return batch['states'].astype(jnp.float32)

    def picture(self, values) -> np.ndarray:
        """[n, 2 n + 1]: 'mine' on the left, 'yours' on the right, a NaN column between."""
        mine, yours = np.asarray(values, float).reshape(2, self.n, self.n)
        return np.hstack([mine, np.full((self.n, 1), np.nan), yours])


def _games_first(squares: jax.Array) -> jax.Array:
    """[T, rows, columns, n] to [n, T, rows * columns]."""
    return jnp.moveaxis(squares.reshape(len(squares), -1, squares.shape[-1]), -1, 0)


def _choose(key: jax.Array, legal: jax.Array) -> jax.Array:
    """One of the legal squares of each game at random, [rows, columns, n] bool; none where
    there is none."""
    ranks = jnp.where(legal, jax.random.uniform(key, legal.shape), -1.0)
    best = jnp.argmax(ranks.reshape(-1, legal.shape[-1]), axis=0)
    chosen = jnp.arange(legal[..., 0].size)[:, None] == best
    return chosen.reshape(legal.shape) & legal
