"""Othello for many games at once, in pure jax.

A board is int8 [n, n, ...]: 1 a disc of the player to move, -1 of the opponent, 0 empty;
rows and columns lead, the games trail. Inside, a set of squares is a *bit row* for each row
of the board: uint8 [n, ...], bit c for column c (hence n <= 8), so that a step in any
direction is a shift of rows and of bits.
"""
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

DIRECTIONS = tuple((r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if r or c)


class Position(NamedTuple):
    """What the player to move sees.

    board: [n, n, ...] int8.
    bracketed: bit rows for each of the eight directions; an opponent's disc from which the
        line in that direction runs over opponent's discs into one of the mover's.
    legal: [n, n, ...] bool.
    """
    board: jax.Array
    bracketed: tuple[jax.Array, ...]
    legal: jax.Array


def start(n: int) -> np.ndarray:
    """[n, n] int8 as black, who moves first: white has d4 and e5 on 8 x 8."""
    board, h = np.zeros((n, n), np.int8), n // 2
    board[h - 1, h - 1] = board[h, h] = -1
    board[h - 1, h] = board[h, h - 1] = 1
    return board


def look(board: jax.Array) -> Position:
    """The position on a board. In direction d, `bracketed` is the least a with

        a(s) = theirs(s) and (mine(s + d) or a(s + d))

    and a square s is legal when it is empty and a(s + d) holds for some direction d.
    """
    mine, theirs = _pack(board == 1), _pack(board == -1)
    bracketed = tuple(_spread(theirs, mine, d) for d in DIRECTIONS)
    reached = jnp.zeros_like(mine)
    for direction, discs in zip(DIRECTIONS, bracketed):
        reached |= _ahead(discs, direction)
    return Position(board, bracketed, _unpack(reached) & (board == 0))


def play(position: Position, move: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The board after a move, seen by the player who made it, and seen by the next to move.

    move: [n, n, ...] bool, one legal square, or none where there is none. A player without
    a legal move passes, so the next may be the mover again. When neither has a move the
    game is over: the second board has no legal square, and playing none keeps it so.
    """
    origin = _pack(move)
    turned = origin
    for (down, right), discs in zip(DIRECTIONS, position.bracketed):
        turned |= _spread(discs, origin, (-down, -right))
    after = jnp.where(_unpack(turned), jnp.int8(1), position.board)
    answers = jnp.any(look(-after).legal, axis=(0, 1))
    return after, jnp.where(answers, -after, after)


def _spread(discs: jax.Array, origin: jax.Array, direction: tuple[int, int]) -> jax.Array:
    """The squares of `discs` from which the line in `direction` runs over `discs` into
    `origin`. A line of n squares has at most n - 2 discs between its ends."""
    reached = discs & _ahead(origin, direction)
    for _ in range(len(discs) - 3):
        reached |= discs & _ahead(reached, direction)
    return reached


def _ahead(rows: jax.Array, direction: tuple[int, int]) -> jax.Array:
    """y(s) = x(s + direction); False beyond the edge."""
    down, right = direction
    padding = [(-down, down, 0)] + [(0, 0, 0)] * (rows.ndim - 1)
    rows = jax.lax.pad(rows, jnp.uint8(0), padding)
    if right > 0:
        return rows >> 1
    return (rows << 1) & jnp.uint8(2 ** len(rows) - 1) if right else rows


def _pack(squares: jax.Array) -> jax.Array:
    """[n, n, ...] bool to bit rows [n, ...]."""
    weights = (1 << np.arange(len(squares))).astype(np.uint8)
    weights = weights.reshape(-1, *(1,) * (squares.ndim - 2))
    return jnp.sum(squares * weights, axis=1, dtype=jnp.uint8)


def _unpack(rows: jax.Array) -> jax.Array:
    """Bit rows [n, ...] to [n, n, ...] bool."""
    column = np.arange(len(rows), dtype=np.uint8).reshape(-1, *(1,) * (rows.ndim - 1))
    return (rows[:, None] >> column) & jnp.uint8(1) != 0
