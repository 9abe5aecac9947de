"""One desk for each pack: the job's steps as the calls that a competent agent makes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import httpx

from multimail.tools import Toolkit

from .agentmail_api import INBOX as AGENTMAIL_INBOX
from .agentmail_api import thread_id
from .ground import Ground
from .mails import THREAD, Mail
from .rival import Rival


class AppContext(Protocol):
    """What the job asks of a pack. Every method gives the results as a model reads them."""

    def triage(self) -> str:
        """List the newest twenty messages."""
        ...

    def read(self, mail: Mail) -> Iterator[str]:
        """Read a message, or the thread it is in, and read on as long as there is more."""
        ...

    def answer(self, mail: Mail, body: str) -> str:
        """Answer a message."""
        ...


def ids(ground: Ground) -> dict[str, tuple[str, str]]:
    """Return the ids of the newest twenty messages and of their threads, by subject."""
    answer = httpx.get(
        f"{ground.url}/v1/mailboxes/{ground.mailbox}/emails",
        headers={"Authorization": f"Bearer {ground.key}"},
        params={"limit": 20, "direction": "inbound"},
    )
    rows = answer.raise_for_status().json()["emails"]
    return {one["subject"]: (one["id"], one["thread_id"]) for one in rows}


class Ours:
    """This package's tools."""

    def __init__(self, ground: Ground) -> None:
        self._toolkit = Toolkit(**ground.options())
        self._ids = ids(ground)

    def triage(self) -> str:
        """Call `check_inbox`."""
        return self._toolkit.call("check_inbox", {}).text

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread` for the thread and `read_email` for the rest, page after page."""
        email_id, thread = self._ids[mail.subject]
        name, arguments = "read_email", {"email_id": email_id}
        if mail.answers is not None:
            name, arguments = "get_thread", {"thread_id": thread}
        more: dict[str, Any] = {}
        while True:
            result = self._toolkit.call(name, {**arguments, **more})
            yield result.text
            more = {
                argument: result.data[fact]
                for argument, fact in (("offset", "next_offset"), ("before", "before"))
                if result.data.get(fact)
            }
            if not more:
                return

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_email`."""
        result = self._toolkit.call(
            "reply_email", {"email_id": self._ids[mail.subject][0], "body": body}
        )
        if not result.ok:
            raise RuntimeError(result.text)
        return result.text


class Retired:
    """The retired pack, on the same server."""

    def __init__(self, pack: Rival, ground: Ground) -> None:
        self._pack, self._box = pack, ground.mailbox
        self._ids = ids(ground)

    def triage(self) -> str:
        """Call `check_inbox`."""
        return self._pack.call("check_inbox", mailbox_id=self._box, limit=20)[0]

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread` for the thread and `read_email` for the rest; neither has a page."""
        email_id, thread = self._ids[mail.subject]
        if mail.answers is not None:
            yield self._pack.call("get_thread", mailbox_id=self._box, thread_id=thread)[0]
        yield self._pack.call("read_email", mailbox_id=self._box, email_id=email_id)[0]

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_email`."""
        email_id = self._ids[mail.subject][0]
        asked = {"mailbox_id": self._box, "email_id": email_id, "markdown": body}
        return self._pack.call("reply_email", **asked)[0]


class AgentMail:
    """AgentMail's toolkit, on its own API over the same mailbox."""

    def __init__(self, pack: Rival, mails: Sequence[Mail]) -> None:
        self._pack, self._mails = pack, mails

    def triage(self) -> str:
        """Call `list_threads`."""
        return self._pack.call("list_threads", inbox_id=AGENTMAIL_INBOX, limit=20)[0]

    def read(self, mail: Mail) -> Iterator[str]:
        """Call `get_thread`: it reads a single message in no other way."""
        thread = thread_id(mail, self._mails)
        yield self._pack.call("get_thread", inbox_id=AGENTMAIL_INBOX, thread_id=thread)[0]

    def answer(self, mail: Mail, body: str) -> str:
        """Call `reply_to_message`."""
        asked = {"inbox_id": AGENTMAIL_INBOX, "message_id": mail.message_id, "text": body}
        return self._pack.call("reply_to_message", **asked)[0]


def wanted(mails: Sequence[Mail], subject: str) -> Mail:
    """Return the newest message with that subject, or the newest answer in that thread."""
    names = {subject, f"Re: {subject}"} if subject == THREAD else {subject}
    return next(one for one in reversed(mails) if one.subject in names)
