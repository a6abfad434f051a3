"""Charts as SVG inside a page: a histogram, density of points in a plane, bars, points with lines.

They take their colours from the page's style sheet, and say what they show in words as well, for
those who do not see them. An axis reaches to the 99th percentile; its last bin takes what lies
beyond, and says so.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

_WIDTH, _HEIGHT = 380, 240  # of a chart, in CSS pixels
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, _WIDTH - 22, 14, _HEIGHT - 48  # edges of the plane
_LEAST_BINS, _MOST_BINS = 5, 30
_SHADES = 5


def histogram(
    values: NDArray[np.integer], *, title: str, counted: str, show: Callable[[int], str]
) -> str:
    """Return a histogram.

    Args:
        values: integers, one at least.
        title: what they are.
        counted: what has them: "images".
        show: how a value is written.
    """
    x = _axis(values, _bin_width(values), start=_LEFT, stop=_RIGHT)
    counts = np.bincount(x.bins(values), minlength=len(x.edges) - 1).tolist()
    y = _Axis([0, max(counts)], is_open=False, start=_BOTTOM, stop=_TOP)
    bars = [
        _rectangle(
            "bar",
            (x.at(low), x.at(high)),
            (min(y.at(count), _BOTTOM - 1), _BOTTOM),
            f"{name}: {count:,}",
        )
        for low, high, name, count in zip(x.edges, x.edges[1:], x.names(show), counts, strict=False)
        if count
    ]
    middle = np.partition(values, len(values) // 2)[len(values) // 2]
    words = (
        f"{title}: histogram of {len(values):,} {counted}, median {show(int(middle))}, "
        f"from {show(int(values.min()))} to {show(int(values.max()))}"
    )
    return _svg(
        words, [*_ticks(x, y, show, _number), *bars, *_titles(x.title(title, show), counted)]
    )


def density(
    columns: NDArray[np.integer], rows: NDArray[np.integer], *, titles: tuple[str, str]
) -> str:
    """Return how many points (columns[i], rows[i]) fall into each cell of a plane."""
    step = max(_bin_width(columns), _bin_width(rows))  # cells are square in the data's units
    x = _axis(columns, step, start=_LEFT, stop=_RIGHT)
    y = _axis(rows, step, start=_BOTTOM, stop=_TOP)
    shape = len(y.edges) - 1, len(x.edges) - 1
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (y.bins(rows), x.bins(columns)), 1)
    x_names, y_names = x.names(_number), y.names(_number)
    cells = [
        _rectangle(
            "cell",
            (x.at(x.edges[column]), x.at(x.edges[column + 1])),
            (y.at(y.edges[row + 1]), y.at(y.edges[row])),
            f"{x_names[column]} by {y_names[row]}: {counts[row, column]:,}",
            opacity=_shade(counts[row, column], counts.max()),
        )
        for row, column in np.argwhere(counts).tolist()
    ]
    words = (
        f"{titles[1]} over {titles[0]} of {len(columns):,} images, the stronger the more; "
        f"the widest has {columns.max():,}, the tallest {rows.max():,} pixels"
    )
    names = x.title(titles[0], _number), y.title(titles[1], _number)
    return _svg(words, [*_ticks(x, y, _number, _number), *cells, *_titles(*names)])


def bars(rows: Mapping[str, int], *, title: str) -> str:
    """Return a horizontal bar for each name, as long as its number, zero or more; one at least."""
    most, left, right = max(1, *rows.values()), _WIDTH // 2, _WIDTH - 52
    step = (_BOTTOM - _TOP) / len(rows)
    parts = []
    for number, (name, value) in enumerate(rows.items()):
        upper, end = _TOP + number * step, left + (right - left) * value / most
        middle = upper + step / 2 + 4
        parts += [
            _rectangle(
                "bar",
                (left, end),
                (upper + step * 0.15, upper + step * 0.85),
                f"{name}: {_number(value)}",
            ),
            _label((left - 8, middle), "end", name),
            _label((end + 5, middle), "start", _number(value)),
        ]
    words = f"{title}: " + ", ".join(f"{name} {_number(value)}" for name, value in rows.items())
    return _svg(words, [*parts, _label(((left + right) / 2, _HEIGHT - 28), "middle", title)])


class Point(NamedTuple):
    """What was measured at one place, and what was expected there."""

    x: int
    low: int
    middle: int
    high: int
    expected: int | None = None


def points(values: Sequence[Point], *, titles: tuple[str, str], top: int) -> str:
    """Return measured points with their range, joined by a line; a dashed one is what was expected.

    Args:
        values: one at least, in the order of x.
        titles: of the axes.
        top: of the upright axis, for charts that are to be compared.
    """
    x = _Axis([0, values[-1].x], is_open=False, start=_LEFT, stop=_RIGHT)
    y = _Axis([0, max(1, top)], is_open=False, start=_BOTTOM, stop=_TOP)
    path = _line([(x.at(one.x), y.at(one.middle)) for one in values])
    wanted = _line([(x.at(one.x), y.at(one.expected)) for one in values if one.expected])
    marks = [
        f'<g><path d="M{x.at(one.x):.1f} {y.at(one.low):.1f}V{y.at(one.high):.1f}" {_STROKE}/>'
        f'<circle class="bar" cx="{x.at(one.x):.1f}" cy="{y.at(one.middle):.1f}" r="4"/>'
        f"<title>{escape(_told(one))}</title></g>"
        for one in values
    ]
    lines = [
        f'<path class="axis" d="{wanted}" stroke-dasharray="4 4"/>',
        f'<path d="{path}" {_STROKE}/>',
    ]
    words = f"{titles[1]} over {titles[0]}: " + "; ".join(_told(one) for one in values)
    return _svg(words, [*_ticks(x, y, _number, _number), *lines, *marks, *_titles(*titles)])


_STROKE = 'fill="none" style="stroke:var(--accent)" stroke-width="2"'


def _told(point: Point) -> str:
    expected = "" if point.expected is None else f", expected {_number(point.expected)}"
    return (
        f"{_number(point.x)}: {_number(point.middle)} "
        f"({_number(point.low)} to {_number(point.high)}{expected})"
    )


def _line(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) if places else ""


class _Axis(NamedTuple):
    """An axis, cut into bins of one width."""

    edges: list[int]
    is_open: bool  # whether the last bin takes all that is larger, too
    start: float  # where the first and the last edge are drawn
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.edges[0]) / (self.edges[-1] - self.edges[0])
        return self.start + (self.stop - self.start) * share

    def bins(self, values: NDArray[np.integer]) -> NDArray[np.int64]:
        bins = (values.astype(np.int64) - self.edges[0]) // (self.edges[1] - self.edges[0])
        return np.minimum(bins, len(self.edges) - 2)

    def names(self, show: Callable[[int], str]) -> list[str]:
        names = [
            show(low) if high - low == 1 else f"{show(low)} to {show(high)}"
            for low, high in zip(self.edges, self.edges[1:], strict=False)
        ]
        return [*names[:-1], f"{show(self.edges[-2])} or more"] if self.is_open else names

    def title(self, title: str, show: Callable[[int], str]) -> str:
        return f"{title} (last: {show(self.edges[-2])} or more)" if self.is_open else title

    def ticks(self) -> range:
        step = _round_step((self.edges[-1] - self.edges[0]) / 4)
        return range(-(-self.edges[0] // step) * step, self.edges[-1] + 1, step)


def _bin_width(values: NDArray[np.integer]) -> int:
    low, high = _shown_range(values)
    return _round_step((high - low + 1) / _MOST_BINS)


def _shown_range(values: NDArray[np.integer]) -> tuple[int, int]:
    rank = int(0.99 * (len(values) - 1))
    return int(values.min()), int(np.partition(values, rank)[rank])


def _axis(values: NDArray[np.integer], step: int, *, start: float, stop: float) -> _Axis:
    low, high = _shown_range(values)
    first, last = low // step, high // step + 1
    missing = max(0, _LEAST_BINS - (last - first))
    first = max(0, first - missing // 2)
    edges = [step * edge for edge in range(first, max(last, first + _LEAST_BINS) + 1)]
    return _Axis(edges, bool(values.max() >= edges[-1]), start, stop)


def _round_step(step: float) -> int:
    """Return the next of 1, 2, 5, 10, 20, 50 and so on."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= step:
                return factor * power
        power *= 10


