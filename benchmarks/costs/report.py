"""The report: results as Markdown tables, between marks in the page that explains them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import plots
from .figures import ROOT, Figure, Part

PAGE = ROOT / "docs" / "benchmarks.md"
_PICTURES = PAGE.parent / "pictures"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_HEAD = ("Figure", "Ours", "Against", "Theirs", "Ratio", "Target", "Met")
Measured = Sequence[tuple[Part, dict[str, str]]]


def rendered(measured: Measured) -> str:
    """Return the results as Markdown."""
    return "\n\n".join(_sections(measured))


def write(measured: Measured) -> None:
    """Put the results between the marks of the page, and the curves beside it.

    Raises:
        ValueError: The page has no such marks.
    """
    before, begin, rest = PAGE.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no lines {_BEGIN} and {_END}.")
    PAGE.write_text(f"{before}{_BEGIN}\n{rendered(measured)}\n{_END}{after}", "utf-8")
    for part, _ in measured:
        for name, curve in part.curves.items():
            plots.write(curve, _PICTURES / f"{name}.svg")


def missed(measured: Measured) -> list[str]:
    """Return the figures that do not reach their target, as lines."""
    return [
        f"{part.name}: {one.name}{f' against {one.against}' if one.against else ''}:"
        f" {_value(one)}, target {_target(one)}"
        for part, _ in measured
        for one in part.figures
        if one.is_missed
    ]


def _sections(measured: Measured) -> Iterator[str]:
    machines = {tuple(about.items()) for _, about in measured}
    if len(machines) == 1:
        yield _about(measured[0][1])
    for part, about in measured:
        yield f"### {part.title}"
        if len(machines) > 1:
            yield _about(about)
        yield _table(part.figures)
        yield f"Again: `scripts/bench --only {part.name}`. {part.note}"
        for name, curve in part.curves.items():
            yield f"![{curve.title}](pictures/{name}.svg)"


def _about(about: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {told}" for name, told in about.items())


def _table(figures: Sequence[Figure]) -> str:
    lines = [_HEAD, ("---",) * len(_HEAD), *map(_row, figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(one: Figure) -> tuple[str, ...]:
    theirs = "" if one.theirs is None else _number(one.theirs, one.unit)
    ratio = "" if one.theirs is None else f"{one.value:.2f}"
    met = "" if one.target is None else "**no**" if one.is_missed else "yes"
    return one.name, _number(one.ours, one.unit), one.against, theirs, ratio, _target(one), met


def _target(one: Figure) -> str:
    if one.target is None:
        return ""
    amount = f"{one.target:g}" if one.theirs is not None else _number(one.target, one.unit)
    return f"at {'least' if one.at_least else 'most'} {amount}"


def _value(one: Figure) -> str:
    return _number(one.ours, one.unit) if one.theirs is None else f"{one.value:.2f}"


def _number(value: float, unit: str) -> str:
    digits = 0 if value == int(value) or value >= 100 else 2
    return f"{value:,.{digits}f} {unit}".rstrip()
