"""The SMTP listener: accepts mail for this server's mailboxes only (RFC 5321)."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import re
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import AnyStr, TypeVar, cast

from aiosmtpd.proxy_protocol import ProxyData
from aiosmtpd.smtp import SMTP, Envelope, Session

from ..config import (
    MAX_MESSAGE_BYTES,
    MAX_SMTP_CONNECTIONS,
    MAX_SMTP_CONNECTIONS_PER_MINUTE,
    Network,
)
from ..mail.envelope import SmtpEnvelope
from ..rate_limit import RateLimiter

T = TypeVar("T")

MAX_RECIPIENTS = 100
MAX_LINE = 64 * 1024
"""Bytes of one line of a message. RFC 5321 section 4.5.3.1.6 has 1,000; real HTML mail has more."""
_WORKERS = 8
_IDLE_TIMEOUT = 300.0
_PROXY_TIMEOUT = 10.0
_STOP_TIMEOUT = 10.0
_RETRY_WINDOW = 15 * 60.0
_MAX_UNANSWERED = 1000
_PATH = re.compile(
    r"<([\w+=-]+(?:\.[\w+=-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)>(?:[ ](?=\w)|\Z)", re.ASCII
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """How many connections the listener accepts; it answers 421 to the others.

    Attributes:
        connections: Open at the same time, from all peers.
        per_minute: New connections from one peer in a minute.
    """

    connections: int = MAX_SMTP_CONNECTIONS
    per_minute: int = MAX_SMTP_CONNECTIONS_PER_MINUTE


class CertificateFiles:
    """A certificate and its key in PEM files, which are read again when they were renewed.

    Raises:
        ValueError: The files cannot be used.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = (certificate, key)
        try:
            self._read_at, self._context = self._load()
        except OSError as error:  # ssl.SSLError is one.
            raise ValueError(f"{certificate} and {key} are no certificate and its key") from error

    def get_context(self) -> ssl.SSLContext:
        """Return the context of a new connection; the one before while the files are unusable."""
        try:
            if self._get_times() != self._read_at:
                self._read_at, self._context = self._load()
        except OSError as error:
            _log.warning("The renewed certificate of SMTP cannot be used yet: %s", error)
        return self._context

    def _load(self) -> tuple[list[int], ssl.SSLContext]:
        times, context = self._get_times(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self._files)
        return times, context

    def _get_times(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in self._files]


