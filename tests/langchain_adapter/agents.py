"""Agents: LangChain's own loop and client, on a scripted model served on a socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from langchain.agents import create_agent
from langchain_core.messages import AnyMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn, say

Step = Turn | Callable[[Conversation], Turn]
TASK = {"messages": [{"role": "user", "content": "Look after the inbox."}]}
_ID = re.compile(r"\b(msg|thr)_[0-9A-Z]{26}\b")


def ids_in(text: str, kind: str = "msg") -> list[str]:
    """Return the ids of that kind that a model can read in a text."""
    return [match[0] for match in _ID.finditer(text) if match[1] == kind]


@contextmanager
def model(*steps: Step) -> Iterator[tuple[ChatOpenAI, ScriptedModel]]:
    """Serve a model that takes these steps in every conversation, then says that it is done."""

    def script(conversation: Conversation) -> Turn:
        if conversation.turns >= len(steps):
            return say("Done.")
        step = steps[conversation.turns]
        return step if isinstance(step, Turn) else step(conversation)

    with ScriptedModel(script) as served:
        # LangChain shares its connections between models and event loops; a kept one of an
        # earlier test may be dead.
        chat = ChatOpenAI(
            model="scripted",
            base_url=served.base_url,
            api_key=SecretStr("x"),
            max_retries=0,
            http_client=httpx.Client(),
            http_async_client=httpx.AsyncClient(),
        )
        yield chat, served
        assert served.errors == []


async def run(agent: Any, way: str, given: Any = TASK, thread: str | None = None) -> dict[str, Any]:
    """Run an agent in one of four ways and return its last state."""
    config = {"configurable": {"thread_id": thread}} if thread else {}
    state: dict[str, Any] = {}
    if way == "invoke":
        return dict(agent.invoke(given, config))
    if way == "ainvoke":
        return dict(await agent.ainvoke(given, config))
    modes = ["values", "messages"]
    if way == "stream":
        for mode, chunk in agent.stream(given, config, stream_mode=modes):
            state = chunk if mode == "values" else state
    else:
        async for mode, chunk in agent.astream(given, config, stream_mode=modes):
            state = chunk if mode == "values" else state
    return state


async def work(chat: ChatOpenAI, tools: Any, way: str, thread: str | None = None) -> list[Any]:
    """Run an agent with these tools; return its messages."""
    state = await run(create_agent(chat, tools), way, thread=thread)
    messages: list[AnyMessage] = state["messages"]
    assert messages[-1].text == "Done."
    return messages


def results(messages: list[Any]) -> list[ToolMessage]:
    """Return what the tools answered, in order."""
    return [message for message in messages if isinstance(message, ToolMessage)]
