"""Axes of a chart: a range, where values fall in it, and ticks at round numbers."""
import dataclasses
import math
from typing import Iterable

import numpy as np

from saex.report import markup

_LIMIT = 1e100      # larger magnitudes are drawn at the edge, so no range overflows


def numbers(values: Iterable) -> np.ndarray:
    """A flat float64 array; what is not a number (None, text) is NaN, huge is clipped."""
    if isinstance(values, np.ndarray) and values.dtype.kind in 'fiub':
        flat = values.astype(np.float64).ravel()
    else:
        flat = np.array([float(v) if markup.is_number(v) else np.nan
                         for v in np.asarray(values, dtype=object).ravel()], np.float64)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    return np.clip(flat, -_LIMIT, _LIMIT)


@dataclasses.dataclass(frozen=True)
class Axis:
    """A range lo < hi and the (value, label) ticks inside it; log: decades are even."""
    lo: float
    hi: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def at(self, values) -> np.ndarray:
        """Where values fall: 0 at lo, 1 at hi, NaN where a log axis has no place."""
        values = np.asarray(values, np.float64)
        if not self.log:
            return (values - self.lo) / (self.hi - self.lo)
        held = np.where(values > 0, values, np.nan)
        return np.log10(held / self.lo) / math.log10(self.hi / self.lo)


def wants_log(values, ratio: float) -> bool:
    """True when all finite values are positive and span at least a factor `ratio`."""
    held = numbers(values)
    held = held[np.isfinite(held)]
    return bool(held.size) and held.min() > 0 and held.max() / held.min() >= ratio


def linear(values, zero: bool = False, top: float | None = None, count: int = 4) -> Axis:
    """A linear axis over the finite values, widened to round numbers.

    zero: begin at 0 (or below). top: reach at least this far. Values that are all equal, or
    none at all, still get a range.
    """
    held = numbers(values)
    held = held[np.isfinite(held)]
    lo, hi = (held.min(), held.max()) if held.size else (0.0, 1.0)
    lo = min(lo, 0.0) if zero else lo
    hi = hi if top is None else max(hi, top)
    if hi - lo <= 1e-9 * max(abs(lo), abs(hi)):
        pad = abs(hi) / 2 or 1.0
        lo, hi = (0.0, 1.0) if hi == 0 else (lo if zero else hi - pad, hi + pad)
    step = _round_step((hi - lo) / count)
    first, last = math.floor(lo / step + 1e-9), math.ceil(hi / step - 1e-9)
    marks = tuple((i * step, _label(i * step, step)) for i in range(first, last + 1))
    return Axis(first * step, last * step, marks)


def logarithmic(values, pad: float = 0.0) -> Axis:
    """A log axis over the positive finite values: decades, or 1-2-5 when there are few.

    pad: fraction of the length that is left free at both ends.
    """
    held = numbers(values)
    held = held[np.isfinite(held) & (held > 0)]
    lo, hi = (held.min(), held.max()) if held.size else (0.1, 1.0)
    if hi / lo < 1.5:
        lo, hi = lo / 2, hi * 2
    margin = (hi / lo) ** pad
    lo, hi = float(lo / margin), float(hi * margin)
    decades = range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
    every = max(1, math.ceil(len(decades) / 6))
    marks = [10.0 ** d for d in decades if d % every == 0 and _inside(10.0 ** d, lo, hi)]
    for parts in ((1, 3), (1, 2, 5), tuple(range(1, 10))):
        if len(marks) >= 3:
            break
        marks = [m * 10.0 ** d for d in decades for m in parts
                 if _inside(m * 10.0 ** d, lo, hi)]
    return Axis(lo, hi, tuple((m, _log_label(m)) for m in marks), log=True)


def _inside(value: float, lo: float, hi: float) -> bool:
    return lo * (1 - 1e-9) <= value <= hi * (1 + 1e-9)


def _round_step(rough: float) -> float:
    decade = 10.0 ** math.floor(math.log10(rough))
    return next(m * decade for m in (1, 2, 2.5, 5, 10) if m * decade >= rough * 0.999)


def _label(value: float, step: float) -> str:
    if abs(value) < step / 2:
        return '0'
    if abs(value) >= 1e6 or step < 1e-4:
        mantissa, exponent = f'{value:.2e}'.split('e')
        mantissa = mantissa.rstrip('0').rstrip('.').replace('-', '−')
        return f'{mantissa}×{markup.power(int(exponent))}'
    if abs(value) >= 1e4 and step >= 100:
        return f'{value / 1e3:g}k'.replace('-', '−')
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    digits += not math.isclose(round(step, digits), step, rel_tol=1e-6)
    return f'{value:,.{digits}f}'.replace('-', '−')


def _log_label(value: float) -> str:
    exponent = math.floor(math.log10(value) + 1e-9)
    if -3 <= exponent <= 3:
        return f'{value:,.{max(0, -exponent)}f}'
    mantissa = round(value / 10.0 ** exponent)
    return markup.power(exponent) if mantissa == 1 else f'{mantissa}×{markup.power(exponent)}'
