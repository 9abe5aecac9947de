"""Prints what the embedded server costs, beside the figures that it has to reach."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from . import measure

CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure and its target."""

    name: str
    value: float
    unit: str
    target: float | None = None
    at_least: bool = False

    def is_missed(self) -> bool:
        """Return whether there is a target that was not reached."""
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target

    def line(self) -> str:
        """Return the figure as a row of the table."""
        wish = ""
        if self.target is not None:
            sign = "at least" if self.at_least else "at most"
            wish = f"{sign} {self.target:g}{'   MISSED' if self.is_missed() else ''}"
        return f"{self.name:<44}{self.value:>10.2f} {self.unit:<4}{wish}".rstrip()


def _figures(options: argparse.Namespace) -> list[Figure]:
    seconds, idle = measure.starts(options.starts)
    sizes = [10**power for power in range(3, options.powers + 1)]
    pages = measure.inbox_pages(sizes)
    ours, bare, busy = measure.sends(CONNECTIONS, options.seconds, options.rounds)
    first, last = pages[sizes[0]], pages[sizes[-1]]
    return [
        Figure("start, command to banner", seconds, "s", 1.0),
        Figure("memory at the banner", idle, "MB", 80.0),
        Figure("memory after the sends below", busy, "MB"),
        *(Figure(f"inbox page of {size:,} messages", ms, "ms") for size, ms in pages.items()),
        Figure(f"inbox page, {sizes[-1]:,} to {sizes[0]:,}", last / first, "", 1.2),
        Figure(f"durable sends, {CONNECTIONS} connections", ours, "/s"),
        Figure("the bare Starlette + SQLite handler", bare, "/s"),
        Figure("durable sends, ours to bare", ours / bare, "", 0.7, at_least=True),
    ]


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench-server", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    parser.add_argument("--powers", type=int, default=6, help="the largest inbox is ten to this")
    parser.add_argument("--seconds", type=float, default=4.0, help="of sending, each round")
    parser.add_argument("--rounds", type=int, default=3, help="of sending, ours and bare in turns")
    parser.add_argument("--starts", type=int, default=5, help="how often to start the server")
    options = parser.parse_args()
    figures = _figures(options)
    for figure in figures:
        print(figure.line())
    return int(options.check and any(figure.is_missed() for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
