"""The tools that users write by hand: `requests` in a decorated function, one for each framework.

They follow the usual recipe for wrapping a REST API: a module's constants, `raise_for_status`, and
the JSON as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import requests

from .ground import Ground

Tool = Callable[..., Any]


def functions(ground: Ground) -> dict[str, Tool]:
    """Return `check_inbox` and `read_email` as plain functions."""
    base = f"{ground.url}/v1/mailboxes/{ground.mailbox}/emails"
    headers = {"Authorization": f"Bearer {ground.key}"}

    def check_inbox(limit: int = 20) -> dict[str, Any]:
        """List the newest emails.

        Args:
            limit: How many.
        """
        answer = requests.get(base, headers=headers, params={"limit": limit}, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    def read_email(email_id: str) -> dict[str, Any]:
        """Read one email.

        Args:
            email_id: Its id.
        """
        answer = requests.get(f"{base}/{email_id}", headers=headers, timeout=30)
        answer.raise_for_status()
        return dict(answer.json())

    return {"check_inbox": check_inbox, "read_email": read_email}


def _langchain(function: Tool) -> Any:
    from langchain_core.tools import tool

    return tool(function)


def _crewai(function: Tool) -> Any:
    from crewai.tools import tool

    return tool(function)


def _smolagents(function: Tool) -> Any:
    from smolagents import tool

    return tool(function)


def _agno(function: Tool) -> Any:
    from agno.tools import Function

    return Function.from_callable(function)


_DECORATED: Mapping[str, Callable[[Tool], Any]] = {
    "langchain": _langchain,
    "crewai": _crewai,
    "smolagents": _smolagents,
    "agno": _agno,
}


def tools(framework: str, ground: Ground) -> dict[str, Any]:
    """Return the framework's own tool objects, by name."""
    return {name: _DECORATED[framework](one) for name, one in functions(ground).items()}
