"""Connections: the pools of the clients, and the clients and transports that were passed in.

The client's own pools are driven as transports: a client of httpx would parse the URL, merge
headers and cookies and log, for each request. A client that was passed in does all that, as its
owner wants it.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any, Generic, TypeVar

from . import _http
from ._config import Secret
from ._http import Response
from ._loops import run_in_thread
from ._proxies import Proxy, find_proxy, get_location
from ._transport_errors import THROUGH_PROXY, TransportError, convert_error
from .errors import ConfigurationError

log = logging.getLogger("multimail")

MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
_STUCK_AFTER = 0.25
"""Seconds. A request that has a place in the pool is given a connection without any wait."""

TransportT = TypeVar("TransportT")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request as it is sent.

    Attributes:
        method: The HTTP method.
        url: The absolute URL, with its query.
        headers: The header fields but `Authorization`.
        content: The body, or None.
        key: The API key to send; None for a URL that is not the API's.
        hides_query: Whether the query is a credential.
    """

    method: str
    url: str
    headers: dict[str, str]
    content: bytes | None = field(default=None, repr=False)
    key: Secret | None = None
    hides_query: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """How requests to one scheme and host go.

    Attributes:
        is_https: Whether the URL is https.
        proxy: The proxy, or None for a direct connection.
    """

    is_https: bool
    proxy: Proxy | None


