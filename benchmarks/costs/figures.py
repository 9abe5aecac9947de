"""Figures: what was measured, what it is compared with, and what it has to reach; kept as JSON."""

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
        against: What it is compared with; empty where it stands alone.
        theirs: The value of that, in the same unit.
        target: What `value` has to reach; None where the figure only informs.
        at_least: Whether the target is the least and not the most.
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
        """The ratio to what it is compared with; the measured value where it stands alone."""
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def is_missed(self) -> bool:
        """Whether there is a target that was not reached."""
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target


@dataclass(frozen=True, slots=True)
class Curve:
    """A growth curve: a measured value by a size, for each of some series."""

    title: str
    across: str
    up: str
    series: dict[str, list[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class Part:
    """The results of one part of the benchmark.

    Attributes:
        name: The name that `--only` takes.
        title: Its heading.
        figures: In the table's order.
        curves: By the name of their pictures.
        note: What a reader has to know of how it was measured.
    """

    name: str
    title: str
    figures: list[Figure]
    curves: dict[str, Curve] = field(default_factory=dict)
    note: str = ""


def save(part: Part, about: dict[str, str], *, quick: bool, folder: Path = FOLDER) -> Path:
    """Keep the results of a part, with the machine and versions that they are of."""
    folder = folder / "quick" if quick else folder
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.name}.json"
    path.write_text(json.dumps({"about": about, **asdict(part)}, indent=1), "utf-8")
    return path


def load(
    names: Iterable[str], *, quick: bool, folder: Path = FOLDER
) -> list[tuple[Part, dict[str, str]]]:
    """Return the parts that were measured, each with what it was measured on."""
    folder = folder / "quick" if quick else folder
    paths = [folder / f"{name}.json" for name in names]
    return [_read(path) for path in paths if path.exists()]


def _read(path: Path) -> tuple[Part, dict[str, str]]:
    stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
    figures = [Figure(**one) for one in stored["figures"]]
    curves = {name: Curve(**one) for name, one in stored["curves"].items()}
    return Part(stored["name"], stored["title"], figures, curves, stored["note"]), stored["about"]
