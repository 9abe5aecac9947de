"""The sync and the async client."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlencode
from weakref import WeakSet

from . import _http
from ._call import Operation, Pause, Retry
from ._config import Config, load_config, read_timeouts
from ._connections import AsyncConnections, Connections, LentConnections, Outgoing
from ._execution import MailboxCache, Request, Step, Steps, execute
from ._forks import keep_inherited, reset_after_fork
from ._http import AsyncTransport, HTTPClient, Response, Timeout, Transport
from ._loops import LoopLocal, get_running_loop, run_in_thread
from ._methods import Methods
from ._transport_errors import TransportError
from ._version import __version__
from .errors import ConfigurationError

if TYPE_CHECKING:
    from ._listening import AsyncListener, Listener

T = TypeVar("T")

log = logging.getLogger("multimail")

_USER_AGENT = f"multimail-python/{__version__}"


class _BaseClient(Methods):
    """What both clients share: the configuration, and how a request is made of a step."""

    _lent: LentConnections | None
    """The client or transport that was passed in."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | Timeout | None = None,
        retry: Retry | None = None,
        http2: bool = False,
        transport: Transport | AsyncTransport | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        self._config = load_config(api_key, base_url, mailbox)
        self._options: dict[str, Any] = {"timeout": timeout, "retry": retry, "http2": http2}
        self._timeouts = read_timeouts(timeout)
        self._lent_timeouts = None if timeout is None and http_client else self._timeouts
        self._http2, self._transport = http2, transport
        self._owns_client = http_client is None
        self._library = _http.find_library(http_client or transport)
        self._is_foreign = self._is_closed = False
        self.retry = retry or Retry()
        self.mailbox_cache = MailboxCache(self._config.mailbox)
        reset_after_fork(self)

    @property
    def config(self) -> Config:
        """The API's URL, the key (which doesn't print) and the default mailbox."""
        return self._config

    @property
    def base_url(self) -> str:
        """The API's base URL."""
        return self._config.base_url

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(base_url={self.base_url!r}, mailbox={self._config.mailbox!r})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        name = type(self).__name__
        raise TypeError(f"{name} can't be pickled. Build it again where it is needed.")

    def _reset_after_fork(self) -> None:
        hides_connections = _http.hides_connections(self._library, self._transport)
        if not self._owns_client or hides_connections:
            self._is_foreign = True  # the connections are the parent's
        else:
            self._replace_connections()

    def _replace_connections(self) -> None:
        """Start with no connection, and keep those of the parent process open."""
        raise NotImplementedError

    def _require_usable(self) -> None:
        if self._is_foreign:
            raise ConfigurationError(
                "This process was forked from one that uses the same http_client or transport.",
                code="forked",
                remedy="Build the client in the child process; nothing was sent.",
            )
        if self._is_closed:
            raise RuntimeError(f"This {type(self).__name__} was closed.")

    def _execute(self, operation: Operation[T]) -> Steps[T]:
        return execute(operation, self.mailbox_cache, self.retry)

    def _build_outgoing(self, step: Request) -> Outgoing:
        """Return the request as it is sent."""
        call = step.call
        headers = {
            "Accept": "*/*" if call.raw else "application/json",
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
            "User-Agent": _USER_AGENT,
        }
        if not call.raw:  # nothing twice, under two names (RFC 7240 section 4.2)
            headers["Prefer"] = "return=minimal"
        if step.content is not None:
            headers["Content-Type"] = call.content_type
        is_external = not step.path.startswith("/")  # such a request gets no API key
        url = step.path if is_external else self.base_url + step.path
        if step.query:
            url = f"{url}?{urlencode(step.query, quote_via=quote)}"
        log.debug("%s: %s", call.operation, step.method)
        key = None if is_external else self._config.api_key
        return Outgoing(step.method, url, headers, step.content, key, call.raw)


