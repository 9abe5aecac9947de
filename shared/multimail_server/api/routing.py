"""Routing: one table of routes, each with the scopes that it asks for beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .request import Handler


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """A route.

    Attributes:
        method: GET answers HEAD as well.
        path: In Starlette's notation.
        scopes: Any one of them opens it; empty means that no key is asked for.
        handler: Synchronous; it runs in a worker thread.
        longest_body: Bytes; more is a 413.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    handler: Handler
    longest_body: int


SMALL_BODY = 256 * 1024
LARGE_BODY = 32 * 1024 * 1024


class Routes:
    """Collects routes; each module of routes has one."""

    def __init__(self) -> None:
        self.specs: list[RouteSpec] = []

    def __call__(
        self, method: str, path: str, *scopes: str, longest_body: int = SMALL_BODY
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated handler as a route that any one of `scopes` opens."""

        def declare(handler: Handler) -> Handler:
            self.specs.append(RouteSpec(method, path, scopes, handler, longest_body))
            return handler

        return declare
