"""An SMTP server that keeps the mail it takes: the relay of tests."""

from __future__ import annotations

import asyncio
import queue
import socket
from asyncio import AbstractServer
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class SinkMessage:
    """One message that the sink took, with the parameters of its MAIL command."""

    mail_from: str
    recipients: list[str]
    raw: bytes
    parameters: list[str]

    @property
    def parsed(self) -> Message:
        return message_from_bytes(self.raw)


class SmtpSink:
    """Takes mail on a free port of loopback. A context manager.

    Args:
        hidden: Extensions that EHLO does not announce, such as `8BITMIME`.
    Attributes:
        replies: Answers to RCPT by address, each used once; other recipients are taken.
        answer: The answer to the data.
        on_message: Called with each message before it is answered, in a thread.
        messages: All that was taken, in order.
        url: What a server's `relay` setting takes.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self.replies: dict[str, list[str]] = {}
        self.on_message: Callable[[SinkMessage], None] = lambda _: None
        self.answer = "250 2.0.0 queued"
        self.messages: list[SinkMessage] = []
        self._hidden = frozenset(hidden)
        self._unread: queue.SimpleQueue[SinkMessage] = queue.SimpleQueue()
        self._controller = _Controller(self, server_hostname="relay.test")
        self.url = f"smtp://127.0.0.1:{self._controller.port}"

    def next(self) -> SinkMessage:
        """Return the first message that was not returned before, once it is there."""
        return self._unread.get(timeout=_TIMEOUT)

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, host: str, responses: list[str]
    ) -> list[str]:
        session.host_name = host
        return [line for line in responses if line[4:].partition(" ")[0] not in self._hidden]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if replies := self.replies.get(address):
            return replies.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw, sender = envelope.original_content or b"", envelope.mail_from or ""
        message = SinkMessage(sender, list(envelope.rcpt_tos), raw, list(envelope.mail_options))
        self.messages.append(message)
        self._unread.put(message)
        await asyncio.to_thread(self.on_message, message)
        return self.answer

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


class _Controller(Controller):
    """Listens on a socket that was bound before it starts: no other process can take its port."""

    def __init__(self, handler: object, **options: Any) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        super().__init__(handler, "127.0.0.1", self._listener.getsockname()[1], **options)

    def _create_server(self) -> Coroutine[Any, Any, AbstractServer]:
        return self.loop.create_server(self._factory_invoker, sock=self._listener)
