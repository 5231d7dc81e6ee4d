"""Streams batches through evaluations: one encoding of each batch serves all of them.

An evaluation is a frozen dataclass (its fields are its options) in acts/, model/ or
labelled/, and has

    needs     frozenset of names that `update` finds in its batch
    passes    how often it sees all batches (default 1)
    reduce    a tuple with one entry for each pass: a pytree, or a prefix of one, of
              'sum' | 'max' | 'min' | 'concat' | 'keep' over that pass's state
    init(spec, previous) -> state       neutral: merge(init, s) = s; len(previous) is the
                                        pass, previous[p] the merged state of pass p
    update(state, coder, batch) -> state       pure, jitted; rows with mask 0 are inert
    finalize(states, spec) -> Result           on the host, float64

Every batch is reduced alone, from the neutral state, in float32 on the device, and the
results are merged in float64 on the host: counts stay exact below 2^24 rows *per batch*,
however many batches there are.
"""
import dataclasses
import functools
import math
from typing import Any, Callable, Iterable, Iterator, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from saex import config, types

__all__ = []       # nothing here is an evaluation

FROM_CODER = frozenset({'y_hat', 'atoms'})     # a detector has neither: skip, don't fail

_OPERATIONS = {
    'sum': lambda a, b: _host(a) + _host(b),
    'max': lambda a, b: np.maximum(_host(a), _host(b)),
    'min': lambda a, b: np.minimum(_host(a), _host(b)),
    'concat': lambda a, b: np.concatenate([_host(a), _host(b)]),
    'keep': lambda a, b: a,             # the same in every state; never leaves the device
}


@dataclasses.dataclass
class Result:
    """What an evaluation found.

    scalars: name -> float, NaN where undefined. per_latent: name -> [M]. arrays: name ->
    array of any shape. warnings: 'name: reason' lines, one for each scalar that is NaN.
    """
    scalars: dict[str, float] = dataclasses.field(default_factory=dict)
    per_latent: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    arrays: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)


def merge(reduce: Any, a: Any, b: Any) -> Any:
    """The state of both sets of rows, numpy float64. Associative; commutative but for the
    order of 'concat'. Raises ConfigError on an unknown reduction."""
    def one(how, left, right):
        if how not in _OPERATIONS:
            raise config.ConfigError(
                f'reduction {how!r} is unknown; {config.suggest(how, _OPERATIONS)}')
        return jax.tree.map(_OPERATIONS[how], left, right)

    return jax.tree.map(one, reduce, a, b)


def batches(rows: Mapping[str, Any], size: int) -> Iterator[types.Batch]:
    """Slices of arrays with one leading axis, `size` rows each; the last one is padded with
    zeros, and 'mask' says so (a mask of the rows' own is respected)."""
    count = len(next(iter(rows.values())))
    rows = {'mask': np.ones(count, np.float32), **rows}
    for start in range(0, count, size):
        part = {k: np.asarray(v[start:start + size]) for k, v in rows.items()}
        short = size - len(part['mask'])
        yield {k: np.pad(v, [(0, short)] + [(0, 0)] * (v.ndim - 1))
               for k, v in part.items()}


def run(evaluations: Mapping[str, Any], coder: Any,
        batches: Callable[[], Iterable[types.Batch]],
        spec: Mapping[str, Any] | None = None) -> dict[str, Result]:
    """Name -> Result of every evaluation on one coder (saex/evals/coder.py).

    batches: called once for each pass, it gives the same batches each time: dicts of
        arrays with one leading axis, 'mask' [N] optional. A batch with 'x' is encoded and
        gains 'codes' [N, M] and, if the coder reconstructs, 'y_hat' [N, D].
    spec: what the batches do not say. Whatever of it an evaluation needs is put into the
        batch that it sees. Found here unless given: size (M), d, states and features (the
        widths of x, states, true_codes), atoms (the coder's), shift (the mean target
        of the first batch, y or else x, about which large sums are taken).

    An evaluation that needs what this coder cannot give (a reconstruction, atoms) is
    skipped, with a warning in its Result. Raises ConfigError when anything else is missing
    or there is no batch.
    """
    first = next(iter(batches()), None)
    if first is None:
        raise config.ConfigError('evaluation: the source gave no batch')
    spec = _complete(dict(spec or {}), coder, first)
    found = frozenset(_encode(coder, _device(first))) | {
        k for k, v in spec.items() if v is not None}
    results = _unable(evaluations, found)
    running = {n: e for n, e in evaluations.items() if n not in results}
    needed = frozenset().union(*(e.needs for e in running.values()))
    constants = {k: _constant(spec[k]) for k in needed if k in spec}
    states = {name: [] for name in running}
    for p in range(max([_passes(e) for e in running.values()], default=0)):
        active = {n: e for n, e in running.items() if _passes(e) > p}
        neutral = {n: e.init(spec, states[n]) for n, e in active.items()}
        total = dict(neutral)
        for batch in batches():
            batch = constants | _encode(coder, _device(batch))
            for name, evaluation in active.items():
                part = _update(evaluation, neutral[name], coder, batch)
                total[name] = merge(evaluation.reduce[p], total[name], part)
        for name in active:
            states[name].append(jax.tree.map(_host, total[name]))
    for name, evaluation in running.items():
        results[name] = _explained(evaluation.finalize(states[name], spec))
    return {name: results[name] for name in evaluations}


