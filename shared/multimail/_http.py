"""The HTTP library: httpx2 where it is installed, else httpx. No other module knows either.

httpx2 continues httpx, which has had no release since 2024, with the same API. A client or a
transport that was passed in is used with its own library, through its public API.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import ModuleType
from typing import Any, Protocol

from .errors import ConfigurationError

LIBRARIES = ("httpx2", "httpx")
"""The supported libraries; the first that is installed is used."""
_VARIABLE = "MULTIMAIL_HTTP_LIBRARY"


class Timeout(Protocol):
    """Seconds for each part of a request; `httpx.Timeout` and `httpx2.Timeout` are such."""

    connect: float | None
    read: float | None
    write: float | None
    pool: float | None


class Transport(Protocol):
    """A transport of httpx or httpx2."""

    def handle_request(self, request: Any, /) -> Any:
        """Send a request, return a response."""


class AsyncTransport(Protocol):
    """An asynchronous transport of httpx or httpx2."""

    async def handle_async_request(self, request: Any, /) -> Any:
        """Send a request, return a response."""


class HTTPClient(Protocol):
    """A `Client` or an `AsyncClient` of httpx or httpx2."""

    @property
    def build_request(self) -> Callable[..., Any]:
        """Build a request."""
        ...

    @property
    def send(self) -> Callable[..., Any]:
        """Send a request."""
        ...


@dataclass(frozen=True, slots=True)
class Response:
    """A response whose body was read.

    Attributes:
        status_code: The HTTP status.
        headers: The header fields; their names are in lower case.
        content: The body, decompressed.
    """

    status_code: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)


def get_library() -> ModuleType:
    """Return the library of the client's own connections; `MULTIMAIL_HTTP_LIBRARY` may name it.

    Raises:
        ConfigurationError: The variable names another library, or one that is not installed.
    """
    return _load_library(os.environ.get(_VARIABLE, ""))


@lru_cache
def _load_library(name: str) -> ModuleType:
    installed = [known for known in LIBRARIES if importlib.util.find_spec(known) is not None]
    if name and name not in installed:
        raise ConfigurationError(
            f"{_VARIABLE} names {name!r}, which is not installed or not supported.",
            remedy=f"Unset it, or set it to one of {', '.join(installed)}.",
        )
    return importlib.import_module(name or installed[0])


def find_library(value: object) -> ModuleType:
    """Return the library that a client or a transport belongs to; by default the client's own."""
    for name in LIBRARIES:
        library = sys.modules.get(name)
        kinds = ("Client", "AsyncClient", "BaseTransport", "AsyncBaseTransport")
        if library is not None and isinstance(value, tuple(getattr(library, k) for k in kinds)):
            return library
    return get_library()


def hides_connections(library: ModuleType, transport: object) -> bool:
    """Whether a transport has connections of its own, which no other process may use."""
    return isinstance(transport, (library.HTTPTransport, library.AsyncHTTPTransport))


def hide_query(library: ModuleType, request: Any) -> None:
    """Leave the query, which is a credential, out of a request's URL as a client logs it."""
    request.url = _get_url_without_query(library)(request.url)


@lru_cache
def _get_url_without_query(library: ModuleType) -> Any:
    class SignedURL(library.URL):  # type: ignore[name-defined, misc]
        """A URL whose query is a credential: a client logs the URL of each request at INFO."""

        def __str__(self) -> str:
            return str(self.copy_with(query=None))

        def __eq__(self, other: object) -> bool:
            return bool(library.URL(self) == other)

        def __hash__(self) -> int:
            return hash(library.URL(self))

    return SignedURL
