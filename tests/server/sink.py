"""A relay for tests: a real SMTP server that keeps what it takes and refuses whom it is told to."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


@dataclass
class Taken:
    """One message that the relay took."""

    mail_from: str
    recipients: list[str]
    raw: bytes


@dataclass
class Sink:
    """The relay. `replies` answers RCPT by address; each reply is used once if it is in a list."""

    replies: dict[str, list[str]] = field(default_factory=dict)
    taken: queue.Queue[Taken] = field(default_factory=queue.Queue)
    url: str = ""

    def next(self) -> Taken:
        """Return the next message, once it is there."""
        return self.taken.get(timeout=15)

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        waiting = self.replies.get(address, [])
        if waiting:
            return waiting.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        self.taken.put(Taken(envelope.mail_from or "", list(envelope.rcpt_tos), raw))
        return "250 2.0.0 queued"


def start_sink() -> tuple[Sink, Controller]:
    """Return a relay that runs, and what stops it."""
    sink = Sink()
    # aiosmtpd's own check connects to the port that it was given, which must not be 0.
    controller = Controller(sink, "127.0.0.1", _free_port(), server_hostname="relay.test")
    controller.start()
    sink.url = f"smtp://127.0.0.1:{controller.port}"
    return sink, controller


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
