"""Rotary positions: pairs (x_j, x_{j+r/2}) of the first r dimensions of a head turn by the
angle position * f_j, f_j = theta^(-2j/r) (Su et al. 2021, rotate-half layout; checked)."""
import dataclasses
import math

import jax.numpy as jnp
import numpy as np

__all__ = []       # not itself a subject


@dataclasses.dataclass(frozen=True)
class Rotary:
    """share: of the head's dimensions that turn, r = share * head_dim. factor: frequencies
    divided by it (linear scaling). llama3: None, or (low, high, context): only wavelengths
    above context / low are divided, those below context / high are not, and between the
    two the division is blended in linearly (Llama 3.1; checked)."""
    theta: float = 10000.0
    share: float = 1.0
    factor: float = 1.0
    llama3: tuple[float, float, float] | None = None

    def frequencies(self, head_dim: int) -> np.ndarray:
        """[r / 2] radians per position."""
        r = int(self.share * head_dim)
        f = 1.0 / self.theta ** (np.arange(0, r, 2) / r)
        if self.llama3 is None:
            return f / self.factor
        low, high, context = self.llama3
        blend = np.clip((context * f / (2 * math.pi) - low) / (high - low), 0, 1)
        return blend * f + (1 - blend) * f / self.factor

    def __call__(self, x, positions):
        """x [n, T, H, head_dim], positions [T] or [n, T], to the turned x."""
        f = self.frequencies(x.shape[-1])
        angle = positions[..., None, None] * jnp.asarray(f, jnp.float32)
        cos, sin = (fn(angle).astype(x.dtype) for fn in (jnp.cos, jnp.sin))
        half = f.shape[0]
        a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
        return jnp.concatenate([a * cos - b * sin, b * cos + a * sin, rest], axis=-1)
