"""Growth curves as small SVG files: lines over two logarithmic axes, readable in light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

from .figures import Curve

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, _LEGEND = 640, 360, 70, 40, 36, 46, 18
_COLOURS = ("#1f77b4", "#d95f02", "#1b9e77", "#b5179e", "#666666")


def write(curve: Curve, path: Path) -> None:
    """Draw a curve into a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_drawn(curve)) + "\n", "utf-8")


class _Axis:
    """A logarithmic axis, from the power of ten below the least value to the one above the most."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        logs = [math.log10(value) for value in values if value > 0]
        self.low, self.high = math.floor(min(logs)), math.ceil(max(logs))
        if self.low == self.high:
            self.high += 1
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return where a value is drawn."""
        share = (math.log10(max(value, 1e-9)) - self.low) / (self.high - self.low)
        return round(self._start + share * (self._end - self._start), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the powers of ten: where, and what is written there."""
        for power in range(self.low, self.high + 1):
            yield self.place(10.0**power), f"{10.0**power:,.{max(0, -power)}f}"


def _drawn(curve: Curve) -> Iterator[str]:
    points = [point for series in curve.series.values() for point in series]
    bottom = _HEIGHT - _BOTTOM
    across = _Axis((x for x, _ in points), _LEFT, _WIDTH - _RIGHT)
    up = _Axis((y for _, y in points), bottom, _TOP)
    height = _HEIGHT + _LEGEND * len(curve.series)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        f' font-family="sans-serif" font-size="12" fill="#222">'
    )
    yield f"<title>{escape(curve.title)}</title>"
    yield f'<rect width="{_WIDTH}" height="{height}" fill="#fff"/>'
    yield f'<text x="{_LEFT}" y="20" font-size="14">{escape(curve.title)}</text>'
    for at, label in across.ticks():
        yield f'<path d="M{at} {_TOP}V{bottom}" stroke="#ddd"/>'
        yield f'<text x="{at}" y="{bottom + 16}" text-anchor="middle">{label}</text>'
    for at, label in up.ticks():
        yield f'<path d="M{_LEFT} {at}H{_WIDTH - _RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{at + 4}" text-anchor="end">{label}</text>'
    end = f'x="{_WIDTH - _RIGHT}" text-anchor="end"'
    yield f'<text {end} y="{_HEIGHT - 12}">{escape(curve.across)}</text>'
    yield f'<text {end} y="20">{escape(curve.up)}</text>'
    for number, (name, series) in enumerate(curve.series.items()):
        yield from _line(name, series, number, across, up)
    yield "</svg>"


def _line(
    name: str, series: list[tuple[float, float]], number: int, across: _Axis, up: _Axis
) -> Iterator[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    places = [(across.place(x), up.place(y)) for x, y in series]
    path = " ".join(f"{x},{y}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>'
    y = _HEIGHT + _LEGEND * number
    yield f'<rect x="{_LEFT}" y="{y - 5}" width="14" height="4" fill="{colour}"/>'
    yield f'<text x="{_LEFT + 20}" y="{y}">{escape(name)}</text>'
