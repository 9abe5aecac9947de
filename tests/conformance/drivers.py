"""Drivers: each framework's own agent loop with its own client, in each way to run it."""

from __future__ import annotations

import asyncio
import itertools
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
from tests.conformance.driver import DONE, TASK, Call, Driver
from tests.conformance.drivers_agent_framework import AgentFramework, StreamingAgentFramework
from tests.conformance.drivers_autogen import AutoGen, AutoGenWorkbench
from tests.conformance.drivers_google_adk import GoogleADK, StreamingGoogleADK
from tests.conformance.drivers_llama_index import LlamaIndex, StreamingLlamaIndex
from tests.conformance.drivers_openai_agents import OpenAIAgents, StreamingOpenAIAgents
from tests.conformance.drivers_pydantic_ai import PydanticAI, StreamingPydanticAI
from tests.conformance.drivers_semantic_kernel import SemanticKernel, StreamingSemanticKernel

from multimail.tools import ApproverToolkit, Toolkit
from multimail_cli.demo.scripted_model import Conversation, Turn, call, get_text, say

_PRINTED = re.compile(
    r"\A(?:Execution logs:\n)?(.*?)(?:\n?Last output from code snippet:\n.*)?\Z", re.DOTALL
)


class LangChain(Driver):
    """LangChain's `create_agent`."""

    framework, way, package = "langchain", "invoke", "langchain_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from langchain.agents import create_agent
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        chat = ChatOpenAI(model="scripted", base_url=url, api_key=SecretStr("x"))
        agent = create_agent(chat, self.tools(toolkit, session))
        config = {"configurable": {"thread_id": session}} if session else {}
        given = {"messages": [{"role": "user", "content": TASK}]}
        return str(self.state(toolkit, agent, given, config)["messages"][-1].text)

    def state(self, toolkit: Any, agent: Any, given: Any, config: Any) -> Any:
        return agent.invoke(given, config)

    def native(self, function: Callable[..., Any]) -> Any:
        from langchain_core.tools import tool

        return tool(function)


class AsyncLangChain(LangChain):
    """The same, asynchronously."""

    way = "ainvoke"

    def state(self, toolkit: Any, agent: Any, given: Any, config: Any) -> Any:
        async def within() -> Any:
            try:
                return await agent.ainvoke(given, config)
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())


class CrewAI(Driver):
    """A crew of one agent with one task; a kickoff continues a conversation that is named."""

    framework, way, package = "crewai", "kickoff", "crewai_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from crewai import LLM, Agent, Crew, Task

        agent = Agent(
            role="Assistant",
            goal="An inbox that is looked after",
            backstory="You answer mail.",
            tools=self.tools(toolkit, session),
            llm=LLM(model="openai/gpt-4o-mini", base_url=url, api_key="x"),
            verbose=False,
        )
        task = Task(description=TASK, expected_output="A word.", agent=agent)
        crew = Crew(agents=[agent], tasks=[task], verbose=False)
        with _named(session):
            return str(self.kickoff(toolkit, crew))

    def kickoff(self, toolkit: Any, crew: Any) -> Any:
        return crew.kickoff()

    def native(self, function: Callable[..., Any]) -> Any:
        from crewai.tools import tool

        return tool(function)


@contextmanager
def _named(session: str | None) -> Iterator[None]:
    """Name the conversation of the kickoffs within, as CrewAI lets its host do."""
    from crewai.execution import clear_execution_uuid, set_execution_uuid

    token = set_execution_uuid(session) if session else None
    try:
        yield
    finally:
        if token:
            clear_execution_uuid(token)


class AsyncCrewAI(CrewAI):
    """The same, asynchronously."""

    way = "akickoff"

    def kickoff(self, toolkit: Any, crew: Any) -> Any:
        async def within() -> Any:
            try:
                return await getattr(crew, self.way)()
            finally:
                await self.leave(toolkit)

        return asyncio.run(within())


class ThreadedCrewAI(AsyncCrewAI):
    """The same, in a thread of CrewAI's."""

    way = "kickoff_async"


class ToolCallingAgent(Driver):
    """smolagents' agent of tool calls, which ends by calling `final_answer`."""

    framework, way, package = "smolagents", "ToolCallingAgent", "smolagents_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        import smolagents

        model = smolagents.OpenAIServerModel("scripted", api_base=url, api_key="x")
        kind = getattr(smolagents, self.way)
        tools = self.tools(toolkit, session)
        return str(kind(tools=tools, model=model, verbosity_level=0).run(TASK))

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        return [*toolkit.get_tools(session), *self.list_own(toolkit, session)]

    def native(self, function: Callable[..., Any]) -> Any:
        from smolagents import tool

        return tool(function)

    def finish(self) -> Turn:
        return call("final_answer", answer=DONE)

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        # smolagents gives its model results and errors in a user's messages, and joins those
        # that follow each other: a result is what a request says more than the one before.
        messages = [self._said(message) for message in shown]
        more = [later[len(earlier) :] for earlier, later in itertools.pairwise(messages)]
        return [text.strip().removeprefix("Observation:").strip() for text in more if text]

    @staticmethod
    def _said(seen: Conversation) -> str:
        return "\n".join(
            get_text(message.get("content"))
            for message in seen.messages
            if message.get("role") == "user"
        )


