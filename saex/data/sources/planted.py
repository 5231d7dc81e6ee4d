"""Planted dictionaries: x = a F + noise, with the truth known."""
import dataclasses
import functools
import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np

LAWS = ('zipf', 'uniform', 'linear')


@dataclasses.dataclass(frozen=True)
class Planted:
    """x = Sum_i a_i f_i + noise * N(0, 1), with N = `features` unit Gaussian directions f_i.

    b_i ~ Bernoulli(p_i); a_i = b_i * max(1 + spread * z, 0). p_i follows `law`: 'zipf'
    (p_i ~ 1 / i, feature 0 the most frequent), 'uniform' or 'linear', scaled so that
    Sum p_i = l0 with each p_i at most p_max. `correlation` in [0, 1) correlates the firing
    of features through a Gaussian copula with `rank` shared factors; the marginals stay
    p_i. `rank_of_space` > 0 puts all directions in a random subspace of that rank. `signed`
    is the share of features that fire with either sign.

    batch(step, size) is a pure function of (seed, step, size).
    """
    d_in: int = 64
    features: int = 256
    seed: int = 0
    law: str = 'zipf'
    l0: float = 8.0
    p_max: float = 0.5
    spread: float = 0.3
    noise: float = 0.0
    correlation: float = 0.0
    rank: int = 8
    rank_of_space: int = 0
    signed: float = 0.0

    def problems(self):
        found = [f'{n}: expected a positive number, got {getattr(self, n)}'
                 for n in ('d_in', 'features', 'l0', 'p_max') if not getattr(self, n) > 0]
        if self.law not in LAWS:
            found.append(f'law: expected one of {", ".join(LAWS)}, got {self.law!r}')
        if not 0 <= self.correlation < 1:
            found.append(f'correlation: expected [0, 1), got {self.correlation}')
        if self.l0 > self.features * self.p_max:
            found.append(f'l0: {self.features} features at p_max {self.p_max} cannot give '
                         f'{self.l0}')
        return found

    @property
    def spec(self) -> dict:
        return {'d_in': self.d_in, 'features': self.features}

    @property
    def fingerprint(self) -> str:
        text = json.dumps(['planted-1', dataclasses.asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @functools.cached_property
    def probabilities(self) -> np.ndarray:
        """p [N]."""
        rank = np.arange(1, self.features + 1)
        shape = {'zipf': 1.0 / rank, 'uniform': np.ones(self.features),
                 'linear': 1.0 - (rank - 1) / self.features}[self.law]
        low, high = 0.0, self.features / shape.min()
        for _ in range(200):
            middle = (low + high) / 2
            full = np.minimum(middle * shape, self.p_max).sum() > self.l0
            low, high = (low, middle) if full else (middle, high)
        return np.minimum(low * shape, self.p_max)

    @functools.cached_property
    def dictionary(self) -> jax.Array:
        """The true directions, [N, D] unit rows."""
        key, space = jax.random.split(jax.random.key(self.seed))
        f = jax.random.normal(key, (self.features, self.d_in))
        if self.rank_of_space:
            basis = jax.random.normal(space, (self.rank_of_space, self.d_in))
            f = f[:, :self.rank_of_space] @ basis
        return f / jnp.linalg.norm(f, axis=-1, keepdims=True)

    def batch(self, step: int, size: int) -> dict:
        """{'x': [size, D]}."""
        key = jax.random.fold_in(jax.random.key(self.seed + 1), step)
        return {'x': self._draw(key, size)['x']}

    def rows(self, key, n: int) -> dict:
        """{'x': [n, D], 'true_codes': [n, N], 'mask': [n]}."""
        return {**self._draw(key, n), 'mask': jnp.ones(n)}

    @functools.cached_property
    def _draw(self):
        directions, p = self.dictionary, jnp.asarray(self.probabilities, jnp.float32)

        def draw(key, n):
            fire, size, noise, shared, sign = jax.random.split(key, 5)
            g = jax.random.normal(fire, (n, self.features))
            if self.correlation:
                loading = jax.random.normal(jax.random.key(self.seed + 2),
                                            (self.rank, self.features))
                loading /= jnp.linalg.norm(loading, axis=0)
                common = jax.random.normal(shared, (n, self.rank)) @ loading
                c = self.correlation
                g = jnp.sqrt(c) * common + jnp.sqrt(1 - c) * g
            on = g > jax.scipy.stats.norm.ppf(1 - p)
            z = jax.random.normal(size, (n, self.features))
            a = on * jax.nn.relu(1.0 + self.spread * z)
            if self.signed:
                both = jnp.arange(self.features) >= (1 - self.signed) * self.features
                flip = jax.random.bernoulli(sign, 0.5, a.shape) & both
                a = jnp.where(flip, -a, a)
            e = jax.random.normal(noise, (n, self.d_in))
            return {'x': a @ directions + self.noise * e, 'true_codes': a}

        return jax.jit(draw, static_argnums=1)
