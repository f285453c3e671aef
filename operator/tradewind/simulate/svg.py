"""Charts as inline SVG: bars, points, stacked areas. No script, no font or colour from elsewhere.

Colours are CSS variables of the page (`report.py`), so that one drawing reads in light and dark.
Every mark has a `<title>`, which browsers show under the pointer and readers read aloud.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

#: Series colours of the page; the ninth and later share the last, "others".
SERIES = 8
_CHAR = 6.6  # width of a figure in the page's small print, pixels


class Point(NamedTuple):
    """A point with its name; `kind` is its class in the page's style."""

    name: str
    x: float
    y: float
    kind: str


def colour(place: int) -> str:
    """The page's variable for a series."""
    return f"var(--s{min(place, SERIES)})"


def ticks(top: float, count: int = 4) -> list[float]:
    """Round numbers from 0 up to at least `top`.

    >>> ticks(37.0), ticks(0.9), ticks(0.0)
    ([0.0, 10.0, 20.0, 30.0, 40.0], [0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 1.0])
    """
    if not top > 0:
        return [0.0, 1.0]
    size = 10.0 ** (len(str(int(top / count))) - 1) if top >= count else 1.0
    while size > top / count:
        size /= 10
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m * count >= top * (1 - 1e-9))
    return [round(step * i, 10) for i in range(int(top / step - 1e-9) + 2)]


def figure(value: float) -> str:
    """A number as short as it can be told.

    >>> figure(1234.5), figure(12.34), figure(0.0456), figure(0)
    ('1,234', '12.3', '0.046', '0')
    """
    size = abs(value)
    if size >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    if size >= 1:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.2g}" if value else "0"


def bar(share: float, label: str, kind: str = "", *, width: int = 150) -> str:
    """One bar with its figure behind it, for a cell of a table."""
    length = max(0.0, min(1.0, share)) * width
    return (
        f'<svg class="bar {kind}" viewBox="0 0 {width + 90} 16" width="{width + 90}" height="16" '
        f'role="img"><title>{escape(label)}</title>'
        f'<rect x="0" y="3" width="{length:.1f}" height="10" rx="2"/>'
        f'<text x="{length + 6:.1f}" y="12">{escape(label)}</text></svg>'
    )


def stacked_bars(
    rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], unit: str, first: int = 0
) -> str:
    """Horizontal stacked bars, one for each row, in one scale; `first`: its first colour."""
    left, width, step = 130, 560, 24
    top = max((sum(values) for _, values in rows), default=0.0) or 1.0
    marks = ticks(top)
    scale = width / marks[-1]
    height = step * len(rows) + 28
    parts = [_open(left + width + 60, height, f"{', '.join(names)} by replay, {unit}")]
    for mark in marks:
        x = left + mark * scale
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - 24}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height - 8}" text-anchor="middle">'
            f"{figure(mark)}</text>"
        )
    for place, (row, values) in enumerate(rows):
        y = place * step + 4
        parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(row)}</text>')
        x = float(left)
        for series, (name, value) in enumerate(zip(names, values, strict=True)):
            if value > 0:
                parts.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{value * scale:.1f}" height="16" '
                    f'fill="{colour(first + series)}"><title>{escape(row)}, {escape(name)}: '
                    f"{figure(value)} {escape(unit)}</title></rect>"
                )
            x += value * scale
        parts.append(
            f'<text class="tick" x="{x + 6:.1f}" y="{y + 12}">{figure(sum(values))}</text>'
        )
    return "".join([*parts, "</svg>"])


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> str:
    """Points with their names; names that would cover each other stand under each other."""
    left, width, height, below = 64, 600, 320, 40
    xs, ys = ticks(max(p.x for p in points)), ticks(max(p.y for p in points))
    parts = [_open(left + width + 140, height + below, f"{y_name} against {x_name}")]
    for mark in xs:
        x = left + mark / xs[-1] * width
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="{height}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{height + 16}" text-anchor="middle">'
            f"{figure(mark)}</text>"
        )
    for mark in ys:
        y = height - mark / ys[-1] * (height - 16)
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f"{figure(mark)}</text>"
        )
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: (p.kind != "policy", p.y, p.x)):
        x = left + point.x / xs[-1] * width
        y = height - point.y / ys[-1] * (height - 16)
        text_y = _free_line(x, y, len(point.name) * _CHAR, taken)
        parts.append(
            f'<circle class="{point.kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>'
            f"{escape(point.name)}: {figure(point.x)}, {figure(point.y)}</title></circle>"
            f'<text class="{point.kind}" x="{x + 9:.1f}" y="{text_y + 4:.1f}">'
            f"{escape(point.name)}</text>"
        )
    parts.append(
        f'<text class="axis" x="{left + width}" y="{height + 34}" text-anchor="end">'
        f"{escape(x_name)}</text>"
        f'<text class="axis" x="8" y="{height + 34}">{escape(y_name)} (up)</text>'
    )
    return "".join([*parts, "</svg>"])


