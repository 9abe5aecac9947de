"""Agents of each framework: their own loops and clients, on a scripted model on a socket."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.frameworks.agents_agent_framework import run_agent_framework
from tests.frameworks.agents_autogen import run_autogen
from tests.frameworks.agents_google_adk import run_google_adk
from tests.frameworks.agents_llama_index import run_llama_index
from tests.frameworks.agents_openai_agents import run_openai_agents
from tests.frameworks.agents_pydantic_ai import run_pydantic_ai
from tests.frameworks.agents_semantic_kernel import run_semantic_kernel
from tests.tools.support import Inbox

from multimail.tools import ToolPolicy
from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn, call, say

Step = Turn | Callable[[Conversation], Turn]
TASK = "Look after the inbox."
SEND: dict[str, Any] = {"to": ["ann@example.org"], "subject": "Offer", "body": "It is ready."}
NOTE = call("post_note", channel="sales", text="Hello.")
POLICIES = {"post_note": ToolPolicy("outside", "status")}
"""What `post_note` does: its text reaches people outside."""
MESSAGE_ID = re.compile(r"\bmsg_[0-9A-Z]{26}\b")


@contextmanager
def model(*steps: Step, last: Turn | None = None) -> Iterator[ScriptedModel]:
    """Serve a model that takes these steps in every conversation, and `last` ever after."""

    def script(conversation: Conversation) -> Turn:
        if conversation.turns >= len(steps):
            return last or say("Done.")
        step = steps[conversation.turns]
        return step if isinstance(step, Turn) else step(conversation)

    with ScriptedModel(script) as served:
        yield served
        assert served.errors == []


def post_note(channel: str, text: str) -> str:
    """Post a note for the team."""
    return f"Posted in {channel}: {text}"


def conversation(served: ScriptedModel) -> Conversation:
    """Return the newest request, as a script sees it."""
    return Conversation.from_request(served.requests[-1])


def reading(box: Inbox) -> Turn:
    """Receive a mail without proof, and return the turn that reads it."""
    return call("read_email", email_id=box.receive("Hello.")["id"])


def crew_llm(served: ScriptedModel) -> Any:
    """Return CrewAI's client; its oldest version asks for a model that it knows."""
    from crewai import LLM

    return LLM(model="openai/gpt-4o-mini", base_url=served.base_url, api_key="x")


def crew_agent(served: ScriptedModel, tools: Iterable[Any], **more: Any) -> Any:
    """Return an agent of CrewAI."""
    from crewai import Agent

    llm = crew_llm(served)
    facts: dict[str, Any] = {"role": "Clerk", "goal": "Answer mail.", "backstory": "Careful."}
    return Agent(**facts, tools=list(tools), llm=llm, verbose=False, **more)


def crew(served: ScriptedModel, tools: Iterable[Any], **more: Any) -> Any:
    """Return a crew of one agent with one task."""
    from crewai import Crew, Task

    agent = crew_agent(served, tools)
    task = Task(description=TASK, expected_output="A report.", agent=agent)
    return Crew(agents=[agent], tasks=[task], verbose=False, **more)


def smol_model(served: ScriptedModel) -> Any:
    """Return smolagents' client."""
    from smolagents import OpenAIServerModel

    return OpenAIServerModel("scripted", api_base=served.base_url, api_key="x")


def agno_model(served: ScriptedModel) -> Any:
    """Return Agno's client."""
    from agno.models.openai.like import OpenAILike

    return OpenAILike(id="scripted", base_url=served.base_url, api_key="x")


def run_langchain(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent of LangChain with the toolkit's tools."""
    from langchain.agents import create_agent
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    from langchain_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    chat = ChatOpenAI(model="scripted", base_url=served.base_url, api_key=SecretStr("x"))
    messages: Any = {"messages": [{"role": "user", "content": TASK}]}
    create_agent(chat, pack(**options).get_tools()).invoke(messages)


def run_crewai(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run a crew with the toolkit's tools."""
    from crewai_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    crew(served, pack(**options).get_tools()).kickoff()


def run_smolagents(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run a `ToolCallingAgent` with the toolkit's tools."""
    from smolagents import ToolCallingAgent

    from smolagents_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    tools = pack(**options).get_tools()
    ToolCallingAgent(tools=tools, model=smol_model(served), verbosity_level=0).run(TASK)


def run_agno(served: ScriptedModel, options: dict[str, Any], approver: bool = False) -> None:
    """Run an agent of Agno with the toolkit."""
    from agno.agent import Agent

    from agno_multimail import MultiMailApproverToolkit, MultiMailToolkit

    pack: Any = MultiMailApproverToolkit if approver else MultiMailToolkit
    Agent(model=agno_model(served), tools=[pack(**options)]).run(TASK)


RUNS: dict[str, Callable[..., None]] = {
    "langchain": run_langchain,
    "crewai": run_crewai,
    "smolagents": run_smolagents,
    "agno": run_agno,
    "autogen": run_autogen,
    "semantic_kernel": run_semantic_kernel,
    "pydantic_ai": run_pydantic_ai,
    "openai_agents": run_openai_agents,
    "agent_framework": run_agent_framework,
    "google_adk": run_google_adk,
    "llama_index": run_llama_index,
}


def last_turn(framework: str) -> Turn:
    """Return the turn that ends a run: smolagents' agent ends by calling a tool."""
    return call("final_answer", answer="Done.") if framework == "smolagents" else say("Done.")


def call_as_offered(seen: Conversation, name: str, **arguments: Any) -> Turn:
    """Return the turn that calls a tool; some frameworks put more before its name."""
    (offered,) = [
        tool_name for tool_name in seen.tool_names if tool_name.rpartition("-")[2] == name
    ]
    return call(offered, **arguments)
