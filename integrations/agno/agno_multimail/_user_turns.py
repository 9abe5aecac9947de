"""The turns of an Agno session that a person typed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from agno.models.message import Message
from agno.run import RunContext

from multimail.trust.addresses import find_addresses

_ADDED = (
    "\n\nUse the following references from the knowledge base",
    "\n\n<references>",
    "\n\n<additional context>",
)
"""What begins the text that Agno adds to a user's message."""


def list_user_turns(run_context: RunContext | None, agent: Any, team: Any) -> Iterator[str]:
    """Yield the texts of user messages that no program wrote.

    Left out are those of a team's members and of workflows (a model or code wrote their task),
    what Agno adds to a message or puts after a tool's result, and turns with an address that the
    session's state or dependencies hold too: Agno can fill these in.

    Args:
        run_context: Of the tool's call.
        agent: The agent that calls the tool; None for a team's leader.
        team: The team whose leader calls it.
    """
    if run_context is None or run_context.workflow_id or (agent is None and team is None):
        return
    if getattr(agent, "team_id", None) or getattr(team, "parent_team_id", None):
        return
    filled_in = find_addresses(str(run_context.session_state), str(run_context.dependencies))
    examples = [str(example) for example in getattr(agent or team, "additional_input", None) or ()]
    previous = ""
    for message in run_context.messages or ():
        if message.role == "user" and previous != "tool" and not message.temporary:
            text = _cut(message)
            if not find_addresses(text) & filled_in and text not in "\n".join(examples):
                yield text
        previous = "tool" if message.role in ("tool", "function") else message.role


def _cut(message: Message) -> str:
    """Return a message's text up to what Agno added to it."""
    text = message.content if isinstance(message.content, str) else ""
    return text[: min((text.find(mark) for mark in _ADDED if mark in text), default=len(text))]
