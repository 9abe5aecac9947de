"""What an import costs, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from .figures import Figure, Part
from .sizes import Sizes
from .turns import Seconds, medians

_BARE = "import httpx, pydantic"
_CLASSES = "import httpx; from pydantic import BaseModel"
_CORE: Mapping[str, Mapping[str, float | None]] = {
    "import multimail": {_BARE: 1.15},
    "from multimail import MultiMail": {_BARE: None, _CLASSES: None},
    "from multimail import MultiMail; MultiMail('mm_test_x')": {
        f"{_CLASSES}; httpx.Client()": None
    },
    "from multimail.tools import Toolkit; Toolkit('mm_test_x')": {_CLASSES: None},
}
_FRAMEWORKS: Mapping[str, str] = {
    "langchain_multimail": "from langchain_core.tools import BaseTool",
    "crewai_multimail": "from crewai.tools import BaseTool",
    "smolagents_multimail": "from smolagents import Tool",
    "agno_multimail": "from agno.tools import Toolkit",
}
_GIVES = {"agno_multimail": "functions"}

_NOTE = (
    "The time of the statement in a new interpreter, with bytecode cached. `import multimail` alone"
    " loads next to nothing: the client, its models, httpx and pydantic come with the first name"
    " that is used, so that the rows below it are what a program pays. What no row counts is put"
    " off to its first use: asyncio to the first asynchronous call, httpx's transport of a toolkit"
    " and the models' validators to the first call, SQLite and Redis to the store that needs them."
    " Frameworks and pydantic import late too: the statement asks for the class that a tool derives"
    " from. A tool that asks an API needs httpx as well: the rows without a target count it in, and"
    " the second one of each makes the toolkit and its tools."
)


def measure(sizes: Sizes) -> Part:
    """Measure the imports of the core and of each integration."""
    figures: list[Figure] = []
    for ours, others in _CORE.items():
        figures += _compared(ours, others, sizes)
    for package, theirs in _FRAMEWORKS.items():
        figures += _integration(package, theirs, sizes)
    return Part("imports", "Imports", figures, note=_NOTE)


def _integration(package: str, theirs: str, sizes: Sizes) -> list[Figure]:
    """Return the figures of the import that users write, and of what they do next."""
    ours, counted = f"from {package} import MultiMailToolkit", f"{theirs}; {_CLASSES}"
    gives = _GIVES.get(package, "get_tools()")
    made = f"{ours}; MultiMailToolkit('mm_test_x').{gives}"
    return [
        *_compared(ours, {theirs: 1.1, counted: None}, sizes),
        *_compared(made, {counted: None}, sizes),
    ]


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
