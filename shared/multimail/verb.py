"""Verbs: an operation written once, made a method of both clients, typed for each."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from .call import Operation
from .models import Page, WireModel

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=WireModel)
R = TypeVar("R")


class SyncRunner(Protocol):
    """A client that runs an operation and returns its result."""

    def run(self, operation: Operation[T], /) -> T: ...
    def __enter__(self) -> Any: ...


class AsyncRunner(Protocol):
    """A client that runs an operation and returns an awaitable of its result."""

    def run(self, operation: Operation[T], /) -> Awaitable[T]: ...
    def __aenter__(self) -> Any: ...


class verb(Generic[P, T]):  # noqa: N801
    """Makes a function that describes an operation a method that runs it.

    On `MultiMail` the method returns the result, on `AsyncMultiMail` an awaitable of it.
    """

    def __init__(self, describe: Callable[P, Operation[T]]) -> None:
        self.describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> Callable[P, Operation[T]]: ...
    @overload
    def __get__(self, client: SyncRunner, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self.describe
        describe, run = self.describe, client.run

        @functools.wraps(describe)
        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return run(describe(*args, **kwargs))

        return method


class paging(Generic[P, Row]):  # noqa: N801
    """Makes a verb that answers pages an iterator over all the rows of all the pages."""

    def __init__(self, listing: Callable[P, Operation[Page[Row]]]) -> None:
        self.listing = listing
        self.__doc__ = listing.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> paging[P, Row]: ...
    @overload
    def __get__(self, client: SyncRunner, owner: type) -> Callable[P, Iterator[Row]]: ...
    @overload
    def __get__(self, client: AsyncRunner, owner: type) -> Callable[P, AsyncIterator[Row]]: ...

    def __get__(self, client: Any, owner: type) -> Any:
        if client is None:
            return self
        return functools.partial(self._walk(client), client.run)

    def _walk(self, client: Any) -> Callable[..., Any]:
        return self._awalk if hasattr(client, "__aenter__") else self._iterate

    def _iterate(self, run: Any, *args: Any, **kwargs: Any) -> Iterator[Row]:
        while True:
            page = run(self.listing(*args, **kwargs))
            yield from page
            if not page.cursor:
                return
            kwargs["cursor"] = page.cursor

    async def _awalk(self, run: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Row]:
        while True:
            page = await run(self.listing(*args, **kwargs))
            for row in page:
                yield row
            if not page.cursor:
                return
            kwargs["cursor"] = page.cursor
