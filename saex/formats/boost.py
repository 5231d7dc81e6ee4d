"""One dictionary of two: a saved one and the one that was trained on what it leaves."""
import dataclasses

import numpy as np

from saex.formats import fold
from saex.formats.canonical import Canonical, checked
from saex.formats.errors import require


def join(base: Canonical, residual: Canonical) -> Canonical:
    """y_hat(x) = y_hat_0(x) + e_hat(x), with the latents of both side by side.

    Exact. Both are folded, so that both read raw x; two ReLU dictionaries give a ReLU one,
    others go through fold.to_jumprelu. A residual of zero atoms and zero bias gives the
    base's reconstruction. Raises FormatError for what has no such form (per-row norms
    beside a scale, sites, TopK without a threshold).
    """
    for c in (base, residual):
        require(c.kind == 'single' and c.rows == 'none' and c.w_glu is None,
                'boost: only dictionaries of one site without per-row norms are joined')
    require((base.d_in, base.d_out) == (residual.d_in, residual.d_out),
            f'boost: the dictionaries map {base.d_in} to {base.d_out} and {residual.d_in} to '
            f'{residual.d_out}')
    parts = [fold.fold(fold.unit_norm(c) if c.score == 'norm' else c)
             for c in (base, residual)]
    if {c.activation for c in parts} != {'relu'}:
        parts = [fold.to_jumprelu(c) for c in parts]
    first, second = parts

    def beside(name, axis=-1):
        values = [getattr(c, name) for c in parts]
        return None if values[0] is None else np.concatenate(values, axis)

    skips = [c.w_skip for c in parts if c.w_skip is not None]
    return checked(dataclasses.replace(
        first, w_enc=beside('w_enc'), b_enc=beside('b_enc'), w_dec=beside('w_dec', 0),
        b_dec=first.b_dec + second.b_dec, threshold=beside('threshold'),
        w_skip=sum(skips) if skips else None))
