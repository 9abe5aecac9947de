"""The sync and the async client."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakSet

import httpx

from ._call import Operation, Pause, Retry
from ._config import Config, Secret, load_config
from ._execution import MailboxCache, Request, Step, Steps, execute
from ._forks import keep_inherited, reset_after_fork
from ._methods import Methods
from ._version import __version__
from .errors import ConfigurationError

if TYPE_CHECKING:
    from ._limiter import RequestLimiter
    from ._listening import AsyncListener, Listener

T = TypeVar("T")

log = logging.getLogger("multimail")

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MAX_CONNECTIONS = 100
DEFAULT_LIMITS = httpx.Limits(max_connections=_MAX_CONNECTIONS, max_keepalive_connections=20)
_USER_AGENT = f"multimail-python/{__version__}"


class _BearerAuth(httpx.Auth):
    """Adds the API key as the request is sent, so that no earlier frame or log contains it."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


class _SignedURL(httpx.URL):
    """A URL whose query is a credential: httpx logs the URL of each request at INFO."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __eq__(self, other: object) -> bool:
        return httpx.URL(self) == other

    def __hash__(self) -> int:
        return hash(httpx.URL(self))


class _BaseClient(Methods):
    """What both clients share: the configuration, and the arguments of each httpx request."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        owns_client: bool = True,
    ) -> None:
        self._config = load_config(api_key, base_url, mailbox)
        self._auth = _BearerAuth(self._config.api_key)
        default = DEFAULT_TIMEOUT if owns_client else httpx.USE_CLIENT_DEFAULT
        self._timeout = default if timeout is None else timeout
        self._owns_client = owns_client
        self.retry = retry or Retry()
        self.mailbox_cache = MailboxCache(self._config.mailbox)

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

    _is_foreign: bool
    """Whether the connections are those of a process from which this one was forked."""

    def _require_own_connections(self) -> None:
        if self._is_foreign:
            raise ConfigurationError(
                "This process was forked from one that uses the same http_client or transport.",
                code="forked",
                remedy="Build the client in the child process; nothing was sent.",
            )

    def _execute(self, operation: Operation[T]) -> Steps[T]:
        return execute(operation, self.mailbox_cache, self.retry)

    def _request_options(self, step: Request) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.build_request`."""
        call = step.call
        headers = {"Accept": "*/*" if call.raw else "application/json", "User-Agent": _USER_AGENT}
        if step.content is not None:
            headers["Content-Type"] = call.content_type
        log.debug("%s: %s", call.operation, step.method)
        return {
            "method": step.method,
            "url": step.path if _is_external(step) else self.base_url + step.path,
            "params": step.query or None,
            "content": step.content,
            "headers": headers,
            "timeout": self._timeout,
        }

    def _stream_options(
        self, step: Request, headers: dict[str, str], default: httpx.Timeout, read_timeout: float
    ) -> dict[str, Any]:
        """Return the arguments of `build_request` for a response that is read as it comes."""
        options = self._request_options(step)
        options["headers"] |= headers
        given: Any = default if self._timeout is httpx.USE_CLIENT_DEFAULT else self._timeout
        timeout = httpx.Timeout(given)
        timeout.read = read_timeout
        return {**options, "timeout": timeout}

    def _send_options(self, step: Request, request: httpx.Request) -> dict[str, Any]:
        """Return the arguments of `httpx.Client.send`."""
        if step.call.raw:
            request.url = _SignedURL(request.url)
        return {
            "request": request,
            "auth": None if _is_external(step) else self._auth,
            "follow_redirects": False,
        }


def _is_external(step: Request) -> bool:
    """Whether the URL is not below the base URL: such a request gets no API key."""
    return not step.path.startswith("/")


class MultiMail(_BaseClient):
    """The synchronous client of the MultiMail API. It can be shared between threads.

    Args:
        api_key: A `mm_live_…` or `mm_test_…` key; default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The default mailbox, an address or an id; default `MULTIMAIL_MAILBOX`, else the
            account's only mailbox.
        timeout: Seconds for each request, or an `httpx.Timeout`; default 30 and 10 to connect, or
            the timeout of `http_client`.
        retry: When and how often to repeat a request.
        http2: Use HTTP/2 if the server supports it (`pip install "multimail[http2]"`).
        transport: An httpx transport to use instead of the network.
        http_client: An `httpx.Client` to use; the caller closes it.

    Raises:
        ConfigurationError: There is no key, or the key or base URL is not usable.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        http2: bool = False,
        transport: httpx.BaseTransport | None = None,
        http_client: httpx.Client | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            owns_client=http_client is None,
        )
        self._options: dict[str, Any] = {"http2": http2, "transport": transport}
        self._http = http_client or httpx.Client(limits=DEFAULT_LIMITS, **self._options)
        self._listeners: WeakSet[Listener] = WeakSet()
        self._is_foreign = False
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        if not self._owns_client or isinstance(self._options["transport"], httpx.HTTPTransport):
            self._is_foreign = True
            return
        keep_inherited(self._http)
        self._http = httpx.Client(limits=DEFAULT_LIMITS, **self._options)

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
                except httpx.RequestError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _send(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        self._require_own_connections()
        request = self._http.build_request(**self._request_options(step))
        return self._http.send(**self._send_options(step, request))

    def listen(
        self,
        *,
        types: str | Iterable[str] | None = None,
        mailbox: str | None = None,
        after: str | None = None,
    ) -> Listener:
        """Return an iterator over events, as they happen; it needs no public URL.

        It connects again when the connection breaks, and goes on behind the last event: none is
        missed, and none comes twice. Nobody has to read the mailbox in between.

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
            NotFoundError: There is no such mailbox, or the API has no event stream.
            ValidationError: A type or the id is invalid.

        API: GET /v1/events. Iteration raises the errors, this call does not.
        """
        from ._listening import Listener

        listener = Listener(self, types, mailbox, after)
        self._listeners.add(listener)
        return listener

    def _open_stream(
        self, step: Request, headers: dict[str, str], read_timeout: float
    ) -> httpx.Response:
        """Send a request, and return the response before its body."""
        self._require_own_connections()
        options = self._stream_options(step, headers, self._http.timeout, read_timeout)
        request = self._http.build_request(**options)
        return self._http.send(**self._send_options(step, request), stream=True)

    def close(self) -> None:
        """End the listeners, and close the connections, unless `http_client` was passed in."""
        for listener in list(self._listeners):
            listener.close()
        if self._owns_client:
            self._http.close()

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
    """The asynchronous client of the MultiMail API. Use it in one event loop only.

    Takes the same arguments as `MultiMail`, with `httpx.AsyncClient` and an async transport.

    Raises:
        ConfigurationError: There is no key, or the key or base URL is not usable.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        http2: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            owns_client=http_client is None,
        )
        self._options: dict[str, Any] = {"http2": http2, "transport": transport}
        self._http = http_client or httpx.AsyncClient(limits=DEFAULT_LIMITS, **self._options)
        self._listeners: WeakSet[AsyncListener] = WeakSet()
        self._is_foreign = False
        # A client of the caller's has its own limits, and HTTP/2 multiplexes its connections.
        owns_pool = http_client is None and transport is None and not http2
        self._limiter = _build_limiter() if owns_pool else None
        reset_after_fork(self)

    def _reset_after_fork(self) -> None:
        transport = self._options["transport"]
        if not self._owns_client or isinstance(transport, httpx.AsyncHTTPTransport):
            self._is_foreign = True
            return
        keep_inherited((self._http, self._limiter))
        self._http = httpx.AsyncClient(limits=DEFAULT_LIMITS, **self._options)
        self._limiter = _build_limiter() if self._limiter is not None else None

    async def run(self, operation: Operation[T]) -> T:
        """Run an operation: a `Call`, or a generator that yields several.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        steps = self._execute(operation)
        try:
            step = next(steps)
            while True:
                try:
                    response = await self._send(step)
                except httpx.RequestError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(response)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _send(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Pause):
            import asyncio  # deferred: the sync client doesn't need it

            await asyncio.sleep(step.seconds)
            return None
        self._require_own_connections()
        request = self._http.build_request(**self._request_options(step))
        options = self._send_options(step, request)
        if self._limiter is None:
            return await self._http.send(**options)
        return await self._limiter.send(self._http, options)

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

    async def _open_stream(
        self, step: Request, headers: dict[str, str], read_timeout: float
    ) -> httpx.Response:
        """Send a request, and return the response before its body."""
        self._require_own_connections()
        options = self._stream_options(step, headers, self._http.timeout, read_timeout)
        request = self._http.build_request(**options)
        return await self._http.send(**self._send_options(step, request), stream=True)

    async def close(self) -> None:
        """End the listeners, and close the connections, unless `http_client` was passed in."""
        for listener in list(self._listeners):
            await listener.close()
        if self._owns_client:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _build_limiter() -> RequestLimiter:
    from ._limiter import RequestLimiter  # deferred, because it imports asyncio

    return RequestLimiter(_MAX_CONNECTIONS)
