"""Place-field maps: a small picture of the rooms, shaded by how strongly a latent fires."""
from typing import Any

import numpy as np

from saex.report import axes
from saex.report import markup
from saex.report import svg

el = markup.el
_CELL, _EDGE = 24, 3
COLOURS = 9         # classes k0..k8 of style.py


def rooms(title: str, values: Any, style: str, walls: Any = None, colours: Any = None,
          cell: Any = None) -> markup.Html:
    """Cells [R, C] shaded from 0 (or the lowest value, if negative) to the highest.

    NaN cells are crossed out. walls: (east, south) booleans; east[r, c] is a wall between
    (r, c) and (r, c + 1), shape [R, C - 1] or [R, C]; south[r, c] one between (r, c) and
    (r + 1, c), shape [R - 1, C] or [R, C]; the outline is always drawn. Without walls,
    cells are parted by thin gaps. colours: [R, C] ints, a dot of that colour in each cell,
    negative for none. cell: (row, column) to outline. Raises ValueError on other shapes.
    """
    values = _matrix(values, title)
    if not np.isfinite(values).any():
        return svg.nothing()
    count, across = values.shape
    lo, hi = min(0.0, float(np.nanmin(values))), float(np.nanmax(values))
    parts = []
    for r in range(count):
        for c in range(across):
            shade = (values[r, c] - lo) / (hi - lo) if hi > lo else values[r, c] * 0
            tip = f'row {r}, column {c}: {markup.number(float(values[r, c]))}'
            kind = None if colours is None else _colour(colours, values.shape, r, c)
            tip += '' if kind is None else f', colour {kind}'
            parts += _room(r, c, shade, tip, kind, style, gap=walls is None)
    if cell is not None:
        parts.append(el('rect', x=_at(cell[1]) + 1.5, y=_at(cell[0]) + 1.5, rx=2,
                        width=_CELL - 3, height=_CELL - 3, class_='target'))
    if walls is not None:
        parts.append(el('path', d=_walls(walls, count, across), class_='wall'))
    if hi <= 0 and lo == 0:
        parts.append(svg.text(_at(across / 2), _at(count / 2) + 4, 'never active', 'never',
                              'middle'))
    peak = np.unravel_index(np.nanargmax(values), values.shape)
    return svg.figure(title, f'Map of {count} by {across} cells; highest value '
                      f'{markup.number(hi)} at row {peak[0]}, column {peak[1]}.',
                      _at(across) + _EDGE, _at(count) + _EDGE, *parts)


def _matrix(values: Any, title: str) -> np.ndarray:
    shape = np.asarray(values, dtype=object).shape
    if len(shape) != 2:
        raise ValueError(f'map {title!r}: values must be [rows, columns], got {shape}')
    return axes.numbers(values).reshape(shape)


def _colour(colours: Any, shape: tuple[int, int], r: int, c: int) -> int | None:
    held = np.asarray(colours)
    if held.shape != shape:
        raise ValueError(f'colours: expected shape {shape}, got {held.shape}')
    return int(held[r, c]) if held[r, c] >= 0 else None


def _at(index: float) -> float:
    return float(_EDGE + _CELL * index)


def _room(r: int, c: int, shade: float, tip: str, kind: int | None, style: str,
          gap: bool) -> list[markup.Html]:
    inset = .75 if gap else 0.0
    x, y, size = _at(c) + inset, _at(r) + inset, _CELL - 2 * inset
    box = dict(x=x, y=y, width=size, height=size, rx=2 if gap else None)
    parts = [el('rect', **box, class_='room')]
    if np.isfinite(shade):
        parts.append(el('rect', el('title', tip), **box, class_=f'heat {style}',
                        fill_opacity=f'{.94 * shade:.3f}'))
    else:
        parts.append(el('path', el('title', tip), class_='missing',
                        d=f'M{x + 6:.1f} {y + 6:.1f}l{size - 12:.1f} {size - 12:.1f}'
                          f'm0 {12 - size:.1f}l{12 - size:.1f} {size - 12:.1f}'))
    if kind is not None:
        parts.append(el('circle', cx=x + size - 6, cy=y + size - 6, r=3.1,
                        class_=f'colour k{kind % COLOURS}'))
    return parts


def _walls(walls: Any, count: int, across: int) -> str:
    east, south = (np.asarray(side, bool) for side in walls)
    if east.shape not in ((count, across - 1), (count, across)) or south.shape not in (
            (count - 1, across), (count, across)):
        raise ValueError(f'walls: expected east [{count}, {across - 1}] and south '
                         f'[{count - 1}, {across}], got {east.shape} and {south.shape}')
    path = f'M{_EDGE} {_EDGE}h{across * _CELL}v{count * _CELL}h{-across * _CELL}z'
    path += ''.join(f'M{_at(c + 1):g} {_at(r):g}v{_CELL}'
                    for r, c in np.argwhere(east[:, :across - 1]))
    return path + ''.join(f'M{_at(c):g} {_at(r + 1):g}h{_CELL}'
                          for r, c in np.argwhere(south[:count - 1]))
