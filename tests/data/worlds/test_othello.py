import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from saex import config
from saex.data.worlds import _othello_rules as rules
from saex.data.worlds import othello


@functools.cache
def sampled(n, games, seed=0):
    sample = jax.jit(othello.Othello(n).sample, static_argnums=1)
    batch = sample(jax.random.key(seed), games)
    return {name: np.asarray(value) for name, value in batch.items()}


class Naive:
    """A slow referee: a dict of discs, one ray at a time."""

    def __init__(self, n):
        self.n, h = n, n // 2
        self.discs = {(h - 1, h - 1): 'white', (h, h): 'white',
                      (h - 1, h): 'black', (h, h - 1): 'black'}

    def flips(self, square, player):
        if square in self.discs:
            return []
        found = []
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                ray, (r, c) = [], square
                while True:
                    r, c = r + down, c + right
                    if self.discs.get((r, c), player) == player:
                        break
                    ray.append((r, c))
                if (r, c) in self.discs:
                    found += ray
        return found

    def legal(self, player):
        return {(r, c) for r in range(self.n) for c in range(self.n)
                if self.flips((r, c), player)}

    def play(self, square, player):
        for disc in self.flips(square, player) + [square]:
            self.discs[disc] = player


def test_perft_of_the_8_by_8_game():
    look = jax.jit(lambda boards: rules.look(boards).legal)
    play = jax.jit(lambda boards, move: rules.play(rules.look(boards), move)[1])
    boards, counts = np.zeros((8, 8, 256), np.int8), []     # empty boards have no moves
    boards[..., 0] = rules.start(8)
    for depth in range(5):
        row, column, game = np.nonzero(look(boards))
        counts.append(len(game))
        if depth < 4:
            move = np.zeros((8, 8, 256), bool)
            move[row, column, np.arange(len(game))] = True
            boards[..., :len(game)] = boards[..., game]
            boards = np.array(play(boards, move))
    assert counts == [4, 12, 56, 244, 1396]


def test_black_opens_on_the_four_known_squares():
    world, batch = othello.Othello(), sampled(8, 200)
    openings = {world.token_names[t] for t in batch['tokens'][:, 0]}
    assert openings == {'d3', 'c4', 'f5', 'e6'}
    game = np.flatnonzero(batch['tokens'][:, 0] == world.token_names.index('d3'))[0]
    on = {world.state_names[i] for i in np.flatnonzero(batch['states'][game, 0])}
    assert on == {'mine d3', 'mine d4', 'mine d5', 'mine e4', 'yours e5'}
    answers = {world.token_names[i] for i in np.flatnonzero(batch['correct'][game, 0])}
    assert answers == {'c3', 'e3', 'c5'}


@pytest.mark.parametrize('n,games', [(4, 60), (6, 12)])
def test_games_against_a_naive_referee(n, games):
    world, batch = othello.Othello(n), sampled(n, 200)
    squares = [divmod(int(s), n) for s in world.playable]
    passes = 0
    for tokens, targets, correct, soft, states, running in zip(*(batch[k][:games] for k in (
            'tokens', 'targets', 'correct', 'soft_targets', 'states', 'score'))):
        referee, player, other, over = Naive(n), 'black', 'white', False
        for t in range(world.context):
            if over:
                assert tokens[t] == targets[t] == 0 and not states[t].any()
                continue
            square = squares[tokens[t] - 1]
            assert square in referee.legal(player)
            referee.play(square, player)
            board = [referee.discs.get(divmod(s, n)) for s in range(n * n)]
            np.testing.assert_array_equal(states[t], [d == player for d in board] +
                                          [d == other for d in board])
            legal = referee.legal(other)
            if legal:
                player, other = other, player
            else:
                legal = referee.legal(player)
                passes += bool(legal)
            want = [s in legal for s in [None] + squares]
            np.testing.assert_array_equal(correct[t], want)
            over = not legal
            assert running[t] == bool(legal)
            want = np.array(want) / len(legal) if legal else np.eye(world.vocab)[0]
            np.testing.assert_allclose(soft[t], want, rtol=1e-6)
            assert legal == set() or squares[targets[t] - 1] in legal
    assert passes > 0