def _free_line(x: float, y: float, width: float, taken: list[tuple[float, float, float]]) -> float:
    """Where a name fits beside its point: there, or the nearest line that is free."""
    for shift in (0, 13, -13, 26, -26, 39, -39, 52, -52):
        line = y + shift
        if all(
            abs(line - other) >= 12 or x > right or x + width < start  # noqa: PLR2004
            for start, right, other in taken
        ):
            break
    taken.append((x, x + width, line))
    return line


def areas(rows: Sequence[tuple[str, Sequence[float]]], top: float, left_label: str) -> str:
    """A stacked area for each series over equal steps, up to `top`."""
    width, height, left = 640, 110, 64
    steps = len(rows[0][1]) if rows else 0
    parts = [_open(left + width + 8, height + 8, left_label)]
    for mark in ticks(top, 2):
        y = height - mark / max(top, mark, 1e-12) * (height - 10)
        if mark <= top:
            parts.append(
                f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="tick" x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">'
                f"{figure(mark)}</text>"
            )
    base = [0.0] * steps
    for series, (name, values) in enumerate(rows):
        upper = [low + value for low, value in zip(base, values, strict=True)]
        line = _outline(upper, base, left=left, width=width, height=height, top=top)
        parts.append(
            f'<path d="{line}" fill="{colour(series)}"><title>{escape(name)}</title></path>'
        )
        base = upper
    return "".join([*parts, "</svg>"])


def _outline(
    upper: Sequence[float],
    lower: Sequence[float],
    *,
    left: float,
    width: float,
    height: float,
    top: float,
) -> str:
    """The path around a layer; steps, not slopes: a bin is a sum."""
    step = width / max(1, len(upper))

    def edge(values: Sequence[float]) -> list[tuple[float, float]]:
        found = []
        for place, value in enumerate(values):
            y = height - value / max(top, 1e-12) * (height - 10)
            found += [(left + place * step, y), (left + (place + 1) * step, y)]
        return found

    points = edge(upper) + edge(lower)[::-1]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points) + "Z"


def columns(values: Sequence[float], shades: Sequence[float], top: float, names: str) -> str:
    """Columns by the hour of the day; a shade from 0 (clean) to 1 (dirty) colours each."""
    width, height = 240, 84
    step = width / max(1, len(values))
    parts = [_open(width, height + 16, names)]
    for place, (value, shade) in enumerate(zip(values, shades, strict=True)):
        tall = value / max(top, 1e-12) * (height - 6)
        parts.append(
            f'<rect x="{place * step + 1:.1f}" y="{height - tall:.1f}" width="{step - 2:.1f}" '
            f'height="{tall:.1f}" fill="color-mix(in srgb, var(--dirty) {shade * 100:.0f}%, '
            f'var(--clean))"><title>{place:02}:00 UTC: {figure(value)} kWh</title></rect>'
        )
    marks = [
        f'<text class="tick" x="{hour * step + 1:.1f}" y="{height + 13}">{hour:02}</text>'
        for hour in (0, 6, 12, 18)
    ]
    return "".join([*parts, *marks, "</svg>"])


def _open(width: float, height: float, name: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" aria-label="{escape(name)}">'
    )
