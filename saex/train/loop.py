"""The training loop: restore or begin, step, log, save."""
import pathlib
from typing import Any, Callable, Iterable

import jax
import numpy as np

from saex.optim.chain import Optimizer
from saex.train import checkpoint, log, signals, step as step_lib
from saex.train.state import Problem, TrainState


class Stopped(Exception):
    """A signal asked the run to stop; it saved and can be resumed."""


class Diverged(RuntimeError):
    """Too many non-finite updates in a row; the last good state was saved."""


def fit(problem: Problem, source: Any, optimizer: Optimizer, *, steps: int, batch_size: int,
        seed: int, directory: str | pathlib.Path, name: str = 'train', log_every: int = 10,
        save_every: int = 200, keep: int = 2, keep_every: int = 0, give_up_after: int = 20,
        identity: dict | None = None, sinks: Iterable[Any] = (),
        place: Callable = lambda value, kind: jax.device_put(value)) -> TrainState:
    """Trains to `steps` and returns the state, from the newest checkpoint if there is one.

    A run that was killed and is called again ends in the same bits: batches and keys are
    functions of (seed, step), and everything else is in the state.

    directory: holds checkpoints/ and metrics.jsonl. keep, keep_every: which checkpoints
    stay. identity: what must be equal for a resume (config hash, data fingerprint); a
    difference is a CheckpointError. sinks: parts of train/sinks.
    place: `(value, 'state' | 'batch') -> value` puts arrays on the devices; a step that
    moves anything else between host and device is an error. Raises Stopped on SIGTERM or
    SIGINT after saving, and Diverged after `give_up_after` skipped updates in a row.
    """
    directory = pathlib.Path(directory)
    key = jax.random.key(seed)
    checkpoints = checkpoint.Checkpoints(directory / 'checkpoints', keep, keep_every)
    identity = identity or {}
    state = place(step_lib.initial(problem, optimizer, source, jax.random.fold_in(key, 0)),
                  'state')
    found = checkpoints.restore(state)
    if found is not None:
        state, meta = found
        _same(meta, identity, directory)
    done = int(state.step)
    step_fn = jax.jit(step_lib.make(problem, optimizer), donate_argnums=0)
    step_key = jax.random.fold_in(key, 1)
    logs = [log.MetricsLog(directory / 'metrics.jsonl', done),
            *(sink.open(directory, name) for sink in sinks)]
    bar = log.Progress(name, steps, done, batch_size)
    try:
        with signals.StopRequest() as stop:
            while done < steps:
                batch = place(source.batch(done, batch_size), 'batch')
                with jax.transfer_guard('disallow'):
                    state, metrics = step_fn(state, batch, step_key)
                done += 1
                if done % log_every == 0 or done == steps:
                    values = {k: float(v) for k, v in jax.device_get(metrics).items()}
                    values['details/n_training_samples'] = float(done * batch_size)
                    for each in logs:
                        each.write(done, values)
                    bar.update(done, {k: values[k] for k in problem.summary})
                    _check_health(state, give_up_after, checkpoints, identity)
                if done % save_every == 0 or done == steps or stop.requested:
                    checkpoints.save(done, state, identity)
                if stop.requested and done < steps:
                    raise Stopped(f'{name}: stopped at step {done} of {steps} and saved; '
                                  'the same command goes on')
    finally:
        bar.close()
        for each in logs:
            each.close()
    return state


def _check_health(state: TrainState, limit: int, checkpoints, identity: dict) -> None:
    in_a_row = int(np.asarray(state.skipped)[1])
    if in_a_row >= limit:
        step = int(state.step)
        checkpoints.save(step, state, identity)
        raise Diverged(f'{in_a_row} updates in a row were not finite (steps '
                       f'{step - in_a_row} to {step - 1}); the last good parameters are '
                       'saved. Lower optim.lr, or look at the data of these steps')


def _same(meta: dict, identity: dict, directory: pathlib.Path) -> None:
    changed = [f'{k}: {meta.get(k)!r} before, {v!r} now' for k, v in identity.items()
               if meta.get(k) != v]
    if changed:
        raise checkpoint.CheckpointError(
            f'{directory} holds another run ({"; ".join(changed)}); use another --workdir, '
            'or --fresh to start over')
