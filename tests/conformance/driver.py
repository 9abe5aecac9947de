"""The driver: one scripted conversation, as any framework's agent would run it.

A scenario is written once, as steps; a driver says them to its agent as that agent's model would.
"""

from __future__ import annotations

import functools
import importlib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from multimail import AsyncMultiMail, MultiMail
from multimail.tools import Toolkit, ToolPolicy
from multimail_cli.demo.scripted_model import Conversation, ScriptedModel, Turn, call, get_text, say

Call = tuple[str, dict[str, Any]]
Texts = Sequence[str]
Step = Turn | Call | Callable[[Texts], Call]

DONE = "Done."
TASK = "Look after the inbox."
_ID = re.compile(r"(msg|thr)_[0-9A-Z]{26}(?![0-9A-Z])")  # in JSON, `\n` may stand before it


def ids_in(text: str, kind: str = "msg") -> list[str]:
    """Return the ids of that kind that a model can read in a text."""
    return [match[0] for match in _ID.finditer(text) if match[1] == kind]


@dataclass(frozen=True)
class Run:
    """One run of an agent.

    Attributes:
        answer: What the agent answered to the one who asked.
        texts: What each call returned, oldest first, as the model was shown it.
        offered: The names of the tools that the model was offered.
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
        self.own: list[Callable[..., Any]] = []
        """Functions of the application's that the agent has as tools beside the toolkit's."""
        self.guarded: tuple[list[Any], Mapping[str, ToolPolicy]] = ([], {})
        """The framework's own tools that are guarded, and what each does."""

    @classmethod
    def name(cls) -> str:
        return f"{cls.framework}-{cls.way}"

    def toolkit(self, key: str | None = None, *, approver: bool = False, **options: Any) -> Any:
        """Return the framework's toolkit."""
        module = importlib.import_module(self.package)
        kind = module.MultiMailApproverToolkit if approver else module.MultiMailToolkit
        kit = kind(key, **options)
        self.open.append(self.core(kit))
        return kit

    def core(self, toolkit: Any) -> Any:
        """Return the one that can be closed."""
        return toolkit

    def close(self) -> None:
        """Close what is open."""
        for client in self.open:
            client.close()

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

    def tools(self, toolkit: Any, session: str | None) -> list[Any]:
        """Return what the agent is given: the toolkit's tools, and the application's own."""
        return [*toolkit.get_tools(), *self.list_own(toolkit, session)]

    def guard_own(self, toolkit: Any, policies: Mapping[str, ToolPolicy]) -> None:
        """Put the toolkit's guard around the application's own tools."""
        natives = [self.native(function) for function in self.own]
        self.own, self.guarded = [], (natives, policies)

    def list_own(self, toolkit: Any, session: str | None) -> list[Any]:
        """Return the application's own tools, guarded ones with the toolkit's guard around them."""
        natives, policies = self.guarded
        wrapped = toolkit.guarded(natives, policies, session_id=session) if natives else []
        return [*map(self.native, self.own), *wrapped]

    def native(self, function: Callable[..., Any]) -> Any:
        """Return a function as a tool of the framework, in the framework's own way."""
        raise NotImplementedError

    def calls(self, name: str, arguments: Mapping[str, Any]) -> Turn:
        """Return the turn that calls a tool."""
        return call(name, **arguments)

    def at_once(self, *calls: Call) -> Turn:
        """Return the turn that calls several tools, without a look at a result in between."""
        return functools.reduce(operator.add, (self.calls(*call) for call in calls))

    def finish(self) -> Turn:
        """Return the turn that ends the run."""
        return say(DONE)

    def texts(self, shown: Sequence[Conversation]) -> list[str]:
        """Return the results that the last of a run's requests shows."""
        messages = shown[-1].messages
        return [
            get_text(message.get("content"))
            for message in messages
            if message.get("role") == "tool"
        ]

    def offered(self, seen: Conversation) -> list[str]:
        """Return the names of the tools that a request offers."""
        return seen.tool_names

    async def leave(self, toolkit: Any) -> None:
        """Close what this event loop opened."""
        await self.core(toolkit).aclose()
        for client in self.async_clients:
            await client.close()
