"""Statistics of rows, gathered while they are written.

    rows, mean [W], m2 [W] = Sum (x - mean)^2, norm = mean ||x||, norm_max; W = D or S D

Parts are merged by Chan et al. 1983 in float64.
"""
from typing import Iterator

import numpy as np

AT_ONCE = 8192


def empty(width: int) -> dict:
    return {'rows': 0, 'mean': [0.0] * width, 'm2': [0.0] * width, 'norm': 0.0,
            'norm_max': 0.0}


def add(found: dict, x: np.ndarray) -> dict:
    """The statistics with the rows of x [n, ...]."""
    for part in _parts(x):
        n, total = len(part), found['rows'] + len(part)
        mean, before = part.mean(0), np.asarray(found['mean'])
        norms = np.sqrt((part ** 2).sum(1))
        m2 = (found['m2'] + ((part - mean) ** 2).sum(0)
              + (mean - before) ** 2 * (found['rows'] * n / total))
        found = {'rows': total, 'mean': (before + (mean - before) * (n / total)).tolist(),
                 'm2': m2.tolist(),
                 'norm': found['norm'] + (float(norms.mean()) - found['norm']) * n / total,
                 'norm_max': max(found['norm_max'], float(norms.max()))}
    return found


def outlier(found: dict) -> float:
    """gamma = ||mean|| / ||standard deviation||; above 1, subtract the mean before anything
    else (many latents die without)."""
    spread = np.sqrt(np.sum(found['m2']) / max(found['rows'], 1))
    return float(np.linalg.norm(found['mean']) / max(spread, 1e-30))


def first_not_finite(x: np.ndarray) -> int | None:
    """The first row of x that holds a NaN or an infinity."""
    for i in range(0, len(x), AT_ONCE):
        bad = ~np.isfinite(x[i:i + AT_ONCE].reshape(len(x[i:i + AT_ONCE]), -1)
                           .astype(np.float32)).all(axis=1)
        if bad.any():
            return i + int(bad.argmax())
    return None


def _parts(x: np.ndarray) -> Iterator[np.ndarray]:
    for i in range(0, len(x), AT_ONCE):
        part = x[i:i + AT_ONCE]
        yield part.reshape(len(part), -1).astype(np.float64)
