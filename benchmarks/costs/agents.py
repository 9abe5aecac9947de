"""Agents without a model: the steps of the scenario as the tool calls of a competent agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import httpx

from multimail.tools import Toolkit

from .comparator import ComparatorProcess
from .dataset import THREAD, Mail
from .environment import AGENTMAIL_INBOX, Environment, get_agentmail_thread_id


class AgentDriver(Protocol):
    """The steps of the scenario with one package. Every result is text as a model reads it."""

    def triage(self) -> str:
        """List the newest twenty messages."""
        ...

    def read(self, mail: Mail) -> Iterator[str]:
        """Read a message, or its thread, in as many calls as it takes."""
        ...

    def answer(self, mail: Mail, body: str) -> str:
        """Reply to a message."""
        ...


class MultiMail:
    """This package's tools."""

    def __init__(self, environment: Environment) -> None:
        self._toolkit = Toolkit(**environment.options())
        self._ids = get_ids(environment)

    def triage(self) -> str:
        """Call `check_inbox`."""
        return self._toolkit.call("check_inbox", {}).text

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread` for a message of the thread, else `read_email`, page after page."""
        email_id, thread_id = self._ids[mail.subject]
        name, arguments = "read_email", {"email_id": email_id}
        if mail.answers is not None:
            name, arguments = "get_thread", {"thread_id": thread_id}
        next_page: dict[str, Any] = {}
        while True:
            result = self._toolkit.call(name, {**arguments, **next_page})
            yield result.text
            next_page = {
                argument: result.data[key]
                for argument, key in (("offset", "next_offset"), ("before", "before"))
                if result.data.get(key)
            }
            if not next_page:
                return

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_email`."""
        email_id, _ = self._ids[mail.subject]
        result = self._toolkit.call("reply_email", {"email_id": email_id, "body": body})
        if not result.ok:
            raise RuntimeError(result.text)
        return result.text


class LegacySdk:
    """The tools of the retired package, on the same server."""

    def __init__(self, comparator: ComparatorProcess, environment: Environment) -> None:
        self._comparator, self._mailbox = comparator, environment.mailbox
        self._ids = get_ids(environment)

    def triage(self) -> str:
        """Call `check_inbox`."""
        return self._call("check_inbox", limit=20)

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread` for the thread and `read_email` for the message; they have no pages."""
        email_id, thread_id = self._ids[mail.subject]
        if mail.answers is not None:
            yield self._call("get_thread", thread_id=thread_id)
        yield self._call("read_email", email_id=email_id)

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_email`."""
        email_id, _ = self._ids[mail.subject]
        return self._call("reply_email", email_id=email_id, markdown=body)

    def _call(self, tool: str, **arguments: Any) -> str:
        return self._comparator.call(tool, mailbox_id=self._mailbox, **arguments)[0]


class AgentMail:
    """AgentMail's toolkit, on its own API over the same mailbox."""

    def __init__(self, comparator: ComparatorProcess, mails: Sequence[Mail]) -> None:
        self._comparator, self._mails = comparator, mails

    def triage(self) -> str:
        """Call `list_threads`."""
        return self._call("list_threads", limit=20)

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread`: the toolkit has no other way to read a message."""
        yield self._call("get_thread", thread_id=get_agentmail_thread_id(mail, self._mails))

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_to_message`."""
        return self._call("reply_to_message", message_id=mail.message_id, text=body)

    def _call(self, tool: str, **arguments: Any) -> str:
        return self._comparator.call(tool, inbox_id=AGENTMAIL_INBOX, **arguments)[0]


def get_ids(environment: Environment) -> dict[str, tuple[str, str]]:
    """Return the ids of the newest twenty messages and of their threads, by subject."""
    response = httpx.get(
        f"{environment.url}/v1/mailboxes/{environment.mailbox}/emails",
        headers={"Authorization": f"Bearer {environment.key}"},
        params={"limit": 20, "direction": "inbound"},
    )
    rows = response.raise_for_status().json()["emails"]
    return {row["subject"]: (row["id"], row["thread_id"]) for row in rows}


def find_mail(mails: Sequence[Mail], subject: str) -> Mail:
    """Return the newest message with that subject, or the newest reply in that thread."""
    subjects = {subject, f"Re: {subject}"} if subject == THREAD else {subject}
    return next(mail for mail in reversed(mails) if mail.subject in subjects)
