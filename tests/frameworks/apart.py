"""Which frameworks this environment has: the pins of some cannot stand beside the rest.

Those have an environment each, in which `scripts/test-apart` runs their tests; there it names the
framework in `MULTIMAIL_APART`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TOGETHER = ("langchain", "crewai", "smolagents", "agno")
APART = ("autogen", "semantic_kernel")
HERE = (os.environ["MULTIMAIL_APART"],) if "MULTIMAIL_APART" in os.environ else TOGETHER
"""The frameworks that have to be installed here."""
PRESENT = (*HERE, "mcp") if HERE == TOGETHER else HERE
"""What the conformance suite can drive here: over MCP it does so with LangChain."""


def elsewhere(framework: str) -> str | None:
    """Return why a framework's tests are skipped here, or None where they run."""
    if framework in PRESENT:
        return None
    if framework in APART:
        return f"{framework} has its own environment: scripts/test-apart {framework}"
    return f"{framework} is not in the environment of {HERE[0]}: scripts/test"


def marks(framework: str) -> list[pytest.MarkDecorator]:
    """Return what a parameter of that framework is marked with."""
    reason = elsewhere(framework)
    return [pytest.mark.skip(reason=reason)] if reason else []


def find_framework(path: Path) -> str | None:
    """Return the framework that a module of tests is about, by its name."""
    found = [name for name in (*TOGETHER, *APART) if f"_{name}" in path.stem]
    return found[0] if found else None


FRAMEWORKS = [pytest.param(name, marks=marks(name)) for name in (*TOGETHER, *APART)]
"""Every framework as a test's parameter."""
