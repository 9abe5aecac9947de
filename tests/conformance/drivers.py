"""Drivers: one scripted conversation, run by each framework's own agent loop and own client.

A scenario is written once, as steps; a driver says them to its agent as that agent's model would.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx

from multimail import AsyncMultiMail, MultiMail
from multimail.tools import Toolkit
from multimail_cli.chat_wire import text_of
from multimail_cli.scripted_model import Conversation, ScriptedModel, Turn, call, say

Call = tuple[str, dict[str, Any]]
Texts = Sequence[str]
Step = Turn | Call | Callable[[Texts], Call]

DONE = "Done."
TASK = "Look after the inbox."
_ID = re.compile(r"(msg|thr)_[0-9A-Z]{26}(?![0-9A-Z])")  # in JSON, `\n` may stand before it
_PRINTED = re.compile(
    r"\A(?:Execution logs:\n)?(.*?)(?:\n?Last output from code snippet:\n.*)?\Z", re.DOTALL
)


def ids_in(text: str, kind: str = "msg") -> list[str]:
    """Return the ids of that kind that a model can read in a text."""
    return [found[0] for found in _ID.finditer(text) if found[1] == kind]


@dataclass(frozen=True)
class Run:
    """One run of an agent.

    Attributes:
        answer: What the agent answered to the one who asked.
        texts: What each call returned, oldest first, as the model was shown it.
        offered: The names of the tools that the model was told of.
        requests: How many requests the model server had.
    """

    answer: str
    texts: list[str]
    offered: list[str]
    requests: int

    @property
    def text(self) -> str:
        """What the last call returned."""
        return self.texts[-1]


class Driver:
    """A framework, one of its agents, and one of the ways to run it. Make one for each test."""

    framework: ClassVar[str]
    way: ClassVar[str]
    package: ClassVar[str]

    def __init__(self) -> None:
        self.async_clients: list[AsyncMultiMail] = []
        """Clients to close in the event loop that used them."""
        self.open: list[MultiMail | Toolkit] = []
        """What else is to be closed when the test is over."""

    @classmethod
    def name(cls) -> str:
        return f"{cls.framework}-{cls.way}"

    def toolkit(self, key: str | None = None, *, approver: bool = False, **options: Any) -> Any:
        """Return the framework's toolkit."""
        module = importlib.import_module(self.package)
        kind = module.MultiMailApproverToolkit if approver else module.MultiMailToolkit
        made = kind(key, **options)
        self.open.append(self.core(made))
        return made

    def core(self, toolkit: Any) -> Any:
        """Return the one that can be closed."""
        return toolkit

    def close(self) -> None:
        """Close what is open."""
        for one in self.open:
            one.close()

    def run(self, toolkit: Any, *steps: Step, session: str | None = None) -> Run:
        """Let an agent with these tools take the steps, and then end.

        Args:
            toolkit: What `toolkit` returned.
            steps: What the model does: a tool call, or a function of what it was shown that
                returns one, or a turn as it stands, such as a failure.
            session: The conversation, by a name of the test's own; default a new one.
        """
        left = list(steps)
        shown: list[Conversation] = []

        def script(seen: Conversation) -> Turn:
            shown.append(seen)
            if not left:
                return self.finish()
            step = left.pop(0)
            if isinstance(step, Turn):
                return step
            name, arguments = step if isinstance(step, tuple) else step(self.texts(shown))
            return self.calls(name, arguments)

        with ScriptedModel(script) as model:
            answer = self.ask(toolkit, model.base_url, session)
        assert model.errors == []
        assert left == [], f"{len(left)} steps were not asked for"
        last = shown[-1]
        return Run(answer, self.texts(shown), self.offered(last), len(shown))

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        """Run the agent once and return its answer."""
        raise NotImplementedError

    def calls(self, name: str, arguments: Mapping[str, Any]) -> Turn:
        """Return the turn that calls a tool."""
        return call(name, **arguments)

    def finish(self) -> Turn:
        """Return the turn that ends the run."""
        return say(DONE)

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        """Return the results that the last of a run's requests shows."""
        said = shown[-1].messages
        return [text_of(one.get("content")) for one in said if one.get("role") == "tool"]

    def offered(self, seen: Conversation) -> list[str]:
        """Return the names of the tools that a request offers."""
        return seen.tool_names

    async def leave(self, toolkit: Any) -> None:
        """Close what this event loop opened."""
        await self.core(toolkit).aclose()
        for client in self.async_clients:
            await client.close()