def _get_ssl_context(library: ModuleType, *, http2: bool) -> ssl.SSLContext:
    """Return the TLS settings of all pools, because reading the certificates takes long.

    Raises:
        ConfigurationError: The environment names certificates that can't be read.
    """
    named = {name: os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    try:
        return _build_ssl_context(library, http2, *named.values())
    except OSError as error:
        raise ConfigurationError(
            f"The certificates that {' or '.join(filter(named.get, named))} names can't be read"
            f" ({type(error).__name__}).",
            remedy="Name a file of certificates in PEM format, or unset the variable.",
        ) from None


@lru_cache
def _build_ssl_context(library: ModuleType, *key: object) -> ssl.SSLContext:
    del key  # what the context depends on; with HTTP/2 it offers other protocols
    context: ssl.SSLContext = library.create_ssl_context()
    return context


_loaded: set[tuple[ModuleType, bool, bool]] = set()


def _load(library: ModuleType, http2: bool, is_https: bool) -> None:
    """Read the files of the library and the certificates, which would block an event loop."""
    library.AsyncHTTPTransport(verify=False)
    if is_https:
        _get_ssl_context(library, http2=http2)
    _loaded.add((library, http2, is_https))


@dataclass(eq=False, slots=True)
class _Pool(Generic[TransportT]):
    """The connections of one route.

    Attributes:
        transport: The library's transport.
        in_use: The requests that it carries.
        is_retired: Whether it was replaced, so that it is closed after its last request.
    """

    transport: TransportT
    in_use: int = 0
    is_retired: bool = False


class _Pools(Generic[TransportT]):
    """A pool for each route, and the route of each URL."""

    def __init__(
        self, library: ModuleType, build: Callable[..., TransportT], *, http2: bool
    ) -> None:
        self._library, self._build, self._http2 = library, build, http2
        self._pools: dict[Route, _Pool[TransportT]] = {}
        self._routes: dict[str, Route] = {}
        self._lock = threading.Lock()

    def get(self, outgoing: Outgoing) -> _Pool[TransportT]:
        """Return the pool for a request, with its place in it taken.

        Raises:
            ConfigurationError: The environment names a proxy that can't be used.
        """
        origin = "/".join(outgoing.url.split("/", 3)[:3])
        with self._lock:
            route = self._routes.get(origin)
            if route is None:
                route = self._routes[origin] = self._find_route(origin, outgoing)
            pool = self._pools.get(route)
            if pool is None:
                pool = self._pools[route] = _Pool(self._build_transport(route))
            pool.in_use += 1
            return pool

    def give_back(self, pool: _Pool[TransportT]) -> bool:
        """End a request's use of a pool; return whether the pool is to be closed."""
        with self._lock:
            pool.in_use -= 1
            return pool.is_retired and not pool.in_use

    def retire(self, pool: _Pool[TransportT]) -> None:
        """Replace a pool that gives no connection although it has to."""
        with self._lock:
            pool.is_retired = True
            for route in [route for route, other in self._pools.items() if other is pool]:
                log.info("A connection pool lost its connections and was replaced.")
                del self._pools[route]

    def take_all(self) -> list[TransportT]:
        """Return the transports of all pools, which are the caller's to close."""
        with self._lock:
            pools, self._pools = self._pools, {}
            return [pool.transport for pool in pools.values()]

    def describe(self, url: str) -> str:
        """Return where a request to a URL goes, for messages."""
        route = self._routes.get("/".join(url.split("/", 3)[:3]))
        proxy = route.proxy if route else None
        where = get_location(url)
        return f"{where}{THROUGH_PROXY}{proxy.location}" if proxy else where

    def _find_route(self, origin: str, outgoing: Outgoing) -> Route:
        proxy = find_proxy(origin)
        is_https = origin.startswith("https:")
        if proxy is not None and not is_https and outgoing.key is not None:
            log.warning(
                "The API key and all mail go unencrypted through the proxy %s (%s), because the "
                "base URL is plain http. Use https, or list %s in NO_PROXY.",
                *(proxy.location, proxy.variable, get_location(origin)),
            )
        return Route(is_https, proxy)

    def _build_transport(self, route: Route) -> TransportT:
        limits = self._library.Limits(
            max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE_CONNECTIONS
        )
        options: dict[str, Any] = {"limits": limits, "http2": self._http2, "verify": False}
        if route.is_https:
            options["verify"] = _get_ssl_context(self._library, http2=self._http2)
        if route.proxy is None:
            return self._build(**options)
        try:
            proxy = self._library.Proxy(route.proxy.url, auth=route.proxy.auth)
            return self._build(proxy=proxy, **options)
        except ImportError:
            raise ConfigurationError(
                f"{route.proxy.variable} names a SOCKS proxy, which needs a library.",
                remedy='Run: pip install "httpx[socks]"; or name an http proxy.',
            ) from None


def _build_request(library: ModuleType, outgoing: Outgoing, timeouts: dict[str, Any]) -> Any:
    """Return the library's request for a transport."""
    request = library.Request(
        outgoing.method,
        outgoing.url,
        headers=outgoing.headers,
        content=outgoing.content,
        extensions={"timeout": timeouts},
    )
    if outgoing.key is not None:
        # Only now, so that no earlier frame or log contains it.
        request.headers["Authorization"] = f"Bearer {outgoing.key.reveal()}"
    return request


def _limit_pool(timeouts: dict[str, Any]) -> dict[str, Any]:
    return {**timeouts, "pool": _STUCK_AFTER}


def convert_response(response: Any) -> Response:
    """Return a response of the library, whose body was read, as the client's own."""
    return Response(response.status_code, response.headers, response.content)


class Connections:
    """The pools of a synchronous client.

    Args:
        library: httpx or httpx2.
        http2: Use HTTP/2 where the server supports it.
    """

    def __init__(self, library: ModuleType, *, http2: bool) -> None:
        self._library = library
        self._pools: _Pools[Any] = _Pools(library, library.HTTPTransport, http2=http2)
        self._places = threading.Semaphore(MAX_CONNECTIONS)

    def send(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        """Send a request and read its response.

        Raises:
            TransportError: There was no complete response.
        """
        if not self._places.acquire(timeout=timeouts["pool"]):
            raise _build_no_place_error(outgoing, timeouts)
        try:
            return self._send(outgoing, timeouts)
        except (self._library.RequestError, self._library.InvalidURL) as error:
            where = self._pools.describe(outgoing.url)
            raise convert_error(error, where, timeouts) from None
        finally:
            self._places.release()

    def _send(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        try:
            return self._exchange(outgoing, _limit_pool(timeouts))
        except self._library.PoolTimeout:
            return self._exchange(outgoing, timeouts)  # by another pool; nothing was sent

    def _exchange(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        pool = self._pools.get(outgoing)
        try:
            response = pool.transport.handle_request(
                _build_request(self._library, outgoing, timeouts)
            )
            try:
                response.read()
                return convert_response(response)
            finally:
                response.close()
        except self._library.PoolTimeout:
            self._pools.retire(pool)
            raise
        finally:
            if self._pools.give_back(pool):
                pool.transport.close()

    def open_stream(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Any:
        """Send a request; return the library's response, whose body the caller reads and closes.

        It takes no place of other requests: these connections must be the caller's alone.

        Raises:
            TransportError: There was no response.
        """
        try:
            transport = self._pools.get(outgoing).transport
            return transport.handle_request(_build_request(self._library, outgoing, timeouts))
        except (self._library.RequestError, self._library.InvalidURL) as error:
            where = self._pools.describe(outgoing.url)
            raise convert_error(error, where, timeouts) from None

    def close(self) -> None:
        """Close the connections."""
        for transport in self._pools.take_all():
            transport.close()


class AsyncConnections:
    """The pools of an asynchronous client in one event loop.

    Args:
        library: httpx or httpx2.
        http2: Use HTTP/2 where the server supports it.
    """

    def __init__(self, library: ModuleType, *, http2: bool) -> None:
        import asyncio

        self._library, self._http2 = library, http2
        self._pools: _Pools[Any] = _Pools(library, library.AsyncHTTPTransport, http2=http2)
        self._places = asyncio.Semaphore(MAX_CONNECTIONS)
        self._closer: AsyncGenerator[None, None] | None = None

    async def close_with_loop(self) -> None:
        """Close the connections when the running event loop ends, unless they are closed before."""
        # A loop that shuts down, as that of `asyncio.run`, closes the generators that it began; a
        # running one closes those that are no longer referenced.
        self._closer = _close_at_end(self._pools)
        await anext(self._closer)

    async def send(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        """Send a request and read its response.

        More requests than there are connections wait here in order: httpcore goes through all that
        wait, and all connections, whenever a request ends
        (https://github.com/encode/httpcore/pull/1035).

        Raises:
            TransportError: There was no complete response.
        """
        await self._load_libraries(outgoing)
        await self._take_place(outgoing, timeouts)
        try:
            return await self._send(outgoing, timeouts)
        except (self._library.RequestError, self._library.InvalidURL) as error:
            where = self._pools.describe(outgoing.url)
            raise convert_error(error, where, timeouts) from None
        finally:
            self._places.release()

    async def open_stream(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Any:
        """Send a request; return the response before its body. See `Connections.open_stream`."""
        await self._load_libraries(outgoing)
        try:
            transport = self._pools.get(outgoing).transport
            request = _build_request(self._library, outgoing, timeouts)
            return await transport.handle_async_request(request)
        except (self._library.RequestError, self._library.InvalidURL) as error:
            where = self._pools.describe(outgoing.url)
            raise convert_error(error, where, timeouts) from None

    async def _load_libraries(self, outgoing: Outgoing) -> None:
        needed = (self._library, self._http2, outgoing.url.startswith("https:"))
        if needed not in _loaded:
            await run_in_thread(_load, *needed)

    async def _take_place(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        import asyncio

        try:
            async with asyncio.timeout(timeouts["pool"]):
                await self._places.acquire()
        except TimeoutError:
            raise _build_no_place_error(outgoing, timeouts) from None

    async def _send(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        try:
            return await self._exchange(outgoing, _limit_pool(timeouts))
        except self._library.PoolTimeout:
            # httpcore loses places for good when calls are cancelled (encode/httpcore#1093).
            return await self._exchange(outgoing, timeouts)

    async def _exchange(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Response:
        pool = self._pools.get(outgoing)
        try:
            response = await pool.transport.handle_async_request(
                _build_request(self._library, outgoing, timeouts)
            )
            try:
                await response.aread()
                return convert_response(response)
            finally:
                await response.aclose()
        except self._library.PoolTimeout:
            self._pools.retire(pool)
            raise
        finally:
            if self._pools.give_back(pool):
                await pool.transport.aclose()

    async def close(self) -> None:
        """Close the connections."""
        for transport in self._pools.take_all():
            await transport.aclose()


async def _close_at_end(pools: _Pools[Any]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for transport in pools.take_all():
            await transport.aclose()


def _build_no_place_error(outgoing: Outgoing, timeouts: dict[str, Any]) -> TransportError:
    return TransportError(
        f"no connection of this client became free within {timeouts['pool']:g} s",
        where=get_location(outgoing.url),
        was_sent=False,
    )


class LentConnections:
    """A client of httpx or httpx2 that sends the requests; it does so through its public API.

    Args:
        client: An `httpx.Client`, an `httpx.AsyncClient`, or those of httpx2.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._library = _http.find_library(client)

    def send(self, outgoing: Outgoing, timeouts: dict[str, Any] | None) -> Response:
        """Send a request and read its response; see `Connections.send`."""
        try:
            return convert_response(self.client.send(**self._get_options(outgoing, timeouts)))
        except (self._library.RequestError, self._library.InvalidURL) as error:
            raise convert_error(error, get_location(outgoing.url), timeouts) from None

    async def send_async(self, outgoing: Outgoing, timeouts: dict[str, Any] | None) -> Response:
        """Send a request by an asynchronous client; see `Connections.send`."""
        try:
            options = self._get_options(outgoing, timeouts)
            return convert_response(await self.client.send(**options))
        except (self._library.RequestError, self._library.InvalidURL) as error:
            raise convert_error(error, get_location(outgoing.url), timeouts) from None

    def open_stream(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Any:
        """Send a request; return the response before its body. See `Connections.open_stream`."""
        try:
            return self.client.send(**self._get_options(outgoing, timeouts), stream=True)
        except (self._library.RequestError, self._library.InvalidURL) as error:
            raise convert_error(error, get_location(outgoing.url), timeouts) from None

    async def open_stream_async(self, outgoing: Outgoing, timeouts: dict[str, Any]) -> Any:
        """Send a request by an asynchronous client; see `Connections.open_stream`."""
        try:
            return await self.client.send(**self._get_options(outgoing, timeouts), stream=True)
        except (self._library.RequestError, self._library.InvalidURL) as error:
            raise convert_error(error, get_location(outgoing.url), timeouts) from None

    def _get_options(self, outgoing: Outgoing, timeouts: dict[str, Any] | None) -> dict[str, Any]:
        """Return the arguments of the client's `send`."""
        limits = {} if timeouts is None else {"timeout": self._library.Timeout(**timeouts)}
        request = self.client.build_request(
            outgoing.method,
            outgoing.url,
            headers=outgoing.headers,
            content=outgoing.content,
            **limits,
        )
        if outgoing.hides_query:
            _http.hide_query(self._library, request)
        auth = None if outgoing.key is None else _BearerKey(outgoing.key)
        return {"request": request, "auth": auth, "follow_redirects": False}


class _BearerKey:
    """Adds the API key as the request is sent, so that no earlier frame or log contains it."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        return request
