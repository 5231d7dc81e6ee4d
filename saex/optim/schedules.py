"""Learning-rate schedules: functions of the step.

Each builder takes the peak `lr`, `total_steps` and its own options and gives an optax
schedule. Spans given as fractions are of the whole run, so that a shortened run keeps its
shape; warm-up never exceeds the run.
"""
import jax.numpy as jnp
import optax


def constant(lr: float, total_steps: int, warmup: int = 0, tail: float = 0.0):
    """Linear warm-up over `warmup` steps, `lr`, then linear to 0 over the last `tail` of
    the run (SAELens and dictionary_learning use a fifth)."""
    warmup = min(warmup, total_steps // 2)
    fall = min(int(tail * total_steps), total_steps - warmup)
    return optax.join_schedules(
        [optax.linear_schedule(0.0 if warmup else lr, lr, max(warmup, 1)),
         optax.constant_schedule(lr),
         optax.linear_schedule(lr, 0.0, max(fall, 1))],
        [warmup, total_steps - fall])


def cosine(lr: float, total_steps: int, warmup: int = 0, end: float = 0.0):
    """Linear warm-up, then a cosine from `lr` to `end` * lr at the last step."""
    warmup = min(warmup, total_steps // 2)
    return optax.warmup_cosine_decay_schedule(0.0 if warmup else lr, lr, warmup,
                                              total_steps, end * lr)


def cosine_warmup(lr: float, total_steps: int, warmup: int = 1000, start: float = 0.1):
    """From `start` * lr to lr by half a cosine over `warmup` steps, then constant (Gemma
    Scope: 1000 steps from 0.1; checked)."""
    warmup = max(min(warmup, total_steps // 2), 1)
    rise = optax.cosine_decay_schedule(1.0 - start, warmup)

    return lambda step: lr * (1.0 - rise(step))


def inverse_sqrt(lr: float, total_steps: int, warmup: int = 1000):
    """Linear warm-up, then lr sqrt(warmup / step): a run that may be prolonged at will."""
    warmup = max(min(warmup, total_steps // 2), 1)

    def schedule(step):
        step = jnp.maximum(step, 1)
        return lr * jnp.minimum(step / warmup, jnp.sqrt(warmup / step))

    return schedule
