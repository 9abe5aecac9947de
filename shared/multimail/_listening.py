"""Listening to events: both clients' `listen()`, which connects again and misses nothing.

A listener is at a position: the id of the last event that it returned. Each connection asks for
what comes after it, so that an event whose connection broke before its end comes again, once.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import errors
from ._call import Call, build_network_error, is_retryable_status, parse_retry_after
from ._connections import AsyncConnections, Connections, Outgoing, convert_response
from ._execution import Request, strip_tracebacks
from ._forks import keep_inherited
from ._http import Response
from ._proxies import get_location
from ._sse import EventStreamParser, ServerSentEvent
from ._transport_errors import TransportError, convert_error

if TYPE_CHECKING:
    import asyncio

    from ._client import AsyncMultiMail, MultiMail
    from .webhooks import Event

HEARTBEAT_TIMEOUT = 45.0
"""Seconds without a byte after which a connection is given up: the server sends every 15."""
MAX_RETRY_AFTER = 60.0
_MEDIA_TYPE = "text/event-stream"
_ABSENT = frozenset({404, 405, 501})
"""The statuses of an API that does not know the path."""

log = logging.getLogger("multimail")


class _Listening:
    """What both listeners share: the position, and what follows from each thing that happens."""

    def __init__(
        self,
        client: MultiMail | AsyncMultiMail,
        types: str | Iterable[str] | None,
        mailbox: str | None,
        after: str | None,
    ) -> None:
        self._base, self._retry = client, client.retry
        self._query = {
            "types": types if isinstance(types, str) else ",".join(types or ()),
            "mailbox": mailbox or client.config.mailbox or "",
            "after": after or "",
        }
        self._call = Call("listen", "GET", "/v1/events", dict)
        self._cursor = ""
        self._parser = EventStreamParser()
        self._blocks: deque[ServerSentEvent] = deque()
        self._failures = 0
        self._was_connected = False
        self._response: Any = None
        self._process = os.getpid()

    @property
    def cursor(self) -> str | None:
        """The position: the id to pass as `after` to go on behind the last event; None at first."""
        return self._cursor or None

    def _build_outgoing(self) -> Outgoing:
        """Return the request for what comes after the position."""
        self._base._require_usable()
        query = {name: value for name, value in self._query.items() if value}
        headers = {"Accept": _MEDIA_TYPE, "Accept-Encoding": "identity"}
        if self._cursor:
            query.pop("after", None)
            headers["Last-Event-ID"] = self._cursor
        step = Request("GET", self._call.path, self._call, query)
        outgoing = self._base._build_outgoing(step)
        outgoing.headers.update(headers)
        return outgoing

    @property
    def _timeouts(self) -> dict[str, float | None]:
        return {**self._base._timeouts, "read": HEARTBEAT_TIMEOUT}

    def _convert(self, error: Exception) -> TransportError:
        """Return what ended a connection, while its response was read."""
        return convert_error(error, get_location(self._base.base_url), self._timeouts)

    def _accept(self, response: Response) -> float | None:
        """Return the seconds until another attempt after a response that is no stream.

        Args:
            response: The response.

        Raises:
            MultiMailError: Another attempt would end the same, or there were too many.
        """
        self._failures += 1
        if is_retryable_status(response.status_code) and not self._has_failed_too_often():
            requested = parse_retry_after(response)
            return self._get_delay() if requested is None else min(requested, MAX_RETRY_AFTER)
        raise _build_error(self._call, response)

    def _fail(self, error: TransportError | None) -> float:
        """Return the seconds until another attempt, after a connection ended.

        Args:
            error: What ended it; None for its regular end.

        Raises:
            NetworkError: No connection was made, and there were too many attempts.
        """
        self._failures += 1
        if self._has_failed_too_often() or (error and error.is_final and not self._was_connected):
            if error is None:
                raise errors.NetworkError(
                    "The event stream ended before it began.", operation=self._call.operation
                )
            failure = build_network_error(self._call, error, self._failures, ambiguous=False)
            raise failure from strip_tracebacks(error).cause
        delay = self._get_delay()
        reason = str(error) if error else "the server ended it"
        level = logging.INFO if self._failures == 1 else logging.WARNING
        log.log(level, "listen: no connection (%s); the next try is in %.1f s", reason, delay)
        return delay

    def _has_failed_too_often(self) -> bool:
        return not self._was_connected and self._failures >= self._retry.max_attempts

    def _get_delay(self) -> float:
        advised = (self._parser.reconnection_time or 0.0) * (0.5 + 0.5 * self._retry.jitter())
        return max(advised, self._retry.get_backoff(self._failures))

    def _receive(self, chunk: bytes) -> None:
        try:
            blocks = self._parser.feed(chunk)
        except ValueError as error:
            raise self._build_invalid(str(error)) from None
        if blocks:
            self._was_connected, self._failures = True, 0
        self._blocks.extend(blocks)
        while self._blocks and self._blocks[0].data is None:
            self._cursor = self._blocks.popleft().id

    def _take(self) -> Event | None:
        """Return the next event that was received, and move the position behind it."""
        while self._blocks:
            block = self._blocks.popleft()
            self._cursor = block.id
            if block.data is not None:
                return self._parse(block)
        return None

    def _parse(self, block: ServerSentEvent) -> Event:
        from .webhooks._events import get_event_class

        try:
            payload = json.loads(block.data or "")
            event_class = get_event_class(payload["type"])
            return event_class.parse(payload, event_id=block.id or None, signed_at=None)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._build_invalid("an event is not a JSON object with a type") from None

    def _build_invalid(self, reason: str) -> errors.InvalidResponseError:
        return errors.InvalidResponseError(
            f"The event stream could not be parsed: {reason}.", operation=self._call.operation
        )

    def _forget_connection(self) -> Any:
        """Return the response, for its end; what was received and not returned comes again."""
        response, self._response = self._response, None
        self._parser = EventStreamParser(self._cursor)
        self._blocks.clear()
        return response

    def _require_own_process(self) -> None:
        if self._process == os.getpid():
            return
        keep_inherited((self._response, getattr(self, "_connections", None)))
        raise errors.ConfigurationError(
            "This process was forked from one that listens with this listener.",
            code="forked",
            remedy="Call listen(after=listener.cursor) in the child process.",
        )


def _is_stream(response: Any) -> bool:
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return bool(response.status_code == 200 and media_type == _MEDIA_TYPE)


def _build_error(call: Call[Any], response: Response) -> errors.MultiMailError:
    """Return the error of a response that is no stream."""
    try:
        call.parse_response(response)
    except errors.APIError as error:
        has_no_mailbox = isinstance(error.body, dict) and error.body.get("code") == "not_found"
        is_absent = response.status_code in _ABSENT and not has_no_mailbox
        if error.code == "events_lost":
            return errors.EventsLostError.from_response(error)
        return _build_absent(response) if is_absent else error
    except errors.MultiMailError as error:  # a page instead of the API's JSON
        is_absent = response.status_code < 300 or response.status_code in _ABSENT
        return _build_absent(response) if is_absent else error
    return _build_absent(response)


def _build_absent(response: Response) -> errors.UnsupportedError:
    return errors.UnsupportedError(
        f"This API has no event stream: GET /v1/events responded {response.status_code}.",
        status_code=response.status_code,
        remedy="Use a webhook, or wait_for_email; `multimail serve` has a stream.",
        operation="listen",
    )


class Listener(_Listening):
    """The events of `MultiMail.listen`: an iterator that one thread reads.

    A loop that is left ends the connection; another loop goes on behind the last event. Any thread
    can call `close`. As a context manager, it connects when it is entered.

    Attributes:
        cursor: The position, for `after`.
    """

    def __init__(
        self,
        client: MultiMail,
        types: str | Iterable[str] | None,
        mailbox: str | None,
        after: str | None,
    ) -> None:
        super().__init__(client, types, mailbox, after)
        # Not those of the client's calls: a stream would keep one of their places for ever.
        self._lent = client._lent
        self._connections = Connections(client._library, http2=False)
        self._error: type[Exception] = client._library.RequestError
        self._chunks: Iterator[bytes] = iter(())
        self._closed = threading.Event()
        self._in_use = threading.Lock()

    def connect(self) -> Self:
        """Connect, unless it is connected: every later event is returned.

        Raises:
            MultiMailError: As iteration does.
        """
        while not self._was_connected and not self._closed.is_set():
            self._advance()
        return self

    def __next__(self) -> Event:
        while (event := self._take()) is None:
            if self._closed.is_set():
                raise StopIteration
            self._advance()
        return event

    def __iter__(self) -> Iterator[Event]:
        try:
            while True:
                try:
                    event = next(self)
                except StopIteration:
                    return
                yield event
        finally:
            with self._in_use:
                self._disconnect()

    def close(self) -> None:
        """End the iteration, in whatever thread; a connection ends with it."""
        self._closed.set()
        if self._in_use.acquire(blocking=False):
            try:
                self._disconnect()
            finally:
                self._in_use.release()
        elif self._response is not None:
            _shut_down(self._response)

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _advance(self) -> None:
        """Connect, or receive a chunk, or wait after a failure."""
        self._require_own_process()
        with self._in_use:
            try:
                delay = self._read() if self._response is not None else self._open()
            except (TransportError, self._error) as error:
                self._disconnect()
                cause = error if isinstance(error, TransportError) else self._convert(error)
                delay = None if self._closed.is_set() else self._fail(cause)
            except BaseException:
                self._disconnect()
                raise
            if self._closed.is_set():
                self._disconnect()
        if delay is not None:
            self._closed.wait(delay)

    def _open(self) -> float | None:
        sender = self._lent or self._connections
        self._response = sender.open_stream(self._build_outgoing(), self._timeouts)
        if _is_stream(self._response):
            self._chunks = self._response.iter_bytes()
            return None
        self._response.read()
        response = convert_response(self._response)
        self._disconnect()
        return self._accept(response)

    def _read(self) -> float | None:
        chunk = next(self._chunks, None)
        if chunk is not None:
            self._receive(chunk)
            return None
        self._disconnect()
        return None if self._closed.is_set() else self._fail(None)

    def _disconnect(self) -> None:
        if (response := self._forget_connection()) is not None:
            response.close()
        if self._closed.is_set():
            self._connections.close()


def _shut_down(response: Any) -> None:
    """Wake the thread that reads a response: closing its socket would not."""
    stream = response.extensions.get("network_stream")
    if stream is None or response.extensions.get("http_version") == b"HTTP/2":
        return  # Other requests of a client that was passed in share it.
    with suppress(OSError, AttributeError):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class AsyncListener(_Listening):
    """The events of `AsyncMultiMail.listen`: an async iterator that one task reads.

    A loop that is left ends the connection; another loop goes on behind the last event. Any task
    can call `close`. As an async context manager, it connects when it is entered.

    Attributes:
        cursor: The position, for `after`.
    """

    def __init__(
        self,
        client: AsyncMultiMail,
        types: str | Iterable[str] | None,
        mailbox: str | None,
        after: str | None,
    ) -> None:
        super().__init__(client, types, mailbox, after)
        self._lent, self._library = client._lent, client._library
        self._connections: AsyncConnections | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._is_closed = False
        self._pause: asyncio.Future[None] | None = None

    async def connect(self) -> Self:
        """Connect, unless it is connected: every later event is returned.

        Raises:
            MultiMailError: As iteration does.
        """
        while not self._was_connected and not self._is_closed:
            await self._advance()
        return self

    async def __anext__(self) -> Event:
        while (event := self._take()) is None:
            if self._is_closed:
                raise StopAsyncIteration
            await self._advance()
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        try:
            while True:
                try:
                    event = await anext(self)
                except StopAsyncIteration:
                    return
                yield event
        finally:
            await self._disconnect()

    async def close(self) -> None:
        """End the iteration, in whatever task; a connection ends with it."""
        self._is_closed = True
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)
        await self._disconnect()

    aclose = close

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _advance(self) -> None:
        """Connect, or receive a chunk, or wait after a failure."""
        self._require_own_process()
        try:
            delay = await (self._read() if self._response is not None else self._open())
        except (TransportError, self._library.RequestError) as error:
            await self._disconnect()
            cause = error if isinstance(error, TransportError) else self._convert(error)
            delay = None if self._is_closed else self._fail(cause)
        except BaseException:
            await self._disconnect()
            raise
        if delay is not None:
            await self._wait(delay)

    async def _open(self) -> float | None:
        outgoing = self._build_outgoing()
        if self._lent is not None:
            self._response = await self._lent.open_stream_async(outgoing, self._timeouts)
        else:
            connections = self._connections or await self._open_connections()
            self._response = await connections.open_stream(outgoing, self._timeouts)
        if self._is_closed:
            await self._disconnect()
            return None
        if _is_stream(self._response):
            self._chunks = self._response.aiter_bytes()
            return None
        await self._response.aread()
        response = convert_response(self._response)
        await self._disconnect()
        return self._accept(response)

    async def _open_connections(self) -> AsyncConnections:
        # Not those of the client's calls: a stream would keep one of their places for ever.
        self._connections = AsyncConnections(self._library, http2=False)
        await self._connections.close_with_loop()
        return self._connections

    async def _read(self) -> float | None:
        assert self._chunks is not None
        chunk = await anext(self._chunks, None)
        if chunk is not None:
            self._receive(chunk)
            return None
        await self._disconnect()
        return None if self._is_closed else self._fail(None)

    async def _wait(self, seconds: float) -> None:
        import asyncio  # deferred: the sync client doesn't need it

        self._pause = asyncio.get_running_loop().create_future()
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._pause, seconds)
        finally:
            self._pause = None

    async def _disconnect(self) -> None:
        if (response := self._forget_connection()) is not None:
            await response.aclose()
        if self._is_closed and self._connections is not None:
            await self._connections.close()
