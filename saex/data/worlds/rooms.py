"""A walker in a maze whose rooms share colours: the hidden state is the room."""
import dataclasses
import functools
import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np

STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))          # north, south, west, east
BURN_IN = 3                                         # moves before a room counts as inferable
SCORED_AFTER = 10                                   # moves before accuracy is counted


@dataclasses.dataclass(frozen=True)
class Rooms:
    """size x size rooms, each of one of `colours` colours; `moves` moves a walk.

    The walker starts in a uniform room and leaves by a uniform open door. A walk reads
    colour, move, colour, move, ..., colour; the subject sees all but the last token and
    predicts the next. Tokens 0..colours-1 are colours, the last four are moves (north,
    south, west, east). The layout is a function of the fields: a random spanning tree, then
    doors until every room has two, then one spare door in four.
    """
    size: int = 6
    colours: int = 9
    moves: int = 20
    seed: int = 7
    accuracy_name = 'colour_accuracy'

    def problems(self):
        found = []
        if self.size < 2:
            found.append(f'size: expected 2 or more, got {self.size}')
        if not 2 <= self.colours <= self.size ** 2:
            found.append(f'colours: expected 2 to {self.size ** 2} (the rooms), '
                         f'got {self.colours}')
        if self.moves <= BURN_IN:
            found.append(f'moves: expected more than {BURN_IN}, got {self.moves}')
        return found

    @property
    def vocab(self) -> int:
        return self.colours + 4

    @property
    def context(self) -> int:
        return 2 * self.moves

    @property
    def state_count(self) -> int:
        return self.size ** 2

    @property
    def state_names(self) -> tuple:
        return tuple(f'room {r},{c}' for r in range(self.size) for c in range(self.size))

    @property
    def fingerprint(self) -> str:
        text = json.dumps(['rooms-1', dataclasses.asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def layout(self) -> tuple[np.ndarray, np.ndarray]:
        """(doors [R, 4] bool, colour [R] int32)."""
        return _layout(self)

    def walls(self) -> tuple[np.ndarray, np.ndarray]:
        """Walls to the east and to the south of each room, two [size, size] bool arrays."""
        doors = self.layout()[0].reshape(self.size, self.size, 4)
        return ~doors[..., 3], ~doors[..., 1]

    def picture(self, values) -> np.ndarray:
        """Per-room values [R] as the map [size, size]."""
        return np.asarray(values, float).reshape(self.size, self.size)

    def sample(self, key, n: int) -> dict:
        """n walks; see the package's head for the keys. Pure in (key, n)."""
        doors, colour = (jnp.asarray(a) for a in self.layout())
        first, steps = jax.random.split(key)
        start = jax.random.randint(first, (n,), 0, self.state_count)
        noise = jax.random.gumbel(steps, (self.moves, n, 4))

        def walk(room, g):
            move = jnp.argmax(jnp.where(doors[room], g, -jnp.inf), axis=-1)
            after = room + self._offsets()[move]
            return after, (room, move, after)

        _, (before, move, after) = jax.lax.scan(walk, start, noise)
        seen = jnp.stack([colour[before], move + self.colours], -1)       # [moves, n, 2]
        tokens = seen.transpose(1, 0, 2).reshape(n, -1).astype(jnp.int32)
        last = colour[after[-1]][:, None].astype(jnp.int32)
        rooms = jnp.repeat(before.T, 2, axis=1)                           # [n, T]
        position = jnp.arange(self.context)
        ones = jnp.ones((n, 1), bool)
        return {'tokens': tokens, 'targets': jnp.concatenate([tokens[:, 1:], last], 1),
                'weights': jnp.ones((n, self.context), jnp.float32),
                'score': ones & (position % 2 == 1) & (position // 2 >= SCORED_AFTER),
                'harvest': ones & (position % 2 == 0) & (position // 2 >= BURN_IN),
                'states': jax.nn.one_hot(rooms, self.state_count, dtype=bool)}

    def bayes(self, batch) -> jax.Array:
        """Exact P(room | tokens so far), [n, T, R]; at a move, of the room being left.

        A colour multiplies the belief by 1[colour of room]; a move by 1/doors where that
        door is open, and then shifts it.
        """
        doors, colour = (jnp.asarray(a) for a in self.layout())
        rooms = jnp.arange(self.state_count)
        chance = doors / doors.sum(-1, keepdims=True)                      # [R, 4]
        target = jnp.clip(rooms[:, None] + self._offsets(), 0, self.state_count - 1)

        def absorb(belief, token):
            seen = belief * (colour == token[:, None])
            move = jnp.clip(token - self.colours, 0, 3)
            left = belief * chance[:, move].T
            left = left / jnp.maximum(left.sum(-1, keepdims=True), 1e-30)
            moved = jnp.zeros_like(belief).at[
                jnp.arange(belief.shape[0])[:, None], target[:, move].T].add(left)
            is_move = (token >= self.colours)[:, None]
            seen = seen / jnp.maximum(seen.sum(-1, keepdims=True), 1e-30)
            return jnp.where(is_move, moved, seen), jnp.where(is_move, left, seen)

        n = batch['tokens'].shape[0]
        uniform = jnp.full((n, self.state_count), 1.0 / self.state_count)
        _, beliefs = jax.lax.scan(absorb, uniform, batch['tokens'].T)
        return beliefs.transpose(1, 0, 2)

    def _offsets(self):
        return jnp.array([dr * self.size + dc for dr, dc in STEPS])


@functools.lru_cache(maxsize=None)
def _layout(world: Rooms) -> tuple[np.ndarray, np.ndarray]:
    size, rng = world.size, np.random.default_rng(world.seed)
    rooms = size ** 2
    edges = [(r * size + c, (r + dr) * size + c + dc, d)
             for r in range(size) for c in range(size)
             for d, (dr, dc) in ((1, STEPS[1]), (3, STEPS[3]))
             if r + dr < size and c + dc < size]
    edges = [edges[i] for i in rng.permutation(len(edges))]
    doors, tree, spare = np.zeros((rooms, 4), bool), list(range(rooms)), []

    def root(a):
        while tree[a] != a:
            a = tree[a]
        return a

    def open_door(a, b, d):
        doors[a, d] = doors[b, d - 1] = True

    for a, b, d in edges:
        if root(a) != root(b):
            tree[root(a)] = root(b)
            open_door(a, b, d)
        else:
            spare.append((a, b, d))
    for a, b, d in spare:
        if min(doors[a].sum(), doors[b].sum()) < 2 or rng.random() < 0.25:
            open_door(a, b, d)
    colour = rng.permutation(np.arange(rooms) % world.colours).astype(np.int32)
    return doors, colour