class LangChain(Driver):
    """LangChain's `create_agent`."""

    framework, way, package = "langchain", "invoke", "langchain_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from langchain.agents import create_agent
        from langchain_openai import ChatOpenAI
        from pydantic import SecretStr

        chat = ChatOpenAI(model="scripted", base_url=url, api_key=SecretStr("x"))
        agent = create_agent(chat, toolkit.get_tools())
        config = {"configurable": {"thread_id": session}} if session else {}
        given = {"messages": [{"role": "user", "content": TASK}]}
        return str(self.state(toolkit, agent, given, config)["messages"][-1].text)

    def state(self, toolkit: Any, agent: Any, given: Any, config: Any) -> Any:
        return agent.invoke(given, config)


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
    """A crew of one agent with one task; each kickoff is a conversation of its own."""

    framework, way, package = "crewai", "kickoff", "crewai_multimail"

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        from crewai import LLM, Agent, Crew, Task

        agent = Agent(
            role="Assistant",
            goal="An inbox that is looked after",
            backstory="You answer mail.",
            tools=toolkit.get_tools(),
            llm=LLM(model="openai/gpt-4o-mini", base_url=url, api_key="x"),
            verbose=False,
        )
        task = Task(description=TASK, expected_output="A word.", agent=agent)
        crew = Crew(agents=[agent], tasks=[task], verbose=False)
        return str(self.kickoff(toolkit, crew))

    def kickoff(self, toolkit: Any, crew: Any) -> Any:
        return crew.kickoff()


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

    def __init__(self) -> None:
        super().__init__()
        self._by_session: dict[str, Any] = {}

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        import smolagents

        tools = self._by_session.get(session or "") or toolkit.get_tools()
        if session:
            self._by_session[session] = tools
        model = smolagents.OpenAIServerModel("scripted", api_base=url, api_key="x")
        kind = getattr(smolagents, self.way)
        return str(kind(tools=tools, model=model, verbosity_level=0).run(TASK))

    def finish(self) -> Turn:
        return call("final_answer", answer=DONE)

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        # smolagents tells its model of results and of errors in a user's messages, and joins those
        # that follow each other: a result is what a request says more than the one before.
        said = [self._said(one) for one in shown]
        more = [later[len(earlier) :] for earlier, later in itertools.pairwise(said)]
        return [text.strip().removeprefix("Observation:").strip() for text in more if text]

    @staticmethod
    def _said(seen: Conversation) -> str:
        return "\n".join(
            text_of(one.get("content")) for one in seen.messages if one.get("role") == "user"
        )


class CodeAgent(ToolCallingAgent):
    """smolagents' agent that writes Python, which calls the tools and prints what they return."""

    way = "CodeAgent"

    def calls(self, name: str, arguments: Mapping[str, Any]) -> Turn:
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        return say(f"I call {name}.\n<code>\nprint({name}({given}))\n</code>")

    def finish(self) -> Turn:
        return say(f"I am done.\n<code>\nfinal_answer({DONE!r})\n</code>")

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        return [
            found[1] if (found := _PRINTED.match(text)) else text for text in super().texts(shown)
        ]

    def offered(self, seen: Conversation) -> list[str]:
        # Its model is told of the tools in the system message, as of functions of Python.
        return re.findall(r"^def (\w+)\(", text_of(seen.messages[0].get("content")), re.MULTILINE)


class Agno(Driver):
    """Agno's agent."""

    framework, way, package = "agno", "run", "agno_multimail"

    def core(self, toolkit: Any) -> Any:
        return toolkit._multimail

    def ask(self, toolkit: Any, url: str, session: str | None) -> str:
        return str(self.agent(toolkit, url).run(TASK, session_id=session).content)

    def agent(self, toolkit: Any, url: str, **more: Any) -> Any:
        """Return the agent, its model's client on a network of its own if it is given one."""
        from agno.agent import Agent
        from agno.models.openai.like import OpenAILike

        model = OpenAILike(id="scripted", base_url=url, api_key="x", **more)
        return Agent(model=model, tools=[toolkit], telemetry=False)


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
    )
}
