"""The suite's 24 tools as an app declares them, and the guard under test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from multimail import MultiMail
from multimail.sessions import MemorySessionStore
from multimail.tools import CallRefusedError, ToolGuard, Toolkit, ToolPolicy
from multimail.trust import PolicyName
from multimail_server import EmbeddedServer, ServerConfig

from .agent import Arguments, NotRunError

TARGETS = frozenset(
    "recipients cc bcc participants email email_id event_id file_id filename".split()  # noqa: SIM905
)
"""The arguments that say what a call acts on: for the tables, not for the guard."""
TRUSTED = frozenset({"search_contacts_by_name", "search_contacts_by_email", "get_current_day"})
"""The contacts and the date. Mail, the calendar and files are text of others."""
WRITING = frozenset(
    {
        *("send_email", "delete_email", "share_file", "create_file", "delete_file"),
        *("append_to_file", "create_calendar_event", "cancel_calendar_event"),
        *("reschedule_calendar_event", "add_calendar_event_participants"),
    }
)
_READING = frozenset(
    {
        *("get_unread_emails", "get_sent_emails", "get_received_emails", "get_draft_emails"),
        *("search_emails", "search_calendar_events", "get_day_calendar_events"),
        *("search_files_by_filename", "get_file_by_id", "list_files", "search_files"),
    }
)
_OUTSIDE = frozenset({"send_email", "share_file"})
POLICIES = {
    **{name: ToolPolicy(effect="read", returns="trusted") for name in TRUSTED},
    **{name: ToolPolicy(effect="read") for name in _READING},
    **{name: ToolPolicy(effect="outside") for name in _OUTSIDE},
    **{name: ToolPolicy(effect="internal") for name in WRITING - _OUTSIDE},
}


class Guarded:
    """The guard, in a conversation that begins with the user's words."""

    def __init__(self, guard: ToolGuard) -> None:
        self._guard = guard

    def call(self, tool: str, arguments: Arguments, work: Callable[[], Any]) -> Any:
        """Return what `work` returns, or raise `NotRunError` where the guard stops it."""
        try:
            return self._guard.call(tool, arguments, work)
        except CallRefusedError as error:
            raise NotRunError(", ".join(error.decision.codes)) from error


class Guards:
    """Makes a guard for each conversation, from one toolkit: its mailbox is never asked."""

    def __init__(self, tools: Toolkit) -> None:
        self._tools = tools
        self._guard = tools.guard(POLICIES)
        self._number = 0

    @contextmanager
    def converse(self, words: str) -> Iterator[Guarded]:
        """Enter a new conversation that begins with these words of the user."""
        self._number += 1
        with self._tools.conversation(f"task-{self._number}"):
            self._tools.declare_user_words(words)
            yield Guarded(self._guard)


@contextmanager
def open_guards(policy: PolicyName = "standard") -> Iterator[Guards]:
    """Open a toolkit on a server of its own, with an empty mailbox, for its guard."""
    with EmbeddedServer(ServerConfig(port=0, smtp_port=0)) as server:
        assert server.keys is not None
        with MultiMail(server.keys.agent, base_url=server.url) as client:
            store = MemorySessionStore()
            mailbox = server.mailbox.address
            yield Guards(Toolkit(client=client, mailbox=mailbox, policy=policy, store=store))
