"""The one pytree that training changes, and what the loop needs to know of a problem."""
from typing import Any, Callable, NamedTuple

from flax import struct
import jax


@struct.dataclass
class TrainState:
    """step: int32 scalar, updates attempted so far. params: learned by gradients. stats:
    learned without. opt_state: optax's. controllers: of the loss weights. skipped: int32
    [2], non-finite updates that were skipped: in all, and in a row up to now."""
    step: jax.Array
    params: Any
    stats: Any
    opt_state: Any
    controllers: Any
    skipped: jax.Array


class Problem(NamedTuple):
    """What is trained: functions that the step and the loop call, pure but for `sample`.

    sample(source) -> data that the initial parameters are fitted on.
    init(key, sample) -> (params, stats).
    loss(params, stats, weights, batch, key, step) -> (scalar, (metrics, new stats)).
    weights: name -> weight object (optim/controllers.py).
    summary: metric names for the progress bar.
    events: `(state, batch, key) -> state`, called in this order after each update; they
    decide themselves whether it is time (train/event.py).
    """
    sample: Callable
    init: Callable
    loss: Callable
    weights: dict
    summary: tuple = ()
    events: tuple = ()


class Member(NamedTuple):
    """One of the problems that train together. directory: holds its checkpoints/ and
    metrics.jsonl. identity: what must be equal for a resume (config hash, data
    fingerprint). stop: ends it early (train/early.py)."""
    name: str
    problem: Problem
    optimizer: Any
    steps: int
    seed: int
    directory: Any
    identity: dict
    stop: Any = None
