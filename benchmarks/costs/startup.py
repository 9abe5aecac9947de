"""Startup: imports, each in a new process, and the demo."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

from .metrics import ROOT, Figure, Part, Sizes
from .timing import Seconds, medians


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement to run, and its name in the table."""

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
"""The statements to measure, each with the statements to compare it with and their targets."""

_FRAMEWORK_CLASSES: Mapping[str, str] = {
    "langchain": "from langchain_core.tools import BaseTool",
    "crewai": "from crewai.tools import BaseTool",
    "smolagents": "from smolagents import Tool",
    "agno": "from agno.tools import Toolkit",
}
_FRAMEWORK_TARGET = 1.1
_IMPORTS_NOTE = (
    "The time of the statement in a new interpreter, with bytecode cached. `import multimail` alone"
    " loads almost nothing: the client, its models, httpx and pydantic are imported with the first"
    " name that is used, so the rows below it are the cost in a program. Other costs come with the"
    " first use and are in no row: asyncio with the first asynchronous call, httpx's transport of a"
    " toolkit and the models' validators with the first call, SQLite and Redis with a store that"
    " needs them. Frameworks and pydantic import lazily too, so the statement imports the class"
    " that a tool derives from (`BaseTool`, `Tool`, Agno's `Toolkit`). A tool that calls an API"
    " also needs httpx: the rows without a target include it, and the second of them also makes the"
    " toolkit and its tools."
)


def measure_imports(sizes: Sizes) -> Part:
    """Measure the imports of the core and of each integration."""
    figures: list[Figure] = []
    for ours, others in _CORE.items():
        figures += _compare(ours, others, sizes)
    for framework, code in _FRAMEWORK_CLASSES.items():
        figures += _compare_integration(framework, code, sizes)
    return Part("imports", "Imports", figures, note=_IMPORTS_NOTE)


def _compare_integration(framework: str, code: str, sizes: Sizes) -> list[Figure]:
    """Return the figures of importing a toolkit, and of making its tools."""
    theirs = _Statement(f"{framework}'s class", code)
    with_httpx = _Statement(f"{theirs.name}, {_MODELS.name}", f"{code}; {_MODELS.code}")
    ours = _Statement(
        f"{framework}: the toolkit", f"from {framework}_multimail import MultiMailToolkit"
    )
    tools = "functions" if framework == "agno" else "get_tools()"
    with_tools = _Statement(
        f"{framework}: the toolkit, and its tools made",
        f"{ours.code}; MultiMailToolkit('mm_test_x').{tools}",
    )
    return [
        *_compare(ours, {theirs: _FRAMEWORK_TARGET, with_httpx: None}, sizes),
        *_compare(with_tools, {with_httpx: None}, sizes),
    ]


def _compare(
    ours: _Statement, others: Mapping[_Statement, float | None], sizes: Sizes
) -> list[Figure]:
    """Return a figure for each other statement; the values are the targets."""
    seconds = medians(
        {statement.name: _time_import(statement.code) for statement in (ours, *others)},
        sizes.imports,
    )
    return [
        Figure(ours.name, seconds[ours.name] * 1000, "ms", other.name,
               seconds[other.name] * 1000, target=target)
        for other, target in others.items()
    ]  # fmt: skip


def _time_import(statement: str) -> Seconds:
    code = (
        "import time, warnings; warnings.simplefilter('ignore'); before = time.perf_counter()\n"
        f"{statement}\nprint(time.perf_counter() - before)"
    )

    def seconds() -> float:
        process = subprocess.run(  # noqa: S603 - this Python and our own statement
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(process.stdout.split()[-1])

    return seconds


_DEMO = "from multimail_cli.main import run; run()"
_DEMO_TARGET = 15.0
_DEMO_NOTE = "The environment exists, and the demo has run once before."


def measure_demo(sizes: Sizes) -> Part:
    """Measure `scripts/demo --decision approve` after a first run."""
    _time_demo()
    seconds = statistics.median(_time_demo() for _ in range(min(3, sizes.rounds)))
    figure = Figure("`scripts/demo --decision approve`, warm", seconds, "s", target=_DEMO_TARGET)
    return Part("demo", "The demo", [figure], note=_DEMO_NOTE)


def _time_demo() -> float:
    command = [sys.executable, "-c", _DEMO, "demo", "--decision", "approve"]
    before = time.perf_counter()
    process = subprocess.run(  # noqa: S603 - this Python and our own arguments
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - before
    if process.returncode:
        raise RuntimeError(f"The demo failed: {process.stdout[-500:]}{process.stderr[-500:]}")
    return seconds
