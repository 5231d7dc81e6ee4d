"""Weights of loss terms: constants, ramps, and controllers that watch the run.

A weight offers `init() -> state` (a pytree that is checkpointed), `at(state, step) ->
scalar` and `update(state, metrics, step) -> state`, where metrics are those of the step
just taken. Fractions are of the whole run.
"""
import dataclasses
import math

import jax.numpy as jnp


class _Stateless:
    def init(self):
        return {}

    def update(self, state, metrics, step):
        return state


@dataclasses.dataclass(frozen=True)
class Constant(_Stateless):
    """`value` at every step."""
    value: float = 1.0

    def at(self, state, step):
        return jnp.float32(self.value)


@dataclasses.dataclass(frozen=True)
class Ramp(_Stateless):
    """Linear from `start` to `value` over the first `over` of the run, then constant."""
    total_steps: int
    value: float = 1.0
    start: float = 0.0
    over: float = 0.05

    def problems(self):
        return [] if 0 < self.over <= 1 else [f'over: expected (0, 1], got {self.over}']

    def at(self, state, step):
        done = jnp.clip(step / max(self.over * self.total_steps, 1.0), 0.0, 1.0)
        return jnp.float32(self.start + (self.value - self.start) * done)


@dataclasses.dataclass(frozen=True)
class L0Control:
    """A sparsity coefficient that brings the mean L0 of a batch to `target`.

    A proportional-integral controller on the log of the coefficient lambda:

        e_t     = clip(log(L0_t / target_t), -1, 1)          (0 when L0_t = 0: see below)
        I_t+1   = clip(I_t + gain e_t, log low, log high)    (the dual variable)
        lambda  = exp(I_t + proportional e_t)

    Clipping e bounds the pace, and clipping I is the anti-windup: a coefficient at its
    bound does not accumulate error. target_t falls geometrically from `relax` * target to
    target over the first `over` of the run, so that latents form before they are pruned.
    When nothing fires, e = -1: the coefficient falls until something does.

    Ours: no paper has it. Works for any term that lowers L0 (l0, l1, l1_norm, tanh).
    """
    total_steps: int
    target: float
    start: float = 1e-3
    gain: float = 0.02
    proportional: float = 0.2
    relax: float = 4.0
    over: float = 0.5
    low: float = 1e-8
    high: float = 1e8

    def problems(self):
        found = [f'{n}: expected a positive number, got {getattr(self, n)}'
                 for n in ('target', 'start', 'gain', 'low', 'high', 'relax')
                 if not getattr(self, n) > 0]
        if not 0 <= self.over < 1:
            found.append(f'over: expected [0, 1), got {self.over}')
        return found

    def init(self):
        return {'log_coefficient': jnp.float32(math.log(self.start)),
                'error': jnp.float32(0.0)}

    def at(self, state, step):
        return jnp.exp(state['log_coefficient'] + self.proportional * state['error'])

    def update(self, state, metrics, step):
        ramp = jnp.clip(1.0 - step / max(self.over * self.total_steps, 1.0), 0.0, 1.0)
        target = self.target * self.relax ** ramp
        error = jnp.clip(jnp.log(jnp.maximum(metrics['metrics/l0'], 1e-6) / target), -1, 1)
        log_coefficient = jnp.clip(state['log_coefficient'] + self.gain * error,
                                   math.log(self.low), math.log(self.high))
        return {'log_coefficient': log_coefficient, 'error': error}
