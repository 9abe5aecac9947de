"""The clients: two loops over HTTP, one in each colour, and the verbs that both have."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from ._version import __version__
from .call import Operation, Pause, Retry
from .config import Config, Secret, load_config
from .exchange import Request, Step, Steps, steps_of
from .mailbox_book import MailboxBook
from .verbs import Verbs

if TYPE_CHECKING:
    from .turns import Turns

T = TypeVar("T")

log = logging.getLogger("multimail")

DEFAULT_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_CONNECTIONS = 100
DEFAULT_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=20)


class _KeyAuth(httpx.Auth):
    """Adds the key as the request leaves, so that no frame or log before holds it."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        yield request


class _Client(Verbs):
    """What both clients share: configuration, and each request's description for httpx."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        mailbox: str | None = None,
        timeout: float | httpx.Timeout | None = None,
        retry: Retry | None = None,
        lent: bool = False,
    ) -> None:
        self._config = load_config(api_key, base_url, mailbox)
        self._auth = _KeyAuth(self._config.api_key)
        own = httpx.USE_CLIENT_DEFAULT if lent else DEFAULT_TIMEOUT
        self._timeout = own if timeout is None else timeout
        self.retry = retry or Retry()
        self.mailboxes = MailboxBook(self._config.mailbox)

    @property
    def config(self) -> Config:
        """Where the API is and who calls; the key in it does not print."""
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
        raise TypeError(f"{type(self).__name__} is not pickled. Build it again where it is needed.")

    def _steps(self, operation: Operation[T]) -> Steps[T]:
        return steps_of(operation, self.mailboxes, self.retry)

    def _request(self, step: Request) -> dict[str, Any]:
        """Return what httpx builds the request from."""
        call = step.call
        headers = {"Accept": "*/*" if call.raw else "application/json", "User-Agent": _AGENT}
        content = step.content
        if content is not None:
            headers["Content-Type"] = call.content_type
        away = not step.path.startswith("/")
        log.debug("%s: %s", call.operation, step.method)
        return {
            "method": step.method,
            "url": step.path if away else self.base_url + step.path,
            "params": step.query or None,
            "content": content,
            "headers": headers,
            "timeout": self._timeout,
        }

    def _sending(self, step: Request, request: httpx.Request) -> dict[str, Any]:
        """Return what httpx sends it with."""
        if step.call.raw:
            request.url = _SignedURL(request.url)
        away = not step.path.startswith("/")
        return {
            "request": request,
            "auth": None if away else self._auth,
            "follow_redirects": False,
        }


class _SignedURL(httpx.URL):
    """A link whose query opens it to anybody: httpx logs each request's URL at INFO."""

    def __str__(self) -> str:
        return str(self.copy_with(query=None))

    def __eq__(self, other: object) -> bool:
        return httpx.URL(self) == other

    def __hash__(self) -> int:
        return hash(httpx.URL(self))


_AGENT = f"multimail-python/{__version__}"


class MultiMail(_Client):
    """The MultiMail API, synchronous. Safe to share between threads.

    Args:
        api_key: A `mm_live_…` or `mm_test_…` key; default `MULTIMAIL_API_KEY`.
        base_url: Default `MULTIMAIL_API_URL`, else the hosted service.
        mailbox: The default mailbox, an address or an id; default `MULTIMAIL_MAILBOX`, else the
            account's only one.
        timeout: Seconds for each request, or an `httpx.Timeout`; default 30, connecting 10, or
            what a lent `http_client` has.
        retry: How often and how long to try again.
        http2: Speak HTTP/2 where the server does (`pip install "multimail[http2]"`).
        transport: An httpx transport to use instead of the network.
        http_client: An `httpx.Client` to use; it stays yours to close.

    Raises:
        ConfigurationError: No key, or an unusable base URL.
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
        lent = http_client is not None
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            lent=lent,
        )
        self._owns_http = not lent
        self._http = http_client or httpx.Client(
            http2=http2, transport=transport, limits=DEFAULT_LIMITS
        )

    def run(self, operation: Operation[T]) -> T:
        """Carry out an operation: a `Call`, or a generator that yields several.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        steps = self._steps(operation)
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._take(step)
                except httpx.RequestError as fault:
                    step = steps.throw(fault)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _take(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        request = self._http.build_request(**self._request(step))
        return self._http.send(**self._sending(step, request))

    def close(self) -> None:
        """Close the connections, unless they belong to an injected `http_client`."""
        if self._owns_http:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncMultiMail(_Client):
    """The MultiMail API, asynchronous. Belongs to the event loop it is first used in.

    Takes the same arguments as `MultiMail`, with `httpx.AsyncClient` and an async transport.

    Raises:
        ConfigurationError: No key, or an unusable base URL.
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
        lent = http_client is not None
        super().__init__(
            api_key,
            base_url=base_url,
            mailbox=mailbox,
            timeout=timeout,
            retry=retry,
            lent=lent,
        )
        self._owns_http = not lent
        self._http = http_client or httpx.AsyncClient(
            http2=http2, transport=transport, limits=DEFAULT_LIMITS
        )
        # What was lent has limits of its own, and HTTP/2 more requests than connections.
        self._turns = None if lent or transport or http2 else _turns()

    async def run(self, operation: Operation[T]) -> T:
        """Carry out an operation: a `Call`, or a generator that yields several.

        Raises:
            MultiMailError: As the operation's calls do.
        """
        steps = self._steps(operation)
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._take(step)
                except httpx.RequestError as fault:
                    step = steps.throw(fault)
                else:
                    step = steps.send(answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _take(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Pause):
            import asyncio  # here, since most clients are not this one

            await asyncio.sleep(step.seconds)
            return None
        request = self._http.build_request(**self._request(step))
        sending = self._sending(step, request)
        if self._turns is None:
            return await self._http.send(**sending)
        return await self._turns.send(self._http, sending)

    async def close(self) -> None:
        """Close the connections, unless they belong to an injected `http_client`."""
        if self._owns_http:
            await self._http.aclose()

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _turns() -> Turns:
    from .turns import Turns  # here, since it loads asyncio

    return Turns(_CONNECTIONS)