class CodeAgent(ToolCallingAgent):
    """smolagents' agent that writes Python, which calls the tools and prints what they return."""

    way = "CodeAgent"

    def calls(self, name: str, arguments: Mapping[str, Any]) -> Turn:
        return self.at_once((name, dict(arguments)))

    def at_once(self, *calls: Call) -> Turn:
        lines = "\n".join(f"print({name}({_given(arguments)}))" for name, arguments in calls)
        return say(f"I call.\n<code>\n{lines}\n</code>")

    def finish(self) -> Turn:
        return say(f"I am done.\n<code>\nfinal_answer({DONE!r})\n</code>")

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        return [
            match[1] if (match := _PRINTED.match(text)) else text for text in super().texts(shown)
        ]

    def offered(self, seen: Conversation) -> list[str]:
        # Its model gets the tools in the system message, as of functions of Python.
        return re.findall(r"^def (\w+)\(", get_text(seen.messages[0].get("content")), re.MULTILINE)


def _given(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in arguments.items())


class Agno(Driver):
    """Agno's agent."""

    framework, way, package = "agno", "run", "agno_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        return str(self.agent(toolkit, url).run(TASK, session_id=session).content)

    def agent(self, toolkit: Any, url: str, **more: Any) -> Any:
        """Return the agent, its model's client on a network of its own if it is given one."""
        from agno.agent import Agent
        from agno.models.openai.like import OpenAILike

        model = OpenAILike(id="scripted", base_url=url, api_key="x", **more)
        tools = [toolkit, *self.list_own(toolkit, None)]
        return Agent(model=model, tools=tools, telemetry=False)

    def native(self, function: Callable[..., Any]) -> Any:
        return function


class AsyncAgno(Agno):
    """The same, asynchronously."""

    way = "arun"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        async def within() -> str:
            # Agno's own client outlives its event loop; here each run has another one.
            async with httpx.AsyncClient() as network:
                agent = self.agent(toolkit, url, http_client=network)
                try:
                    return str((await agent.arun(TASK, session_id=session)).content)
                finally:
                    await self.leave(toolkit)

        return asyncio.run(within())


class Mcp(LangChain):
    """An agent of LangChain that has the tools from an MCP server, over streamable HTTP."""

    framework, way, package = "mcp", "http", "multimail_mcp"

    def toolkit(self, key: str | None = None, *, approver: bool = False, **options: Any) -> Any:
        kit = (ApproverToolkit if approver else Toolkit)(key, **options)
        self.open.append(kit)
        return kit

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from langchain.agents import create_agent
        from langchain_mcp_adapters.client import MultiServerMCPClient
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        async def within() -> str:
            # Each call is a session of the protocol: the header makes them one conversation.
            headers = {"MultiMail-Conversation": session or f"run-{secrets.token_hex(8)}"}
            async with _endpoint(toolkit) as at, httpx.AsyncClient() as network:
                client = MultiServerMCPClient(
                    {"mail": {"transport": "streamable_http", "url": at, "headers": headers}}
                )
                chat = ChatOpenAI(
                    model="scripted",
                    base_url=url,
                    api_key=SecretStr("x"),
                    http_async_client=network,
                )
                tools = [*await client.get_tools(), *map(self.native, self.own)]
                given: Any = {"messages": [{"role": "user", "content": TASK}]}
                answer = await create_agent(chat, tools).ainvoke(given)
                await self.leave(toolkit)
                return str(answer["messages"][-1].text)

        return asyncio.run(within())


@asynccontextmanager
async def _endpoint(toolkit: Toolkit) -> AsyncIterator[str]:
    """Serve a toolkit on a port of this machine, in this event loop."""
    from multimail_mcp import HttpOptions, McpServer
    from multimail_mcp.http import serve_http

    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve_http(McpServer(toolkit), HttpOptions(port=0), ready.set_result)
    )
    try:
        await asyncio.wait([ready, serving], return_when=asyncio.FIRST_COMPLETED)
        yield ready.result()
    finally:
        serving.cancel()
        await asyncio.wait([serving])


DRIVERS: dict[str, type[Driver]] = {
    kind.name(): kind
    for kind in (
        LangChain,
        AsyncLangChain,
        CrewAI,
        AsyncCrewAI,
        ThreadedCrewAI,
        ToolCallingAgent,
        CodeAgent,
        Agno,
        AsyncAgno,
        AutoGen,
        AutoGenWorkbench,
        SemanticKernel,
        StreamingSemanticKernel,
        PydanticAI,
        StreamingPydanticAI,
        OpenAIAgents,
        StreamingOpenAIAgents,
        AgentFramework,
        StreamingAgentFramework,
        GoogleADK,
        StreamingGoogleADK,
        LlamaIndex,
        StreamingLlamaIndex,
        Mcp,
    )
}
