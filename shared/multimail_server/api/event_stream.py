"""Server-sent events: one stream for each open `GET /v1/events`.

A stream reads the log at its client's pace: it asks for the next page when the client has taken the
one before, and holds nothing else. One task of the process follows the commits and wakes the
streams; it ends those whose key may no longer read.
Source: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from ..auth import Principal
from ..errors import ApiError
from ..services import Services
from ..services.event_log import EventPage, Subscription
from ..services.events import encode_payload
from ..store.protocol import StoreUnavailableError

EVENT_STREAM = "text/event-stream"
HEARTBEAT = 15.0
"""Seconds without an event after which a stream sends its position."""
MAX_STREAMS_PER_KEY = 20
RECONNECTION_TIME = 1000
"""Milliseconds that a client waits before it connects again."""
_ERROR_DELAY = 2.0
_HEADERS = {
    "Cache-Control": "no-store, no-transform",
    "X-Content-Type-Options": "nosniff",
    "X-Accel-Buffering": "no",  # nginx would keep events back until a buffer is full.
}
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Stream:
    """An open stream: whose it is, and the signal that wakes it."""

    principal: Principal
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    has_ended: bool = False

    def end(self) -> None:
        self.has_ended = True
        self.awake.set()


class EventStreams:
    """All open streams of a server.

    Args:
        services: The services; their context's commits wake the streams.
    """

    def __init__(self, services: Services) -> None:
        self._log = services.event_log
        self._commits = services.context.commits
        self._streams: set[_Stream] = set()
        self._by_key: Counter[str] = Counter()
        self._committed = asyncio.Event()
        self._follower: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = False

    def respond(self, principal: Principal, subscription: Subscription) -> Response:
        """Return a response that streams the events of a subscription.

        Raises:
            ApiError: The key has too many streams open (429), or the server is stopping (503).
        """
        if self._is_closed:
            raise ApiError(503, "stopping", "The server is stopping.", headers={"Retry-After": "1"})
        if self._by_key[principal.key_id] >= MAX_STREAMS_PER_KEY:
            raise ApiError(
                429,
                "too_many_streams",
                f"This key has {MAX_STREAMS_PER_KEY} event streams open. Close one first.",
                headers={"Retry-After": "10"},
            )
        return StreamingResponse(
            self._send(principal, subscription), headers=_HEADERS, media_type=EVENT_STREAM
        )

    def close(self) -> None:
        """End all streams at once, and accept no more; from any thread."""
        self._is_closed = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for stream in self._streams:
            stream.end()

    async def _send(self, principal: Principal, subscription: Subscription) -> AsyncIterator[bytes]:
        with self._open(principal) as stream:
            yield f"retry: {RECONNECTION_TIME}\n{_build_position(subscription)}".encode()
            while not stream.has_ended:
                stream.awake.clear()
                page = await self._read(subscription)
                if page is None:
                    continue
                subscription = page.rest
                for payload in page.payloads:
                    yield b"id: %b\nevent: %b\ndata: %b\n\n" % (
                        payload["id"].encode(),
                        payload["type"].encode(),
                        encode_payload(payload),
                    )
                if page.is_last and not await self._wait(stream):
                    yield f": waiting\n{_build_position(subscription)}".encode()

    @contextmanager
    def _open(self, principal: Principal) -> Iterator[_Stream]:
        stream = _Stream(principal)
        stream.has_ended = self._is_closed
        self._streams.add(stream)
        self._by_key[principal.key_id] += 1
        self._begin_to_follow()
        try:
            yield stream
        finally:
            self._streams.remove(stream)
            self._by_key -= Counter([principal.key_id])  # This drops a key that has none left.
            if not self._streams:
                self._stop_following()

    async def _read(self, subscription: Subscription) -> EventPage | None:
        """Return the next page; None, after a while, if the database is unavailable."""
        try:
            return await run_in_threadpool(self._log.get_page, subscription)
        except StoreUnavailableError as error:
            _log.warning("An event stream waits for the database: %s", error)
            await asyncio.sleep(_ERROR_DELAY)
            return None

    async def _wait(self, stream: _Stream) -> bool:
        """Wait until a stream is woken; return False if the time of a heartbeat came first."""
        try:
            async with asyncio.timeout(HEARTBEAT):
                return await stream.awake.wait()
        except TimeoutError:
            return False

    def _begin_to_follow(self) -> None:
        if self._follower is None:
            self._loop = asyncio.get_running_loop()
            self._commits.subscribe(self._on_commit)
            self._follower = self._loop.create_task(self._follow())
        self._committed.set()  # For what was committed since the subscription was made.

    def _stop_following(self) -> None:
        if self._follower is not None:
            self._commits.unsubscribe(self._on_commit)
            self._follower.cancel()
            self._follower = None

    def _on_commit(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._committed.set)

    async def _follow(self) -> None:
        """Number what is committed, and wake the streams for it."""
        reached = -1
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._committed.wait(), HEARTBEAT)
            self._committed.clear()
            try:
                last = await run_in_threadpool(self._log.number_events)
                principals = {stream.principal for stream in self._streams}
                valid = await run_in_threadpool(self._log.list_valid_keys, principals)
            except StoreUnavailableError as error:
                _log.warning("The event streams wait for the database: %s", error)
                await asyncio.sleep(_ERROR_DELAY)
                self._committed.set()
                continue
            except Exception:
                # Without this task every stream would stay silent until the server restarts.
                _log.exception("The event streams met an unexpected error and go on")
                await asyncio.sleep(_ERROR_DELAY)
                self._committed.set()
                continue
            self._wake(valid, has_events=last != reached)
            reached = last

    def _wake(self, valid_keys: set[str], *, has_events: bool) -> None:
        for stream in self._streams:
            if stream.principal.key_id not in valid_keys:
                stream.end()
            elif has_events:
                stream.awake.set()


def _build_position(subscription: Subscription) -> str:
    """Return an id without an event: a client that connects again goes on after it."""
    return f"id: {subscription.reached}\n\n"