def _shade(count: int, most: int) -> float:
    return float(np.ceil(_SHADES * np.log1p(count) / np.log1p(most)) / _SHADES)


def _number(value: int) -> str:
    return f"{value:,}"


def _rectangle(
    style: str,
    x: tuple[float, float],
    y: tuple[float, float],
    name: str,
    *,
    opacity: float = 1,
) -> str:
    return (
        f'<rect class="{style}" x="{x[0]:.1f}" y="{y[0]:.1f}" width="{x[1] - x[0]:.1f}" '
        f'height="{y[1] - y[0]:.1f}" fill-opacity="{opacity:.1f}">'
        f"<title>{escape(name)}</title></rect>"
    )


def _ticks(
    x: _Axis, y: _Axis, tell_x: Callable[[int], str], tell_y: Callable[[int], str]
) -> Iterable[str]:
    for value in y.ticks():
        yield f'<path class="grid" d="M{_LEFT} {y.at(value):.1f}H{_RIGHT}"/>'
        yield _label((_LEFT - 6, y.at(value) + 4), "end", tell_y(value))
    for value in x.ticks():
        yield f'<path class="axis" d="M{x.at(value):.1f} {_BOTTOM}v4"/>'
        yield _label((x.at(value), _BOTTOM + 17), "middle", tell_x(value))
    yield f'<path class="axis" d="M{_LEFT} {_BOTTOM}H{_RIGHT}"/>'


def _titles(x: str, y: str) -> tuple[str, str]:
    middle = (_TOP + _BOTTOM) / 2
    return (
        _label(((_LEFT + _RIGHT) / 2, _HEIGHT - 8), "middle", x),
        f'<g transform="rotate(-90 12 {middle})">{_label((12, middle), "middle", y)}</g>',
    )


def _label(position: tuple[float, float], anchor: str, text: str) -> str:
    x, y = position
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(words: str, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">'
        f"{''.join(parts)}</svg>"
    )
