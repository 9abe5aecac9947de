"""The turns of a LangGraph conversation that a person typed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import BaseModel, Field, create_model

from multimail import ConfigurationError

STATE_ARGUMENT = "graph_messages"
"""The argument in which LangGraph passes the messages of its state; no model is shown it."""


@cache
def add_state(args: type[BaseModel]) -> type[BaseModel]:
    """Return a tool's arguments with one more, which LangGraph fills with its messages.

    Raises:
        ConfigurationError: LangGraph is not installed.
    """
    try:
        from langgraph.prebuilt import InjectedState
    except ImportError:
        raise ConfigurationError(
            "user_turns=True needs LangGraph, which keeps the turns: pip install langgraph."
        ) from None
    field: Any = (Annotated[Any, InjectedState("messages")], Field(default=None))
    more: dict[str, Any] = {STATE_ARGUMENT: field}
    extended = create_model(args.__name__, __base__=args, **more)
    extended.model_rebuild()  # LangGraph reads its signature, which a deferred build leaves out
    return extended


def list_user_turns(messages: Any, config: RunnableConfig | None) -> Iterator[str]:
    """Yield the texts of human messages in a graph's state that no program wrote.

    Left out are those of a graph within another (its task is a model's), those with a name (other
    agents write so), and those that a middleware wrote, such as a summary.

    Args:
        messages: Of the state. What a model passes is text, and counts for nothing.
        config: Of the tool's call.
    """
    if "|" in str(ensure_config(config).get("configurable", {}).get("checkpoint_ns", "")):
        return
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, HumanMessage) and _is_typed(message):
            yield str(message.text)


def _is_typed(message: HumanMessage) -> bool:
    return not message.name and "lc_source" not in message.additional_kwargs
