"""Charts with one row per name: bars with their values, and several scores as dots."""
import dataclasses
from typing import Any, Sequence

import numpy as np

from saex.report import axes
from saex.report import markup
from saex.report import svg

el = markup.el
_ROW, _TOP, _BOTTOM = 24, 10, 34


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: a name, its style, and one value (bars) or one for each score (dots)."""
    name: str
    style: str
    values: tuple[Any, ...]
    note: str = ''


def bars(title: str, entries: Sequence[Row], label: str, mark: float | None = None,
         mark_label: str = '', top: float | None = None, show=markup.number,
         width: int = 480) -> markup.Html:
    """Horizontal bars in the order given, each with its value; – where there is none.

    mark: a value that is drawn as a dashed line through all rows. top: the axis reaches at
    least this far. show: how a value is written.
    """
    values = axes.numbers([row.values[0] for row in entries])
    if not np.isfinite(values).any():
        return svg.nothing()
    left = _name_room(entries, width)
    axis = axes.linear(values, zero=True, top=top)
    right = width - 50
    height = _TOP + _ROW * len(entries) + _BOTTOM
    parts = _grid(axis, left, right, height, label)
    zero = _x(axis, 0, left, right)
    for i, (row, value) in enumerate(zip(entries, values)):
        y = _TOP + i * _ROW
        parts.append(_name(row, left, y))
        if not np.isfinite(value):
            parts.append(svg.text(zero + 5, y + 16, '–', 'value'))
            continue
        end = _x(axis, value, left, right)
        tip = el('title', f'{row.name}: {show(float(value))} {row.note}'.rstrip())
        parts += [el('rect', tip, x=min(zero, end), y=float(y + 4), rx=2,
                     width=max(abs(end - zero), 1.5), height=float(_ROW - 8),
                     class_=f'bar {row.style}'),
                  svg.text(max(zero, end) + 6, y + 16.2, show(float(value)),
                           f'value {row.style}')]
    if mark is not None and markup.is_number(mark):
        x = _x(axis, mark, left, right)
        parts += [svg.line(x, _TOP - 4, x, height - _BOTTOM + 2, 'mark'),
                  svg.text(x + 4, height - _BOTTOM - 2, mark_label, 'hint')]
    spoken = '; '.join(f'{row.name} ({row.note}) {show(float(v))}' if row.note else
                       f'{row.name} {show(float(v))}' for row, v in zip(entries, values))
    return svg.figure(title, f'{label}: {spoken}.', width, height, *parts)


def dots(title: str, entries: Sequence[Row], scores: Sequence[str], label: str,
         width: int = 480) -> markup.Html:
    """Several scores of each row on one axis from 0 to 1: disc, ring, square, diamond."""
    table = np.array([axes.numbers(row.values) for row in entries]).reshape(
        len(entries), len(scores))
    if not np.isfinite(table).any():
        return svg.nothing()
    left, right = _name_room(entries, width), width - 18
    axis = axes.linear(table, zero=True, top=1.0)
    height = _TOP + _ROW * len(entries) + _BOTTOM
    parts = _grid(axis, left, right, height, label)
    for i, (row, values) in enumerate(zip(entries, table)):
        y = _TOP + (i + .5) * _ROW
        parts += [_name(row, left, y - _ROW / 2), svg.line(left, y, right, y, 'grid')]
        for j, value in enumerate(values):
            if np.isfinite(value):
                tip = f'{row.name}: {scores[j]} {markup.number(float(value))}'
                hue = row.style.split()[0]
                parts.append(svg.symbol(_x(axis, value, left, right), y,
                                        f'{hue} {SCORE_KINDS[j % 4]}', 5, tip))
    spoken = '; '.join(row.name + ': ' + ', '.join(
        f'{score} {markup.number(float(v))}' for score, v in zip(scores, values))
        for row, values in zip(entries, table))
    return svg.figure(title, f'{spoken}.', width, height, *parts)


SCORE_KINDS = ('score', 'control', 'floor', 'ceiling')      # the symbols of the scores


def _name_room(entries: Sequence[Row], width: int) -> float:
    longest = max(markup.width(markup.shorten(row.name, 22)) for row in entries)
    return min(.42 * width, longest * 6.4 + 14)


def _name(row: Row, left: float, y: float) -> markup.Html:
    return el('text', el('title', row.name), markup.shorten(row.name, 22), x=left - 9.0,
              y=y + 16.2, class_=f'rowname {row.style}', text_anchor='end')


def _x(axis: axes.Axis, value: float, left: float, right: float) -> float:
    return float(left + axis.at(value) * (right - left))


def _grid(axis: axes.Axis, left: float, right: float, height: float, label: str) -> list:
    bottom = height - _BOTTOM
    parts = []
    for value, tick in axis.ticks:
        x = _x(axis, value, left, right)
        parts += [svg.line(x, _TOP - 4, x, bottom + 2, 'grid'),
                  svg.text(x, bottom + 16, tick, 'tick', 'middle')]
    zero = _x(axis, 0, left, right)
    return parts + [svg.line(zero, _TOP - 4, zero, bottom + 2, 'axis'),
                    svg.text(right, height - 3, label, 'label', 'end')]