class MultiMail(_BaseClient):
    """The synchronous client of the MultiMail API. It can be shared between threads.

    Args:
        api_key: A `mm_live_…` or `mm_test_…` key; default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The default mailbox, an address or an id; default `MULTIMAIL_MAILBOX`, else the
            account's only mailbox.
        timeout: Seconds for each request, or a `Timeout` of httpx or httpx2; default 30 and 10 to
            connect, or the timeout of `http_client`.
        retry: When and how often to repeat a request.
        http2: Use HTTP/2 if the server supports it (`pip install "multimail[http2]"`).
        transport: A transport of httpx or httpx2 to use instead of the network.
        http_client: An `httpx.Client` or `httpx2.Client` to use; the caller closes it.

    Raises:
        ConfigurationError: There is no key, or the key or base URL is not usable.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | Timeout | None = None,
        retry: Retry | None = None,
        http2: bool = False,
        transport: Transport | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            http2=http2,
            transport=transport,
            http_client=http_client,
        )
        self._lent = None if http_client is None else LentConnections(http_client)
        self._connections: Connections | None = None
        self._listeners: WeakSet[Listener] = WeakSet()
        self._open()

    def _open(self) -> None:
        if self._transport is not None and self._owns_client:
            self._lent = LentConnections(self._library.Client(transport=self._transport))
        elif self._owns_client:
            self._connections = Connections(self._library, http2=self._http2)

    def _replace_connections(self) -> None:
        keep_inherited((self._connections, self._lent))
        self._open()

    def run(self, operation: Operation[T]) -> T:
        """Run an operation: a `Call`, or a generator that yields several.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        steps = self._execute(operation)
        try:
            step = next(steps)
            while True:
                try:
                    response = self._send(step)
                except TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _send(self, step: Step) -> Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        self._require_usable()
        outgoing = self._build_outgoing(step)
        if self._lent is not None:
            return self._lent.send(outgoing, self._lent_timeouts)
        assert self._connections is not None
        return self._connections.send(outgoing, self._timeouts)

    def listen(
        self,
        *,
        types: str | Iterable[str] | None = None,
        mailbox: str | None = None,
        after: str | None = None,
    ) -> Listener:
        """Return an iterator over events, as they happen; it needs no public URL.

        It connects again when the connection breaks, and goes on behind the last event: none is
        missed, and none comes twice.

        Args:
            types: Types of events, such as `message.received`; default all.
            mailbox: The events of one mailbox, by address or id; default the client's, else those
                of all that the key can access.
            after: The id of an event to go on behind, or `oldest`; default now, which is when the
                first event is asked for, or when the listener is entered as a context manager.

        Raises:
            AuthenticationError: The key is unknown, or was revoked while listening.
            EventsLostError: Events after this id are no longer kept.
            NetworkError: No connection was made. One that breaks later is made again, however
                often that takes.
            NotFoundError: There is no such mailbox.
            UnsupportedError: The API has no event stream.
            ValidationError: A type or the id is invalid.

        API: GET /v1/events. Iteration raises the errors, this call does not.
        """
        from ._listening import Listener

        listener = Listener(self, types, mailbox, after)
        self._listeners.add(listener)
        return listener

    def close(self) -> None:
        """End the listeners, and close the connections, unless `http_client` was passed in."""
        for listener in list(self._listeners):
            listener.close()
        if not self._owns_client:
            return
        self._is_closed = True
        if self._connections is not None:
            self._connections.close()
        if self._lent is not None:
            self._lent.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncMultiMail(_BaseClient):
    """The asynchronous client of the MultiMail API. It can be shared between tasks and event loops.

    Each event loop gets connections of its own, which are closed when it ends. Takes the same
    arguments as `MultiMail`, with an `AsyncClient` and an async transport; such a client or
    transport is for one event loop only.

    Raises:
        ConfigurationError: There is no key, or the key or base URL is not usable.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | Timeout | None = None,
        retry: Retry | None = None,
        http2: bool = False,
        transport: AsyncTransport | None = None,
        http_client: HTTPClient | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            http2=http2,
            transport=transport,
            http_client=http_client,
        )
        self._lent = None if http_client is None else LentConnections(http_client)
        self._by_loop: LoopLocal[AsyncConnections] = LoopLocal()
        self._listeners: WeakSet[AsyncListener] = WeakSet()
        self._open()

    def _open(self) -> None:
        if self._transport is not None and self._owns_client:
            self._lent = LentConnections(self._library.AsyncClient(transport=self._transport))

    def _replace_connections(self) -> None:
        keep_inherited((self._by_loop, self._lent))
        self._by_loop = LoopLocal()
        self._open()

    async def run(self, operation: Operation[T], *, may_block: bool = False) -> T:
        """Run an operation: a `Call`, or a generator that yields several.

        Args:
            operation: The operation.
            may_block: Run the operation's own code in a thread: it may wait, for a database or so.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        steps = self._execute(operation)
        resume: Callable[[Any], Step] = steps.send
        value: Any = None
        while True:
            if may_block:
                step, stop = await run_in_thread(_advance, resume, value)
            else:
                step, stop = _advance(resume, value)
            if stop is not None:
                result: T = stop.value
                return result
            assert step is not None
            try:
                resume, value = steps.send, await self._send(step)
            except TransportError as error:
                resume, value = steps.throw, error

    async def _send(self, step: Step) -> Response | None:
        if isinstance(step, Pause):
            import asyncio  # deferred: the sync client doesn't need it

            await asyncio.sleep(step.seconds)
            return None
        self._require_usable()
        outgoing = self._build_outgoing(step)
        if self._lent is not None:
            return await self._lent.send_async(outgoing, self._lent_timeouts)
        connections = self._by_loop.get(get_running_loop()) or await self._open_in_loop()
        return await connections.send(outgoing, self._timeouts)

    async def _open_in_loop(self) -> AsyncConnections:
        connections = AsyncConnections(self._library, http2=self._http2)
        self._by_loop.set(get_running_loop(), connections)
        await connections.close_with_loop()
        return connections

    def listen(
        self,
        *,
        types: str | Iterable[str] | None = None,
        mailbox: str | None = None,
        after: str | None = None,
    ) -> AsyncListener:
        """Return an async iterator over events, as they happen; see `MultiMail.listen`."""
        from ._listening import AsyncListener

        listener = AsyncListener(self, types, mailbox, after)
        self._listeners.add(listener)
        return listener

    async def close(self) -> None:
        """End the listeners, and close the connections, unless `http_client` was passed in.

        Those of other event loops are closed when their loops end.
        """
        for listener in list(self._listeners):
            await listener.close()
        if self._owns_client:
            self._is_closed = True
            await self._close_in_loop()

    async def _close_in_loop(self) -> None:
        """Close the connections of the running event loop; the next call opens new ones."""
        connections = self._by_loop.pop(get_running_loop())
        if connections is not None:
            await connections.close()
        if self._lent is not None and self._is_closed:
            await self._lent.client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _advance(
    resume: Callable[[Any], Step], value: Any
) -> tuple[Step, None] | tuple[None, StopIteration]:
    """Resume a generator; return its next step, or its end, which no future may raise."""
    try:
        return resume(value), None
    except StopIteration as stop:
        return None, stop
