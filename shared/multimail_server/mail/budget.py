"""The budgets of one message: how often, and for how long, DNS is asked on its behalf.

A message decides which names are looked up. Without a limit it could keep the server busy, or
have it ask somebody's name servers many questions. And where DNS did not answer, the benefit of
the doubt is due: a stranger whose name servers are slow must not earn it for a forgery. So what
could vouch for From has a budget of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from .dns import DnsUnavailable, HostKind, Resolver

T = TypeVar("T")

MAX_LOOKUPS = 50
MAX_SECONDS = 20.0


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
