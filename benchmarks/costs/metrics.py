"""Measured values with their comparisons and targets, stored as JSON; and the sizes of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".benchmarks"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes:
        name: What was measured.
        ours: The measured value, in `unit`.
        unit: Such as `ms`, `MB`, `/s` or `characters`; empty for a plain number.
        against: What it is compared with; empty for a figure without a comparison.
        theirs: The value of the comparison, in the same unit.
        target: What `value` has to reach; None if there is no target.
        at_least: Whether the target is a minimum; else it is a maximum.
    """

    name: str
    ours: float
    unit: str = ""
    against: str = ""
    theirs: float | None = None
    target: float | None = None
    at_least: bool = False

    @property
    def value(self) -> float:
        """The ratio to the comparison, or the measured value if there is none."""
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def is_missed(self) -> bool:
        """Whether there is a target and the value does not reach it."""
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target


@dataclass(frozen=True, slots=True)
class Curve:
    """A growth curve: a measured value by size, for each series."""

    title: str
    across: str
    up: str
    series: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one part of the benchmark.

    Attributes:
        name: The name for `--only`.
        title: The heading.
        figures: The figures, in the order of the table.
        curves: The curves, by the name of their pictures.
        note: How the figures were measured.
    """

    name: str
    title: str
    figures: list[Figure]
    curves: dict[str, Curve] = field(default_factory=dict)
    note: str = ""


def save(part: Part, about: dict[str, str], *, quick: bool, folder: Path = FOLDER) -> Path:
    """Store the results of a part, with the machine and the versions."""
    folder = folder / "quick" if quick else folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.json"
    path.write_text(json.dumps({"about": about, **asdict(part)}, indent=1), "utf-8")
    return path


def load(
    names: Iterable[str], *, quick: bool, folder: Path = FOLDER
) -> list[tuple[Part, dict[str, str]]]:
    """Return the stored parts, each with its machine and versions."""
    folder = folder / "quick" if quick else folder
    paths = [folder / f"{name}.json" for name in names]
    return [_read(path) for path in paths if path.exists()]


def _read(path: Path) -> tuple[Part, dict[str, str]]:
    stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    figures = [Figure(**item) for item in stored["figures"]]
    curves = {name: Curve(**item) for name, item in stored["curves"].items()}
    return Part(stored["name"], stored["title"], figures, curves, stored["note"]), stored["about"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each part measures.

    Attributes:
        calls: Rounds of tool calls.
        reads: Concurrent reads.
        rounds: Rounds of work that takes seconds.
        imports: Rounds of imports, each in a new process.
        largest_mail: Characters of the largest message that is labelled and cleaned.
        powers: The largest mailbox has ten to this power of messages.
        seconds: Seconds of sending in each round.
        starts: How often the server is started.
        smtp: Messages that each SMTP client sends in a round.
    """

    calls: int = 200
    reads: int = 1000
    rounds: int = 5
    imports: int = 11
    largest_mail: int = 10_000_000
    powers: int = 6
    seconds: float = 4.0
    starts: int = 7
    smtp: int = 50


FULL = Sizes()
QUICK = Sizes(
    calls=10,
    reads=50,
    rounds=1,
    imports=1,
    largest_mail=100_000,
    powers=4,
    seconds=0.5,
    starts=1,
    smtp=3,
)