class InboundSmtp:
    """An SMTP server in a thread of its own. It never relays mail and offers no AUTH.

    Args:
        host: The address to listen on.
        port: The port; 0 picks a free one.
        knows_recipient: Returns whether an address is a mailbox of this server. Called in a
            worker thread, unless `recipient_lookup_is_fast`.
        receive: Stores one message and returns, once it is durable, whether it was there before.
            Called in a worker thread.
            The client gets a 451 if it raises, and tries again later.
        max_bytes: The largest message.
        fault: For tests: returns the reply to give to a recipient instead, if any. Must not block.
        limits: How many connections are accepted (RFC 5321 section 3.8).
        recipient_lookup_is_fast: Whether `knows_recipient` returns within microseconds, as with
            a local file. The listener then calls it on its own thread, because handing it to a
            worker costs several times as much.
        certificate: What STARTTLS is offered with (RFC 3207); None offers none.
        fronts: Addresses of balancers. Each of their connections begins with HAProxy's PROXY
            protocol, which names the client; others may not name one.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        knows_recipient: Callable[[str], bool],
        receive: Callable[[SmtpEnvelope, bytes], bool | None],
        max_bytes: int = MAX_MESSAGE_BYTES,
        fault: Callable[[str], str | None] = lambda _: None,
        limits: SmtpLimits | None = None,
        recipient_lookup_is_fast: bool = False,
        certificate: CertificateFiles | None = None,
        fronts: Sequence[Network] = (),
    ) -> None:
        self._certificate, self._fronts = certificate, fronts
        self._limits = limits or SmtpLimits()
        self._rate_limiter = RateLimiter(self._limits.per_minute)
        self._host = host
        self._port = port
        self._max_bytes = max_bytes
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="multimail-smtp")
        self._handler = _Handler(
            self._workers,
            knows_recipient,
            receive,
            fault,
            recipient_lookup_is_fast=recipient_lookup_is_fast,
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="multimail-smtp", daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

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
        """Stop listening, finish storing messages in progress, and close every connection."""
        if self._loop.is_closed():
            return
        if self._thread.is_alive():
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            with contextlib.suppress(TimeoutError):
                closing.result(2 * _STOP_TIMEOUT)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_TIMEOUT)
        self._workers.shutdown(wait=True)
        if not self._loop.is_running():
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> int:
        self._server = await self._loop.create_server(self._connection, self._host, self._port)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _connection(self) -> _Connection:
        connection = _Connection(
            self._handler,
            data_size_limit=self._max_bytes,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="multimail",
            timeout=_IDLE_TIMEOUT,
            loop=self._loop,
            tls_context=self._certificate.get_context() if self._certificate else None,
        )
        connection.fronts = self._fronts
        connection.open_connections = self._connections
        connection.limits = self._limits
        connection.rate_limiter = self._rate_limiter
        return connection

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._handler.finish(_STOP_TIMEOUT)
        for connection in list(self._connections):
            connection.hang_up()
        await asyncio.sleep(0)
        remaining = asyncio.all_tasks() - {asyncio.current_task()}
        for task in remaining:
            task.cancel()
        await asyncio.gather(*remaining, return_exceptions=True)


class _Connection(SMTP):
    """One connection, registered in `open_connections` while it is open."""

    line_length_limit = MAX_LINE + len(".\r\n")  # with the dot that RFC 5321 section 4.5.2 adds
    open_connections: set[_Connection]
    limits: SmtpLimits
    rate_limiter: RateLimiter
    fronts: Sequence[Network] = ()
    client: str | None = None
    """The address that a front named; empty if it named none."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self in self.open_connections:  # TLS begins.
            super().connection_made(transport)
            return
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        if self._is_front(address):
            self._proxy_timeout = _PROXY_TIMEOUT
        rejection = self._rejection(address)
        if rejection is not None:
            writer = cast("asyncio.WriteTransport", transport)
            writer.write(f"{rejection}\r\n".encode("ascii"))
            writer.close()
            return
        self.open_connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self in self.open_connections:
            self.open_connections.discard(self)
            super().connection_lost(error)

    def hang_up(self) -> None:
        """Close the connection."""
        if self.transport is not None:
            self.transport.close()

    async def push(self, status: AnyStr) -> None:
        """Send a reply. What it repeats of the client's command ends no line."""
        text = status if isinstance(status, str) else status.decode("ascii")
        await super().push(_CONTROL.sub("?", text))

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Return the address of MAIL or RCPT, and its parameters (RFC 5321 section 4.1.2).

        An ordinary path is not worth the parser of the standard library, which aiosmtpd uses.
        """
        path = _PATH.match(arg)
        return (path[1], arg[path.end() :]) if path else super()._getaddr(arg)

    def _is_front(self, address: str) -> bool:
        if not self.fronts:
            return False
        front = ip_address(address)
        return any(front in network for network in self.fronts)

    def take_client(self, address: str) -> str | None:
        """Keep the address of the client that a front has named; return a rejection, if any."""
        self.client = address
        return self._limit_rate(address)

    def _rejection(self, peer: str) -> str | None:
        if len(self.open_connections) >= self.limits.connections:
            return "421 4.3.2 Too many connections are open here; try again later"
        return None if self._proxy_timeout else self._limit_rate(peer)

    def _limit_rate(self, peer: str) -> str | None:
        # In real time, also where the server runs on a virtual clock: connections are real.
        if self.rate_limiter.acquire(peer, timedelta(seconds=time.monotonic())):
            return "421 4.7.0 Too many new connections from your address; try again in a minute"
        return None


class _Unanswered:
    """Deliveries whose client was gone when they were stored: a repeat of one is no new mail."""

    def __init__(self) -> None:
        self._times: OrderedDict[bytes, float] = OrderedDict()

    def add(self, envelope: SmtpEnvelope, raw: bytes) -> None:
        """Remember a delivery for 15 minutes."""
        self._times[_get_delivery_key(envelope, raw)] = time.monotonic()
        if len(self._times) > _MAX_UNANSWERED:
            self._times.popitem(last=False)

    def recognize(self, envelope: SmtpEnvelope, raw: bytes) -> SmtpEnvelope:
        """Return the envelope of a delivery, which says whether it repeats one; forget that one."""
        if not self._times:
            return envelope
        at = self._times.pop(_get_delivery_key(envelope, raw), None)
        is_repeat = at is not None and time.monotonic() - at < _RETRY_WINDOW
        return replace(envelope, repeats_unanswered=is_repeat)


def _get_delivery_key(envelope: SmtpEnvelope, raw: bytes) -> bytes:
    words = (envelope.peer, envelope.helo, envelope.mail_from, *envelope.recipients)
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace") + b"\0" + raw).digest()


class _Handler:
    """The hooks that aiosmtpd calls, by the names that it looks for."""

    def __init__(
        self,
        workers: ThreadPoolExecutor,
        knows_recipient: Callable[[str], bool],
        receive: Callable[[SmtpEnvelope, bytes], bool | None],
        fault: Callable[[str], str | None],
        *,
        recipient_lookup_is_fast: bool,
    ) -> None:
        self._fault = fault
        self._recipient_lookup_is_fast = recipient_lookup_is_fast
        self._workers = workers
        self._knows_recipient = knows_recipient
        self._receive = receive
        self._storing: set[asyncio.Task[str]] = set()
        self._unanswered = _Unanswered()

    async def handle_PROXY(  # noqa: N802
        self, server: _Connection, session: Session, envelope: Envelope, data: ProxyData
    ) -> bool:
        """Take the client's address; without one, as for a check of the front, it is unknown."""
        del session, envelope
        rejection = server.take_client("" if data.src_addr is None else str(data.src_addr))
        if rejection is not None:
            await server.push(rejection)
        return rejection is None

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a sender that can be stored as text; reject bytes that are not UTF-8."""
        del server, session
        if not _is_utf8(address):
            return "553 5.1.7 The sender's address is not UTF-8"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept a recipient that is a mailbox of this server; reject all others."""
        del server, session
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 Too many recipients; send the rest in another transaction"
        if not _is_utf8(address):
            return "553 5.1.3 The recipient's address is not UTF-8"
        try:
            is_known = await self._is_known(address)
        except Exception:
            _log.exception("could not look up a recipient")
            return "451 4.3.0 Try again later"
        if not is_known:
            return "550 5.1.1 No such mailbox here"
        if (fault := self._fault(address)) is not None:
            return fault
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Answer 250 only once the message is stored."""
        storing = asyncio.ensure_future(self._store(server, session, envelope))
        self._storing.add(storing)
        storing.add_done_callback(self._storing.discard)
        # A client that hangs up does not cancel the storing.
        return await asyncio.shield(storing)

    async def finish(self, timeout: float) -> None:  # noqa: ASYNC109 - waits, cancels nothing
        """Wait until no message is being stored, at most `timeout` seconds."""
        if self._storing:
            await asyncio.wait(self._storing, timeout=timeout)

    async def _store(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        raw = envelope.original_content or b""
        smtp_envelope = SmtpEnvelope(
            mail_from=(envelope.mail_from or "").removeprefix("<>"),
            recipients=tuple(envelope.rcpt_tos),
            peer=_peer(server, session),
            helo=session.host_name or "",
        )
        smtp_envelope = self._unanswered.recognize(smtp_envelope, raw)
        try:
            was_there = await self._in_worker(lambda: self._receive(smtp_envelope, raw))
        except Exception:
            _log.exception("could not store a message")
            return "451 4.3.0 The message was not stored; try again later"
        if server.transport is None or server.transport.is_closing():
            self._unanswered.add(smtp_envelope, raw)
        return "250 2.0.0 It was there already" if was_there else "250 2.0.0 Stored"

    async def _is_known(self, address: str) -> bool:
        if self._recipient_lookup_is_fast:
            return self._knows_recipient(address)
        return await self._in_worker(lambda: self._knows_recipient(address))

    async def _in_worker(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._workers, job)


def _is_utf8(address: str) -> bool:
    """Return whether aiosmtpd could decode every byte of an address."""
    return not any("\ud800" <= character <= "\udfff" for character in address)


def _peer(server: SMTP, session: Session) -> str:
    client: str | None = getattr(server, "client", None)
    if client is not None:
        return client
    peer: object = session.peer
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
