"""The report: Markdown tables in docs/benchmarks.md, and growth curves as SVG files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from .metrics import ROOT, Curve, Figure, Part

PAGE = ROOT / "docs" / "benchmarks.md"
_PICTURES = PAGE.parent / "pictures"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_HEADINGS = ("Figure", "Ours", "Against", "Theirs", "Ratio", "Target", "Met")
Measured = Sequence[tuple[Part, dict[str, str]]]


def render(measured: Measured) -> str:
    """Return the results as Markdown."""
    return "\n\n".join(_iter_sections(measured))


def write(measured: Measured) -> None:
    """Write the results between the two comments in the page, and the curves beside it.

    Raises:
        ValueError: The page has no such comments.
    """
    before, begin, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no lines {_BEGIN} and {_END}.")
    PAGE.write_text(f"{before}{_BEGIN}\n{render(measured)}\n{_END}{after}", "utf-8")
    for part, _ in measured:
        for name, curve in part.curves.items():
            write_curve(curve, _PICTURES / f"{name}.svg")


def list_missed(measured: Measured) -> list[str]:
    """Return a line for each figure that does not reach its target."""
    return [
        f"{part.name}: {figure.name}{f' against {figure.against}' if figure.against else ''}:"
        f" {_format_value(figure)}, target {_format_target(figure)}"
        for part, _ in measured
        for figure in part.figures
        if figure.is_missed
    ]


def _iter_sections(measured: Measured) -> Iterator[str]:
    machines = {tuple(about.items()) for _, about in measured}
    if len(machines) == 1:
        yield _format_about(measured[0][1])
    for part, about in measured:
        yield f"### {part.title}"
        if len(machines) > 1:
            yield _format_about(about)
        yield _format_table(part.figures)
        yield f"To repeat: `scripts/bench --only {part.name}`. {part.note}"
        for name, curve in part.curves.items():
            yield f"![{curve.title}](pictures/{name}.svg)"


def _format_about(about: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in about.items())


def _format_table(figures: Sequence[Figure]) -> str:
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *map(_format_row, figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _format_row(figure: Figure) -> tuple[str, ...]:
    theirs = "" if figure.theirs is None else _format_number(figure.theirs, figure.unit)
    ratio = "" if figure.theirs is None else f"{figure.value:.2f}"
    met = "" if figure.target is None else "**no**" if figure.is_missed else "yes"
    ours, target = _format_number(figure.ours, figure.unit), _format_target(figure)
    return figure.name, ours, figure.against, theirs, ratio, target, met


def _format_target(figure: Figure) -> str:
    if figure.target is None:
        return ""
    is_ratio = figure.theirs is not None
    amount = f"{figure.target:g}" if is_ratio else _format_number(figure.target, figure.unit)
    return f"at {'least' if figure.at_least else 'most'} {amount}"


def _format_value(figure: Figure) -> str:
    if figure.theirs is None:
        return _format_number(figure.ours, figure.unit)
    return f"{figure.value:.2f}"


def _format_number(value: float, unit: str) -> str:
    digits = 0 if value == int(value) or value >= 100 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()


_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM, _LEGEND = 640, 360, 70, 40, 36, 46, 18
_COLORS = ("#1f77b4", "#d95f02", "#1b9e77", "#b5179e", "#666666")


def write_curve(curve: Curve, path: Path) -> None:
    """Draw a curve over two logarithmic axes into an SVG file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(_draw(curve)) + "\n", "utf-8")


class _Axis:
    """A logarithmic axis, from a power of ten below all values to one above them."""

    def __init__(self, values: Iterable[float], start: float, end: float) -> None:
        logs = [math.log10(value) for value in values if value > 0]
        self.low, self.high = math.floor(min(logs)), math.ceil(max(logs))
        if self.low == self.high:
            self.high += 1
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Return the coordinate of a value."""
        share = (math.log10(max(value, 1e-9)) - self.low) / (self.high - self.low)
        return round(self._start + share * (self._end - self._start), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield the coordinate and the label of each power of ten."""
        for power in range(self.low, self.high + 1):
            yield self.place(10.0**power), f"{10.0**power:,.{max(0, -power)}f}"


def _draw(curve: Curve) -> Iterator[str]:
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
        yield from _draw_line(name, series, number, across, up)
    yield "</svg>"


def _draw_line(
    name: str, series: list[tuple[float, float]], number: int, across: _Axis, up: _Axis
) -> Iterator[str]:
    color = _COLORS[number % len(_COLORS)]
    points = [(across.place(x), up.place(y)) for x, y in series]
    path = " ".join(f"{x},{y}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>'
    for x, y in points:
        yield f'<circle cx="{x}" cy="{y}" r="3" fill="{color}"/>'
    y = _HEIGHT + _LEGEND * number
    yield f'<rect x="{_LEFT}" y="{y - 5}" width="14" height="4" fill="{color}"/>'
    yield f'<text x="{_LEFT + 20}" y="{y}">{escape(name)}</text>'
