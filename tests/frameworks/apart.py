"""Which frameworks this environment has: the pins of some cannot stand beside the rest.

Those have other environments, in which `scripts/test-apart` runs their tests; there it names the
environment in `MULTIMAIL_APART`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

TOGETHER = ("langchain", "crewai", "smolagents", "agno")
ENVIRONMENTS = {
    "autogen": "autogen",
    "semantic_kernel": "semantic_kernel",
    "pydantic_ai": "openai3",
    "openai_agents": "openai3",
    "agent_framework": "openai3",
    "google_adk": "google_adk",
    "llama_index": "llama_index",
}
"""The environment of each framework that is not beside the others."""
APART = tuple(ENVIRONMENTS)
_NAME = os.environ.get("MULTIMAIL_APART")
HERE = tuple(name for name in APART if ENVIRONMENTS[name] == _NAME) if _NAME else TOGETHER
"""The frameworks that have to be installed here."""
PRESENT = (*HERE, "mcp") if HERE == TOGETHER else HERE
"""What the conformance suite can drive here: over MCP it does so with LangChain."""


def elsewhere(framework: str) -> str | None:
    """Return why a framework's tests are skipped here, or None where they run."""
    if framework in PRESENT:
        return None
    if framework in APART:
        return f"{framework} has its own environment: scripts/test-apart {ENVIRONMENTS[framework]}"
    return f"{framework} is not in the environment {_NAME}: scripts/test"


def marks(framework: str) -> list[pytest.MarkDecorator]:
    """Return what a parameter of that framework is marked with."""
    reason = elsewhere(framework)
    return [pytest.mark.skip(reason=reason)] if reason else []


def find_framework(path: Path) -> str | None:
    """Return the framework that a module of tests is about, by its name."""
    names = [name for name in (*TOGETHER, *APART) if f"_{name}" in path.stem]
    return names[0] if names else None


FRAMEWORKS = [pytest.param(name, marks=marks(name)) for name in (*TOGETHER, *APART)]
"""Every framework as a test's parameter."""