def scalars(results: Mapping[str, Result], prefix: str = '') -> dict[str, float | None]:
    """'prefix/fvu' -> value of all results; NaN and infinities become None, which JSON
    can hold. Raises ValueError when two results use one name."""
    flat = _joined({n: r.scalars for n, r in results.items()}, prefix)
    return {k: float(v) if math.isfinite(v) else None for k, v in flat.items()}


def arrays(results: Mapping[str, Result]) -> dict[str, np.ndarray]:
    """Every per-latent and other array by its own name, for np.savez. Raises ValueError
    when two results use one name."""
    return _joined({n: r.per_latent | r.arrays for n, r in results.items()}, '')


def warnings(results: Mapping[str, Result], prefix: str = '') -> list[str]:
    """All warnings, each with the prefix of the scalars that it explains."""
    start = f'{prefix}/' if prefix else ''
    return [start + line for result in results.values() for line in result.warnings]


@jax.jit
def _encode(coder, batch):
    """The batch with its masked rows zeroed, and with codes and y_hat when it has x."""
    mask = batch['mask']

    def inert(value):
        return jnp.where(mask.reshape(mask.shape + (1,) * (value.ndim - 1)) > 0, value,
                         jnp.zeros((), value.dtype))

    batch = {k: v if k == 'mask' else inert(v) for k, v in batch.items()}
    if 'x' not in batch:
        return batch
    codes = inert(coder.codes(batch))
    y_hat = coder.reconstruct(batch, codes)
    return batch | {'codes': codes} | ({} if y_hat is None else {'y_hat': inert(y_hat)})


@functools.partial(jax.jit, static_argnums=0)
def _update(evaluation, state, coder, batch):
    return evaluation.update(state, coder, batch)


def _complete(spec: dict, coder: Any, batch: types.Batch) -> dict:
    found = {'size': coder.size, 'atoms': coder.atoms()}
    for name, key in (('d', 'x'), ('states', 'states'), ('features', 'true_codes')):
        if key in batch:
            found[name] = batch[key].shape[-1]
    if 'x' in batch:
        target, mask = batch.get('y', batch['x']), batch.get('mask')
        found['shift'] = types.masked_mean(
            jnp.asarray(target), None if mask is None else jnp.asarray(mask))
    return found | spec


def _unable(evaluations: Mapping[str, Any], found: frozenset) -> dict[str, Result]:
    """Results of the evaluations that this coder cannot have. Raises ConfigError."""
    skipped, problems = {}, []
    for name, evaluation in evaluations.items():
        missing = evaluation.needs - found
        if missing - FROM_CODER:
            problems.append(
                f'evaluation {name}: needs {", ".join(sorted(missing))}, which the batches '
                f'and the spec do not have; they have {", ".join(sorted(found))}')
        elif missing:
            skipped[name] = Result(warnings=[
                f'{name}: skipped, this coder gives no {", ".join(sorted(missing))}'])
    if problems:
        raise config.ConfigError(problems)
    return skipped


def _explained(result: Result) -> Result:
    said = {line.split(':')[0] for line in result.warnings}
    result.warnings = list(result.warnings) + [
        f'{name}: not defined on these rows' for name, value in result.scalars.items()
        if not math.isfinite(value) and name not in said]
    return result


def _joined(groups: Mapping[str, Mapping[str, Any]], prefix: str) -> dict[str, Any]:
    flat = {}
    for group, items in groups.items():
        for name, value in items.items():
            key = f'{prefix}/{name}' if prefix else name
            if key in flat:
                raise ValueError(f'{group}: {name!r} is also the name of another result')
            flat[key] = value
    return flat


def _device(batch: types.Batch) -> types.Batch:
    batch = {k: jnp.asarray(v) for k, v in batch.items()}
    count = next(iter(batch.values())).shape[0]
    return {'mask': jnp.ones(count, jnp.float32)} | batch


def _constant(value: Any) -> Any:
    """A value that jit takes as an argument; a function must be a pytree to be one."""
    if callable(value) and not isinstance(value, jax.tree_util.Partial):
        return jax.tree_util.Partial(value)
    return jax.tree.map(jnp.asarray, value)


def _host(value: Any) -> np.ndarray:
    return np.asarray(value, np.float64)


def _passes(evaluation: Any) -> int:
    return getattr(evaluation, 'passes', 1)
