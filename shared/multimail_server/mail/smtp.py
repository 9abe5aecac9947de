"""The SMTP listener: takes mail for mailboxes of this server and for nobody else (RFC 5321)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from .smtp_limits import SmtpGate, SmtpLimits

T = TypeVar("T")

MAX_RECIPIENTS = 100
_WORKERS = 8
_IDLE_SECONDS = 300.0
_STOP_SECONDS = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmtpEnvelope:
    """What the SMTP conversation said, apart from the message.

    Attributes:
        mail_from: The return path; empty for a bounce.
        recipients: Whom to deliver to, as they were written.
        peer: The address of the client's socket.
        helo: The name by which the client introduced itself.
    """

    mail_from: str
    recipients: tuple[str, ...]
    peer: str
    helo: str


class InboundSmtp:
    """Receives mail, in its own thread. It never relays, and offers no AUTH.

    Args:
        host: The address to listen on.
        port: The port; 0 picks a free one.
        knows_recipient: Whether mail for an address is taken. Called in a worker thread, unless
            `knows_at_once`.
        receive: Stores one message and returns when it is durable. Called in a worker thread;
            whatever it raises becomes a 451, so that the sender tries again later.
        max_bytes: The largest message.
        fault: What a test wants answered to a recipient, if anything; it must not block.
        limits: How many connections are taken; more are told 421 (RFC 5321 section 3.8).
        knows_at_once: Whether `knows_recipient` answers within microseconds, as a file does and a
            database at the end of a network may not. The listener's thread then asks it itself:
            to wake a worker costs several times as much.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        knows_recipient: Callable[[str], bool],
        receive: Callable[[SmtpEnvelope, bytes], None],
        max_bytes: int = 25 * 1024 * 1024,
        fault: Callable[[str], str | None] = lambda _: None,
        limits: SmtpLimits | None = None,
        knows_at_once: bool = False,
    ) -> None:
        self._gate = SmtpGate(limits or SmtpLimits())
        self._host = host
        self._port = port
        self._max_bytes = max_bytes
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="multimail-smtp")
        self._handler = _Handler(
            self._workers, knows_recipient, receive, fault, knows_at_once=knows_at_once
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="multimail-smtp", daemon=True)
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    def start(self) -> int:
        """Start listening and return the port.

        Raises:
            OSError: The address cannot be bound.
        """
        self._thread.start()
        try:
            return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop listening, let a message that is being stored finish, and close every session."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            with contextlib.suppress(TimeoutError):
                closing.result(2 * _STOP_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_SECONDS)
        self._workers.shutdown(wait=True)
        if not self._loop.is_running():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> int:
        self._server = await self._loop.create_server(self._session, self._host, self._port)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _session(self) -> _Session:
        session = _Session(
            self._handler,
            data_size_limit=self._max_bytes,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="multimail",
            timeout=_IDLE_SECONDS,
            loop=self._loop,
        )
        session.open_sessions, session.gate = self._sessions, self._gate
        return session

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._handler.finish(_STOP_SECONDS)
        for session in list(self._sessions):
            session.hang_up()
        await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class _Session(SMTP):
    """One connection, known to the listener for as long as it is open."""

    open_sessions: set[_Session]
    gate: SmtpGate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        refusal = self.gate.refusal(str(peer[0]) if peer else "", len(self.open_sessions))
        if refusal is not None:
            answer = cast("asyncio.WriteTransport", transport)
            answer.write(f"{refusal}\r\n".encode("ascii"))
            answer.close()
            return
        self.open_sessions.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.open_sessions:
            self.open_sessions.discard(self)
            super().connection_lost(error)

    def hang_up(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.close()


class _Handler:
    """The hooks that aiosmtpd calls, by the names that it looks for."""

    def __init__(
        self,
        workers: ThreadPoolExecutor,
        knows_recipient: Callable[[str], bool],
        receive: Callable[[SmtpEnvelope, bytes], None],
        fault: Callable[[str], str | None],
        *,
        knows_at_once: bool,
    ) -> None:
        self._fault = fault
        self._knows_at_once = knows_at_once
        self._workers = workers
        self._knows_recipient = knows_recipient
        self._receive = receive
        self._busy: set[asyncio.Task[str]] = set()

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a sender that can be written down: bytes that are no UTF-8 are refused for good."""
        del server, session
        if not _is_text(address):
            return "553 5.1.7 The sender's address is not UTF-8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient of ours; refuse everyone else."""
        del server, session
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients; send the rest in another transaction"
        if not _is_text(address):
            return "553 5.1.3 The recipient's address is not UTF-8"
        try:
            known = await self._knows(address)
        except Exception:
            _log.exception("could not look up a recipient")
            return "451 4.3.0 Try again later"
        if not known:
            return "550 5.1.1 No such mailbox here"
        if (fault := self._fault(address)) is not None:
            return fault
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer 250 only once the message is stored."""
        del server
        storing = asyncio.ensure_future(self._store(session, envelope))
        self._busy.add(storing)
        storing.add_done_callback(self._busy.discard)
        # A client that hangs up does not undo what is being stored.
        return await asyncio.shield(storing)

    async def finish(self, seconds: float) -> None:
        """Wait until nothing is being stored, for at most so long."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=seconds)

    async def _store(self, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        letter = SmtpEnvelope(
            mail_from=(envelope.mail_from or "").removeprefix("<>"),
            recipients=tuple(envelope.rcpt_tos),
            peer=_peer(session),
            helo=session.host_name or "",
        )
        try:
            await self._work(lambda: self._receive(letter, raw))
        except Exception:
            _log.exception("could not store a message")
            return "451 4.3.0 The message was not stored; try again later"
        return "250 2.0.0 Stored"

    async def _knows(self, address: str) -> bool:
        if self._knows_at_once:
            return self._knows_recipient(address)
        return await self._work(lambda: self._knows_recipient(address))

    async def _work(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, job)


def _is_text(address: str) -> bool:
    """Return whether an address holds no byte that aiosmtpd could not decode."""
    return not any("\ud800" <= character <= "\udfff" for character in address)


def _peer(session: Session) -> str:
    peer: object = session.peer
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
