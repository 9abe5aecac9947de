"""DNS lookups on behalf of one message: the resolver interface and the limits on its use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

T = TypeVar("T")
HostKind = Literal["A", "AAAA", "MX", "PTR"]
MAX_LOOKUPS = 50
MAX_SECONDS = 20.0


class DnsUnavailableError(Exception):
    """DNS gave no answer: a timeout, a server failure, no network. The message says which."""


class Resolver(Protocol):
    """Looks up DNS records."""

    def txt(self, name: str) -> list[bytes]:
        """Return the TXT records of `name`, each with its strings joined.

        Returns:
            An empty list when the name or the record does not exist.

        Raises:
            DnsUnavailableError: There was no answer.
        """
        ...

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return the addresses of `name` (A, AAAA), or the hosts that it names (MX, PTR).

        Returns:
            Host names without their last dot, in no order; an empty list where there are none.

        Raises:
            DnsUnavailableError: There was no answer.
        """
        ...

    def exists(self, name: str) -> bool:
        """Return whether `name`, or a name below it, has a record of any type (RFC 8020).

        Raises:
            DnsUnavailableError: There was no answer.
        """
        ...


class LazyResolver:
    """A live resolver that is created with the first lookup.

    Importing the DNS library would double the time that a server takes to start.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._resolver: Resolver | None = None

    def txt(self, name: str) -> list[bytes]:
        """Return TXT records. See `Resolver.txt`."""
        return self._get().txt(name)

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return hosts or addresses. See `Resolver.hosts`."""
        return self._get().hosts(name, kind)

    def exists(self, name: str) -> bool:
        """Return whether a name exists. See `Resolver.exists`."""
        return self._get().exists(name)

    def _get(self) -> Resolver:
        with self._lock:
            if self._resolver is None:
                from .resolvers import live_resolver

                self._resolver = live_resolver()
            return self._resolver


class DnsBudgets:
    """The two DNS budgets of one message.

    A message decides which names are looked up; without a limit it could keep the server busy, or
    have it flood somebody's name servers. A method for which DNS gave no answer does not count
    against a sender. So that unrelated, slow name servers don't earn a forgery this benefit, the
    lookups that could vouch for From have a budget of their own.

    Attributes:
        aligned: For the domain in From and for methods that are, or may be, aligned with it.
        unaligned: For all others.
    """

    def __init__(self, resolver: Resolver) -> None:
        self.aligned = DnsBudget(resolver)
        self.unaligned = DnsBudget(resolver)

    def choose(self, aligned: bool | None) -> DnsBudget:
        """Return the budget of a method by whether it is aligned with From."""
        return self.unaligned if aligned is False else self.aligned


class DnsBudget:
    """A caching resolver that stops when its budget of lookups or of time is used up.

    Args:
        resolver: Does the lookups.
        max_lookups: How many lookups are made; those that are repeated come from the cache.
        max_seconds: No lookup begins once all of them together have taken this long.
        clock: Returns seconds that only increase.

    Source: RFC 7208 section 4.6.4 (an SPF check may take 20 seconds).
    """

    def __init__(
        self,
        resolver: Resolver,
        *,
        max_lookups: int = MAX_LOOKUPS,
        max_seconds: float = MAX_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._resolver = resolver
        self._lookups_left = max_lookups
        self._seconds_left = max_seconds
        self._clock = clock
        self._txt: dict[str, list[bytes] | DnsUnavailableError] = {}
        self._hosts: dict[tuple[str, HostKind], list[str] | DnsUnavailableError] = {}

    def txt(self, name: str) -> list[bytes]:
        """Return TXT records. See `Resolver.txt`."""
        key = _normalise(name)
        if key not in self._txt:
            self._txt[key] = self._look_up(lambda: self._resolver.txt(name))
        return _unwrap(self._txt[key])

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        """Return hosts or addresses. See `Resolver.hosts`."""
        key = (_normalise(name), kind)
        if key not in self._hosts:
            self._hosts[key] = self._look_up(lambda: self._resolver.hosts(name, kind))
        return _unwrap(self._hosts[key])

    def exists(self, name: str) -> bool:
        """Return whether a name exists. See `Resolver.exists`."""
        return _unwrap(self._look_up(lambda: self._resolver.exists(name)))

    def _look_up(self, query: Callable[[], T]) -> T | DnsUnavailableError:
        if self._lookups_left <= 0:
            return DnsUnavailableError("the DNS look-ups allowed for one message are used up")
        if self._seconds_left <= 0:
            return DnsUnavailableError("the time allowed for one message's DNS look-ups is over")
        self._lookups_left -= 1
        started = self._clock()
        try:
            return query()
        except DnsUnavailableError as error:
            return error
        finally:
            self._seconds_left -= self._clock() - started


def _normalise(name: str) -> str:
    return name.lower().removesuffix(".")


def _unwrap(outcome: T | DnsUnavailableError) -> T:
    if isinstance(outcome, DnsUnavailableError):
        raise DnsUnavailableError(str(outcome))
    return outcome
