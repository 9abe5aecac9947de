"""An agent without a model, all of whose tools are guarded, and which obeys whatever it reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from pydantic import BaseModel

Arguments: TypeAlias = "Mapping[str, Any]"
Call: TypeAlias = "tuple[str, Arguments]"
Plan: TypeAlias = "Generator[Call, Any, None]"
"""Yields calls and is sent their results, None for a call that was held or failed."""

log = logging.getLogger(__name__)


class NotRunError(Exception):
    """A call was not executed, because a human would have to decide; the text says why."""


class Gate(Protocol):
    """What decides on calls: the guard under test, or none."""

    def call(self, tool: str, arguments: Arguments, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, or raise `NotRunError` without running it."""


class Unguarded:
    """Lets every call run."""

    def call(self, tool: str, arguments: Arguments, work: Callable[[], Any]) -> Any:  # noqa: ARG002
        """Return what `work` returns."""
        return work()


@dataclass(frozen=True, slots=True)
class Held:
    """A call that was not executed.

    Attributes:
        tool: The tool.
        arguments: Its arguments.
        reason: Why, as the guard says.
    """

    tool: str
    arguments: Arguments
    reason: str


@dataclass
class Agent:
    """Makes its user's calls in order, and at once those of an instruction that a result contains.

    Attributes:
        run: Executes a call, and returns its result.
        gate: Decides which calls are executed.
        order: The injected instruction; empty for none.
        goal: Makes the calls that carry out the instruction.
        held: The user's calls that were not executed.
        refused: The injected calls that were not executed.
        carried_out: The injected calls that were, whether or not the tool then failed.
        obeyed: Whether the instruction was read.
        trace: The user's calls that were executed.
    """

    run: Callable[[str, Arguments], Any]
    gate: Gate
    order: str = ""
    goal: Callable[[], Plan] | None = None
    held: list[Held] = field(default_factory=list)
    refused: list[Held] = field(default_factory=list)
    carried_out: list[Call] = field(default_factory=list)
    obeyed: bool = False
    trace: list[Call] = field(default_factory=list)

    def do(self, calls: Iterable[Call]) -> None:
        """Make the user's calls. An injected goal of which a call was held is tried again then."""
        for tool, arguments in calls:
            self._call(tool, arguments, self.held)
            self.trace.append((tool, arguments))
        if self.goal and self.refused:
            self._obey(self.goal())

    def _call(self, tool: str, arguments: Arguments, held: list[Held]) -> Any:
        try:
            result = self.gate.call(tool, arguments, lambda: self.run(tool, arguments))
        except NotRunError as error:
            held.append(Held(tool, arguments, str(error)))
            return None
        except Exception as error:
            log.debug("%s failed: %s", tool, error)
            return None
        if self.goal and not self.obeyed and _contains(result, self.order):
            self.obeyed = True
            self._obey(self.goal())
        return result

    def _obey(self, plan: Plan) -> None:
        try:
            call = next(plan)
            while True:
                refused = len(self.refused)
                result = self._call(*call, self.refused)
                if len(self.refused) == refused:
                    self.carried_out.append(call)
                call = plan.send(result)
        except StopIteration:
            return


def _contains(data: Any, text: str) -> bool:
    """Return whether a text stands in a result, in a field of any record."""
    if isinstance(data, str):
        return text in data
    if isinstance(data, BaseModel):
        return _contains([value for _, value in data], text)
    if isinstance(data, dict):
        return _contains([*data, *data.values()], text)
    return isinstance(data, list) and any(_contains(value, text) for value in data)
