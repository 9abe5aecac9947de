"""What an import costs, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from .figures import Figure, Part
from .sizes import Sizes
from .turns import Seconds, medians


@dataclass(frozen=True, slots=True)
class _Statement:
    """What is run, and what the table calls it."""

    name: str
    code: str


_BARE = _Statement("`httpx, pydantic`", "import httpx, pydantic")
_MODELS = _Statement("httpx and `BaseModel`", "import httpx; from pydantic import BaseModel")
_CLIENT = _Statement("httpx, a client made, and `BaseModel`", f"{_MODELS.code}; httpx.Client()")
_CORE: Mapping[_Statement, Mapping[_Statement, float | None]] = {
    _Statement("`import multimail`", "import multimail"): {_BARE: 1.15},
    _Statement("`MultiMail`", "from multimail import MultiMail"): {_BARE: None, _MODELS: None},
    _Statement(
        "`MultiMail`, and one made", "from multimail import MultiMail; MultiMail('mm_test_x')"
    ): {_CLIENT: None},
    _Statement(
        "`Toolkit`, and one made", "from multimail.tools import Toolkit; Toolkit('mm_test_x')"
    ): {_MODELS: None},
}
_FRAMEWORKS: Mapping[str, str] = {
    "langchain": "from langchain_core.tools import BaseTool",
    "crewai": "from crewai.tools import BaseTool",
    "smolagents": "from smolagents import Tool",
    "agno": "from agno.tools import Toolkit",
}
_GIVES = {"agno": "functions"}

_NOTE = (
    "The time of the statement in a new interpreter, with bytecode cached. `import multimail` alone"
    " loads next to nothing: the client, its models, httpx and pydantic come with the first name"
    " that is used, so that the rows below it are what a program pays. What no row counts is put"
    " off to its first use: asyncio to the first asynchronous call, httpx's transport of a toolkit"
    " and the models' validators to the first call, SQLite and Redis to the store that needs them."
    " Frameworks and pydantic import late too: the statement asks for the class that a tool derives"
    " from (`BaseTool`, `Tool`, Agno's `Toolkit`). A tool that asks an API needs httpx as well: the"
    " rows without a target count it in, and the second one of each makes the toolkit and its"
    " tools."
)


def measure(sizes: Sizes) -> Part:
    """Measure the imports of the core and of each integration."""
    figures: list[Figure] = []
    for ours, others in _CORE.items():
        figures += _compared(ours, others, sizes)
    for framework, theirs in _FRAMEWORKS.items():
        figures += _integration(framework, theirs, sizes)
    return Part("imports", "Imports", figures, note=_NOTE)


def _integration(framework: str, code: str, sizes: Sizes) -> list[Figure]:
    """Return the figures of the import that users write, and of what they do next."""
    theirs = _Statement(f"{framework}'s class", code)
    counted = _Statement(f"{theirs.name}, {_MODELS.name}", f"{code}; {_MODELS.code}")
    ours = _Statement(
        f"{framework}: the toolkit", f"from {framework}_multimail import MultiMailToolkit"
    )
    gives = _GIVES.get(framework, "get_tools()")
    made = _Statement(
        f"{framework}: the toolkit, and its tools made",
        f"{ours.code}; MultiMailToolkit('mm_test_x').{gives}",
    )
    return [
        *_compared(ours, {theirs: 1.1, counted: None}, sizes),
        *_compared(made, {counted: None}, sizes),
    ]


def _compared(
    ours: _Statement, others: Mapping[_Statement, float | None], sizes: Sizes
) -> list[Figure]:
    """Return a figure against each of the other statements, which have a target or none."""
    found = medians({one.name: _import(one.code) for one in (ours, *others)}, sizes.imports)
    return [
        Figure(ours.name, found[ours.name] * 1000, "ms", one.name, found[one.name] * 1000,
               target=target)
        for one, target in others.items()
    ]  # fmt: skip


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
