"""DNS lookups for one message: the resolver interface and the limits on its use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")
HostKind = Literal["A", "AAAA", "MX", "PTR"]
MAX_LOOKUPS = 50
MAX_SECONDS = 20.0


class DnsUnavailable(Exception):  # noqa: N818
    """DNS gave no answer: a timeout, a server failure, no network. The message says it."""


class Resolver(Protocol):
    """Where records are looked up."""

    def txt(self, name: str) -> list[bytes]:
        """Return the TXT records of `name`, each with its strings joined.

        Returns:
            An empty list when the name or the record does not exist.

        Raises:
            DnsUnavailable: There was no answer.
        """
        ...

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return the addresses of `name` (A, AAAA), or the hosts that it names (MX, PTR).

        Returns:
            Host names without their last dot, in no order; an empty list where there are none.

        Raises:
            DnsUnavailable: There was no answer.
        """
        ...


class LateResolver:
    """The `Resolver` that `live_resolver` returns, made when it is first asked something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resolver: Resolver | None = None

    def txt(self, name: str) -> list[bytes]:
        """Return TXT records. See `Resolver.txt`."""
        return self._asked().txt(name)

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return hosts or addresses. See `Resolver.hosts`."""
        return self._asked().hosts(name, kind)

    def _asked(self) -> Resolver:
        with self._lock:
            if self._resolver is None:
                from .resolvers import live_resolver

                self._resolver = live_resolver()
            return self._resolver


class Budgets:
    """The two budgets of one message.

    Attributes:
        near: For the domain in From and for whatever is, or may be, aligned with it.
        far: For strangers.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.near = Budget(resolver)
        self.far = Budget(resolver)

    def of(self, aligned: bool | None) -> Budget:
        """Return the budget of a method that is aligned with From, or is not."""
        return self.far if aligned is False else self.near


class Budget:
    """A resolver that asks nothing twice, and stops when the budget is spent.

    Args:
        resolver: Who is asked.
        most: Look-ups that are made; what was looked up before costs nothing.
        seconds: When its look-ups have taken so long, none is begun any more.
        clock: Seconds that only grow.

    Source: RFC 7208 section 4.6.4 (an SPF check may take 20 seconds).
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        most: int = MAX_LOOKUPS,
        seconds: float = MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._left = most
        self._clock = clock
        self._seconds = seconds
        self._texts: dict[str, list[bytes] | DnsUnavailable] = {}
        self._hosts: dict[tuple[str, HostKind], list[str] | DnsUnavailable] = {}

    def txt(self, name: str) -> list[bytes]:
        """Look up TXT records; see `Resolver`."""
        key = _same(name)
        if key not in self._texts:
            self._texts[key] = self._ask(lambda: self._resolver.txt(name))
        return _answer(self._texts[key])

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Look up addresses or host names; see `Resolver`."""
        key = (_same(name), kind)
        if key not in self._hosts:
            self._hosts[key] = self._ask(lambda: self._resolver.hosts(name, kind))
        return _answer(self._hosts[key])

    def _ask(self, look_up: Callable[[], T]) -> T | DnsUnavailable:
        if self._left <= 0:
            return DnsUnavailable("the DNS look-ups allowed for one message are used up")
        if self._seconds <= 0:
            return DnsUnavailable("the time allowed for one message's DNS look-ups is over")
        self._left -= 1
        begun = self._clock()
        try:
            return look_up()
        except DnsUnavailable as silence:
            return silence
        finally:
            self._seconds -= self._clock() - begun


def _same(name: str) -> str:
    return name.lower().removesuffix(".")


def _answer(found: T | DnsUnavailable) -> T:
    if isinstance(found, DnsUnavailable):
        raise DnsUnavailable(str(found))
    return found