@pytest.mark.parametrize('n', [4, 6, 8])
def test_shapes_masks_and_shift(n):
    world, batch = othello.Othello(n), sampled(n, 200)
    T, V, C = n * n - 5, n * n - 3, 2 * n * n
    assert (world.context, world.vocab, world.state_count) == (T, V, C)
    assert len(world.state_names) == C and len(world.token_names) == V
    shapes = {name: (value.shape, value.dtype.name) for name, value in batch.items()}
    assert shapes == {
        'tokens': ((200, T), 'int32'), 'targets': ((200, T), 'int32'),
        'soft_targets': ((200, T, V), 'float32'), 'correct': ((200, T, V), 'bool'),
        'weights': ((200, T), 'float32'), 'score': ((200, T), 'bool'),
        'harvest': ((200, T), 'bool'), 'states': ((200, T, C), 'bool')}
    np.testing.assert_array_equal(batch['tokens'][:, 1:], batch['targets'][:, :-1])
    np.testing.assert_array_equal(batch['score'], batch['correct'].any(axis=-1))
    np.testing.assert_array_equal(batch['weights'] > 0, batch['score'])
    np.testing.assert_allclose(batch['soft_targets'].sum(axis=-1), 1.0, rtol=1e-5)
    assert np.all(np.diff(batch['weights'], axis=1) <= 0)


def test_base_rates_of_the_8_by_8_game():
    """Of random play with an independent engine: mine .287, yours .244, legal .134."""
    batch = sampled(8, 200)
    states = batch['states'][batch['harvest']]
    assert states[:, :64].mean() == pytest.approx(.287, abs=.003)
    assert states[:, 64:].mean() == pytest.approx(.244, abs=.003)
    legal = batch['correct'][batch['score']].sum(axis=-1)
    assert legal.mean() / 64 == pytest.approx(.134, abs=.002)


def test_every_legal_move_is_as_likely():
    tokens = sampled(4, 8000)['tokens']
    first = np.bincount(tokens[:, 0], minlength=13)
    assert np.count_nonzero(first) == 4
    assert np.abs(first[first > 0] / 8000 - .25).max() < 4 * np.sqrt(.25 * .75 / 8000)


def test_a_player_without_a_move_passes_and_a_game_without_moves_stays():
    # mover: a1; opponent: b1. Taking c1 leaves nobody a move. With d4 and c4 the mover
    # still has b4, while the opponent has no disc to bracket.
    over, board = np.zeros((4, 4), np.int8), np.zeros((4, 4), np.int8)
    over[0, :2] = board[0, :2] = [1, -1]
    board[3, 2:] = [-1, 1]
    c1 = np.zeros((4, 4), bool)
    c1[0, 2] = True
    after, following = rules.play(rules.look(jnp.asarray(board)), jnp.asarray(c1))
    np.testing.assert_array_equal(after[0], [1, 1, 1, 0])
    np.testing.assert_array_equal(following, after)
    assert np.argwhere(rules.look(following).legal).tolist() == [[3, 1]]
    after, following = rules.play(rules.look(jnp.asarray(over)), jnp.asarray(c1))
    assert not rules.look(following).legal.any()
    again = rules.play(rules.look(following), jnp.zeros((4, 4), bool))[1]
    np.testing.assert_array_equal(again, following)


def test_sample_is_a_pure_function_of_the_key():
    eager, jitted = othello.Othello(4).sample(jax.random.key(0), 200), sampled(4, 200)
    assert all(np.array_equal(eager[name], jitted[name]) for name in jitted)
    assert not np.array_equal(sampled(4, 200, seed=1)['tokens'], jitted['tokens'])


def test_posterior_picture_and_names():
    world, batch = othello.Othello(4), sampled(4, 200)
    posterior = np.asarray(world.bayes(batch))
    assert posterior.dtype == np.float32
    np.testing.assert_array_equal(posterior, batch['states'])
    picture = world.picture(np.arange(32))
    assert picture.shape == (4, 9) and np.isnan(picture[:, 4]).all()
    assert (picture[1, 2], picture[1, 7]) == (6, 22)
    assert (world.state_names[6], world.state_names[22]) == ('mine c2', 'yours c2')
    assert othello.Othello().state_names[19] == 'mine d3'


def test_build_refuses_other_boards():
    assert config.build('saex.data.worlds', dict(name='othello', n=6)) == othello.Othello(6)
    with pytest.raises(config.ConfigError, match='n: expected 4, 6 or 8, got 5'):
        config.build('saex.data.worlds', dict(name='othello', n=5))
    assert othello.Othello(4).fingerprint != othello.Othello(6).fingerprint
