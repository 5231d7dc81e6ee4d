"""Activations of a subject network, harvested live."""
import dataclasses
import functools
import hashlib
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from saex import config
from saex.data.text import tokens as tokens_lib

SUB_BATCH = 512


@dataclasses.dataclass
class Harvest:
    """Rows x [B, D] of `site` at the world's harvest positions, fresh for ever.

    Chunk c samples `sequences` sequences with fold_in(key, c), keeps the harvest positions
    and shuffles the rows with a key of its own: a pure function of (seed, c). A chunk
    serves the same number of batches for ever (counted on chunk 0, less a tenth where
    chunks differ in size), so that batch(step) is a pure function of (seed, step, size).

    chunks: 0 harvests for ever; n > 0 harvests n chunks once, keeps them in memory and
    goes over them again and again, shuffled anew each time.
    sites: instead of site, several by one forward, x [B, S, D] (crosscoders, layer mixes).
    target: a site that is the target y [B, E] (transcoders).
    max_norm: rows whose norm is over max_norm times the median (of the first sequences, at
        the first site) are not harvested, in training or in evaluation; 0 keeps them.
    """
    world: Any
    subject: Any
    site: str = ''
    sequences: int = 4096
    chunks: int = 0
    seed: int = 0
    sites: tuple = ()
    target: str = ''
    max_norm: float = 0.0

    def problems(self):
        found = []
        if self.sequences < 1:
            found.append(f'sequences: expected 1 or more, got {self.sequences}')
        if self.chunks < 0:
            found.append(f'chunks: expected 0 (fresh for ever) or more, got {self.chunks}')
        if self.max_norm and self.max_norm <= 1:
            found.append(f'max_norm: expected 0 or above 1, got {self.max_norm}')
        if bool(self.site) == bool(self.sites):
            found.append('site: give either site or sites')
        known = self.subject.model.sites()
        found += [f'site: no {site!r}; {config.suggest(site, known)}'
                  for site in self.captured if site not in known]
        if not found and len({self.widths[s] for s in self.sites}) > 1:
            found.append('sites: of different widths, ' + ', '.join(
                f'{s} {self.widths[s]}' for s in self.sites))
        return found + fit_problems(self.world, self.subject.model)

    def __post_init__(self):
        self._kept, self._shuffled = {}, (None, None)
        self._usable = None
        self._sample = sampler(self.world)

    @property
    def captured(self) -> tuple[str, ...]:
        """The sites that a forward captures, the target last."""
        inputs = tuple(self.sites) or (self.site,)
        return tuple(s for s in inputs + (self.target,) if s)

    @property
    def spec(self) -> dict:
        made = {'d_in': self.widths[self.captured[0]], 'states': self.world.state_count}
        made |= {'sites': len(self.sites)} if self.sites else {}
        return made | ({'d_out': self.widths[self.target]} if self.target else {})

    @functools.cached_property
    def widths(self) -> dict[str, int]:
        """Site -> values of one row there; the heads of an attention site side by side."""
        model = self.subject.model

        def run(key):
            made = model.init(key, *model.example())
            return model.apply(made, *model.example(), capture=self.captured)[1]

        return {site: math.prod(x.shape[2:])
                for site, x in jax.eval_shape(run, jax.random.key(0)).items()}

    @property
    def fingerprint(self) -> str:
        text = (f'{self.world.fingerprint} {self.subject.fingerprint()} {self.captured} '
                f'{len(self.sites)} {self.sequences} {self.chunks} {self.seed} '
                f'{self.max_norm}')
        return hashlib.sha256(text.encode()).hexdigest()

    def batch(self, step: int, size: int) -> dict:
        """{'x': [size, D] float32}, [size, S, D] with sites; 'y' [size, E] with target."""
        if self._usable is None:
            rows = len(self._chunk(0)['x'])
            uneven = self.max_norm or self._sequence_rows().std() > 0
            self._usable = int(rows * (0.9 if uneven else 1.0))
        per_chunk = self._usable // size
        if per_chunk == 0:
            raise ValueError(f'a chunk of {self.sequences} sequences holds {self._usable} '
                             f'rows, fewer than a batch of {size}; raise source.sequences')
        chunk, part = divmod(step, per_chunk)
        start = part * size
        made = {k: v[start:start + size] for k, v in self._chunk(chunk).items()}
        if len(made['x']) < size:
            raise ValueError(f'chunk {chunk} holds fewer rows than the first chunk less a '
                             'tenth; raise source.sequences')
        return made

    def rows(self, key, n: int) -> dict:
        """Evaluation rows of n sequences (held out, where the world can) as host arrays: x,
        y with target, mask, states, tokens, window (the last three tokens, -1 before the
        start), posterior, sequence, position."""
        batch = self.sequences_of(key, n)
        keep = np.asarray(batch['harvest'])
        tokens = np.asarray(batch['tokens'])
        padded = np.pad(tokens, ((0, 0), (2, 0)), constant_values=-1)
        window = np.stack([padded[:, i:i + tokens.shape[1]] for i in range(3)], axis=-1)
        sequence, position = np.nonzero(keep)
        posterior = self.world.bayes if on_host(self.world) else jax.jit(self.world.bayes)
        values = {k: np.asarray(v)[keep]
                  for k, v in self._activations(batch['tokens']).items()}
        return values | {
            'mask': np.ones(len(sequence), np.float32),
            'states': np.asarray(batch['states'])[keep], 'tokens': tokens[keep],
            'window': window[keep].astype(np.int32), 'sequence': sequence,
            'position': position, 'posterior': np.asarray(posterior(batch))[keep]}

    def sequences_of(self, key, n: int) -> dict:
        """n whole sequences, held out where the world can; harvest leaves out what
        max_norm masks."""
        held_out = getattr(self.world, 'held_out', None)
        batch = dict(sampler(held_out())(key, n) if held_out else self._sample(key, n))
        if self.max_norm:
            batch['harvest'] = batch['harvest'] & self._calm(batch['tokens'])
        return batch

    def _chunk(self, index: int) -> dict:
        """The shuffled rows of the index-th chunk served."""
        if self._shuffled[0] != index:
            key = jax.random.fold_in(jax.random.key(self.seed), index)
            rows = self._rows(index % self.chunks if self.chunks else index)
            order = jax.random.permutation(jax.random.split(key)[1], len(rows['x']))
            self._shuffled = (index, {k: v[order] for k, v in rows.items()})
        return self._shuffled[1]

    def _rows(self, chunk: int) -> dict:
        """The rows of a chunk in the order of their sequences."""
        if not self.chunks:
            self._kept.clear()
        if chunk not in self._kept:
            key = jax.random.fold_in(jax.random.key(self.seed), chunk)
            batch = self._sample(jax.random.split(key)[0], self.sequences)
            values = self._activations(batch['tokens'])
            keep = np.asarray(batch['harvest'])
            if self.max_norm:
                keep = keep & self._calm(batch['tokens'], values)
            keep = np.flatnonzero(keep)
            self._kept[chunk] = {k: v.reshape((-1,) + v.shape[2:])[keep]
                                 for k, v in values.items()}
        return self._kept[chunk]

    def _activations(self, tokens) -> dict:
        """x [n, T, D] or [n, T, S, D], and y [n, T, E] with target; float32."""
        parts = [self.subject.capture(tokens[i:i + SUB_BATCH], self.captured)
                 for i in range(0, len(tokens), SUB_BATCH)]
        held = {s: jnp.concatenate([p[s].reshape(*p[s].shape[:2], -1) for p in parts])
                .astype(jnp.float32) for s in self.captured}
        x = jnp.stack([held[s] for s in self.sites], 2) if self.sites else held[self.site]
        return {'x': x} | ({'y': held[self.target]} if self.target else {})

    @functools.cached_property
    def norm_limit(self) -> float:
        """max_norm times the median norm; a function of (seed, subject) alone."""
        batch = self._sample(jax.random.key(self.seed), min(self.sequences, 256))
        norms = _norms(self._activations(batch['tokens'])['x'])
        return self.max_norm * float(np.median(norms[np.asarray(batch['harvest'])]))

    def _calm(self, tokens, values=None) -> np.ndarray:
        values = self._activations(tokens) if values is None else values
        return _norms(values['x']) <= self.norm_limit

    def _sequence_rows(self) -> np.ndarray:
        probe = self._sample(jax.random.key(self.seed), min(self.sequences, 256))
        return np.asarray(probe['harvest']).sum(axis=1)


def on_host(world: Any) -> bool:
    """True for a world that samples with numpy and must not be traced."""
    return getattr(world, 'on_host', False)


def sampler(world: Any):
    """`sample(key, n)` of a world, compiled where it can be."""
    return world.sample if on_host(world) else jax.jit(world.sample, static_argnums=1)


def fit_problems(world: Any, model: Any) -> list[str]:
    """Why `model` cannot read the sequences of `world`: [] or one line each."""
    found = []
    context = getattr(model, 'context', world.context)
    if world.context > context:
        found.append(f'world.length: sequences of {world.context} tokens, but the subject '
                     f'reads {context}')
    if isinstance(getattr(world, 'tokens', None), tokens_lib.Tokens):
        found += tokens_lib.problems_with(world.tokens, model.vocab)
    return found


def _norms(x) -> np.ndarray:
    """[n, T]; of the first site where there are several."""
    return np.linalg.norm(np.asarray(x[:, :, 0] if x.ndim == 4 else x), axis=-1)
