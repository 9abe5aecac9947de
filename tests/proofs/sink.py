"""The relay of the proofs: an SMTP server in the test's process that remembers every hand-over."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from types import TracebackType
from typing import Self

from multimail_server.mail.envelope import SmtpEnvelope
from multimail_server.smtp.listener import InboundSmtp


@dataclass(frozen=True, slots=True)
class HandOver:
    """One message that was handed to the relay.

    Attributes:
        run: Which start of the server handed it over.
        token: The subject, by which the proofs tell messages apart.
        message_id: The header.
        digest: Of all its bytes.
    """

    run: int
    token: str
    message_id: str
    digest: str


class Sink:
    """A relay that takes everything.

    Attributes:
        run: The present start of the server; the test counts it up.
        hand_overs: All that was handed over, in order.
        on_hand_over: Called with each before it is answered.
    """

    def __init__(self) -> None:
        self.run = 0
        self.hand_overs: list[HandOver] = []
        self.on_hand_over: Callable[[HandOver], None] = lambda _: None
        self._lock = threading.Lock()
        self._smtp = InboundSmtp(
            "127.0.0.1", 0, knows_recipient=lambda _: True, receive=self._receive
        )
        self.port = self._smtp.start()

    def _receive(self, envelope: SmtpEnvelope, raw: bytes) -> None:
        del envelope
        head = message_from_bytes(raw)
        digest = hashlib.sha256(raw).hexdigest()
        with self._lock:
            taken = HandOver(self.run, str(head["Subject"]), str(head["Message-ID"]), digest)
            self.hand_overs.append(taken)
        self.on_hand_over(taken)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._smtp.stop()
