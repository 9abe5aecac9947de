"""Native tool objects of each framework, called as the framework's own agent calls them.

The tools are this package's, and tools that users write by hand: `requests` in a decorated
function, by the usual recipe for a REST API (module constants, `raise_for_status`, the JSON
unchanged).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import requests

from .environment import Environment

FRAMEWORKS = ("langchain", "crewai", "smolagents", "agno")
Call: TypeAlias = Callable[[], Any]
AsyncCall: TypeAlias = Callable[[], Awaitable[Any]]
PlainFunction: TypeAlias = Callable[..., Any]


def build_tools(framework: str, environment: Environment) -> dict[str, Any]:
    """Return this package's tools for a framework, by name."""
    options = environment.options()
    if framework == "langchain":
        from langchain_multimail import MultiMailToolkit as LangChain

        return _by_name(LangChain(**options).get_tools())
    if framework == "crewai":
        from crewai_multimail import MultiMailToolkit as CrewAI

        return _by_name(CrewAI(**options).get_tools())
    if framework == "smolagents":
        from smolagents_multimail import MultiMailToolkit as Smolagents

        return _by_name(Smolagents(**options).get_tools())
    from agno_multimail import MultiMailToolkit as Agno

    return dict(Agno(**options).functions)


def build_async_tools(framework: str, environment: Environment) -> dict[str, Any]:
    """Return the tools for an asynchronous agent; only Agno has separate ones."""
    if framework != "agno":
        return build_tools(framework, environment)
    from agno_multimail import MultiMailToolkit as Agno

    return dict(Agno(**environment.options()).get_async_functions())


def _by_name(tools: list[Any]) -> dict[str, Any]:
    return {tool.name: tool for tool in tools}


def build_handwritten_tools(framework: str, environment: Environment) -> dict[str, Any]:
    """Return hand-written tools as the framework's tool objects, by name."""
    decorate = _DECORATORS[framework]
    return {name: decorate(function) for name, function in _write_functions(environment).items()}


def _write_functions(environment: Environment) -> dict[str, PlainFunction]:
    base = f"{environment.url}/v1/mailboxes/{environment.mailbox}/emails"
    headers = {"Authorization": f"Bearer {environment.key}"}

    def check_inbox(limit: int = 20) -> dict[str, Any]:
        """List the newest emails.

        Args:
            limit: How many.
        """
        response = requests.get(base, headers=headers, params={"limit": limit}, timeout=30)
        response.raise_for_status()
        return dict(response.json())

    def read_email(email_id: str) -> dict[str, Any]:
        """Read one email.

        Args:
            email_id: Its id.
        """
        response = requests.get(f"{base}/{email_id}", headers=headers, timeout=30)
        response.raise_for_status()
        return dict(response.json())

    return {"check_inbox": check_inbox, "read_email": read_email}


def _decorate_langchain(function: PlainFunction) -> Any:
    from langchain_core.tools import tool

    return tool(function)


def _decorate_crewai(function: PlainFunction) -> Any:
    from crewai.tools import tool

    return tool(function)


def _decorate_smolagents(function: PlainFunction) -> Any:
    from smolagents import tool

    return tool(function)


def _decorate_agno(function: PlainFunction) -> Any:
    from agno.tools import Function

    return Function.from_callable(function)


_DECORATORS: Mapping[str, Callable[[PlainFunction], Any]] = {
    "langchain": _decorate_langchain,
    "crewai": _decorate_crewai,
    "smolagents": _decorate_smolagents,
    "agno": _decorate_agno,
}


def build_call(framework: str, tool: Any, arguments: Mapping[str, Any]) -> Call:
    """Return the call of a tool as the framework's agent makes it."""
    kwargs = dict(arguments)
    if framework == "langchain":
        tool_call = {"type": "tool_call", "id": "1", "name": tool.name, "args": kwargs}
        return lambda: tool.invoke(tool_call)
    if framework == "crewai":
        structured = tool.to_structured_tool()
        return lambda: structured.invoke(dict(kwargs))
    if framework == "smolagents":
        return lambda: tool(**kwargs)
    return lambda: _execute(tool, kwargs)


def build_async_call(framework: str, tool: Any, arguments: Mapping[str, Any]) -> AsyncCall | None:
    """Return the asynchronous call of a tool; None for smolagents, which has none."""
    kwargs = dict(arguments)
    if framework == "langchain":
        tool_call = {"type": "tool_call", "id": "1", "name": tool.name, "args": kwargs}
        return lambda: tool.ainvoke(tool_call)
    if framework == "crewai":
        structured = tool.to_structured_tool()
        return lambda: structured.ainvoke(dict(kwargs))
    if framework == "agno":
        return lambda: _execute_async(tool, kwargs)
    return None


def _execute(tool: Any, kwargs: dict[str, Any]) -> Any:
    from agno.tools.function import FunctionCall

    execution = FunctionCall(function=tool, arguments=dict(kwargs)).execute()
    if execution.status != "success":
        raise RuntimeError(str(execution.error))
    return execution.result


async def _execute_async(tool: Any, kwargs: dict[str, Any]) -> Any:
    from agno.tools.function import FunctionCall

    execution = await FunctionCall(function=tool, arguments=dict(kwargs)).aexecute()
    if execution.status != "success":
        raise RuntimeError(str(execution.error))
    return execution.result
