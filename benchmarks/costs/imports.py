"""What an import costs, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from .figures import Figure, Part
from .sizes import Sizes
from .turns import Seconds, medians

_OURS, _BARE = "import multimail", "import httpx, pydantic"
_CLASSES = "import httpx; from pydantic import BaseModel"
_INTEGRATIONS: Mapping[str, str] = {
    "langchain_multimail": "from langchain_core.tools import BaseTool",
    "crewai_multimail": "from crewai.tools import BaseTool",
    "smolagents_multimail": "from smolagents import Tool",
    "agno_multimail": "from agno.tools import Toolkit",
}

_NOTE = (
    "The time of the statement in a new interpreter, with bytecode cached. Frameworks and"
    " pydantic import late: the statement asks for the class that a tool derives from. A tool"
    " that asks an API needs httpx as well: the rows without a target count it in."
)


def measure(sizes: Sizes) -> Part:
    """Measure the imports of the core and of each integration."""
    figures = _compared(_OURS, {_BARE: 1.15, _CLASSES: None}, sizes)
    for ours, theirs in _INTEGRATIONS.items():
        others = {theirs: 1.1, f"{theirs}; {_CLASSES}": None}
        figures += _compared(f"import {ours}", others, sizes)
    return Part(
        "imports",
        "Imports",
        figures,
        note=_NOTE,
    )


def _compared(ours: str, others: Mapping[str, float | None], sizes: Sizes) -> list[Figure]:
    """Return a figure against each of the other statements, which have a target or none."""
    found = medians({one: _import(one) for one in (ours, *others)}, sizes.imports)
    return [
        Figure(f"`{ours}`", found[ours] * 1000, "ms", f"`{one}`", found[one] * 1000, target=target)
        for one, target in others.items()
    ]


def _import(statement: str) -> Seconds:
    code = (
        "import time, warnings; warnings.simplefilter('ignore'); before = time.perf_counter()\n"
        f"{statement}\nprint(time.perf_counter() - before)"
    )

    def seconds() -> float:
        done = subprocess.run(  # noqa: S603 - this Python, and a statement of our own
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(done.stdout.split()[-1])

    return seconds
