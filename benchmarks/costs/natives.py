"""Native tool objects, ours or written by hand, called as the framework's own agent calls them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .ground import Ground

FRAMEWORKS = ("langchain", "crewai", "smolagents", "agno")
Call = Callable[[], Any]
AsyncCall = Callable[[], Awaitable[Any]]


def ours(framework: str, ground: Ground) -> dict[str, Any]:
    """Return this package's tools for a framework, by name."""
    options = ground.options()
    if framework == "langchain":
        from langchain_multimail import MultiMailToolkit as LangChain

        return _named(LangChain(**options).get_tools())
    if framework == "crewai":
        from crewai_multimail import MultiMailToolkit as CrewAI

        return _named(CrewAI(**options).get_tools())
    if framework == "smolagents":
        from smolagents_multimail import MultiMailToolkit as Smolagents

        return _named(Smolagents(**options).get_tools())
    from agno_multimail import MultiMailToolkit as Agno

    return dict(Agno(**options).functions)


def ours_async(framework: str, ground: Ground) -> dict[str, Any]:
    """Return the tools for an asynchronous agent: Agno alone has others for it."""
    if framework != "agno":
        return ours(framework, ground)
    from agno_multimail import MultiMailToolkit as Agno

    return dict(Agno(**ground.options()).get_async_functions())


def _named(tools: list[Any]) -> dict[str, Any]:
    return {one.name: one for one in tools}


def call(framework: str, tool: Any, arguments: Mapping[str, Any]) -> Call:
    """Return the call of a tool as the framework's agent makes it."""
    given = dict(arguments)
    if framework == "langchain":
        order = {"type": "tool_call", "id": "1", "name": tool.name, "args": given}
        return lambda: tool.invoke(order)
    if framework == "crewai":
        structured = tool.to_structured_tool()
        return lambda: structured.invoke(dict(given))
    if framework == "smolagents":
        return lambda: tool(**given)
    return lambda: _executed(tool, given)


def async_call(framework: str, tool: Any, arguments: Mapping[str, Any]) -> AsyncCall | None:
    """Return the asynchronous call of a tool; None for smolagents, which has none."""
    given = dict(arguments)
    if framework == "langchain":
        order = {"type": "tool_call", "id": "1", "name": tool.name, "args": given}
        return lambda: tool.ainvoke(order)
    if framework == "crewai":
        structured = tool.to_structured_tool()
        return lambda: structured.ainvoke(dict(given))
    if framework == "agno":
        return lambda: _aexecuted(tool, given)
    return None


def _executed(tool: Any, given: dict[str, Any]) -> Any:
    from agno.tools.function import FunctionCall

    done = FunctionCall(function=tool, arguments=dict(given)).execute()
    if done.status != "success":
        raise RuntimeError(str(done.error))
    return done.result


async def _aexecuted(tool: Any, given: dict[str, Any]) -> Any:
    from agno.tools.function import FunctionCall

    done = await FunctionCall(function=tool, arguments=dict(given)).aexecute()
    if done.status != "success":
        raise RuntimeError(str(done.error))
    return done.result
