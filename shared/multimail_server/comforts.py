"""Comforts: what a server that was started for tests lets a test do with it."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from .clock import Clock, Ids, SystemClock, VirtualClock
from .faults import SMTP, Faults
from .secret_keys import SecretKey, mint
from .seeded import SeededIds, SeededKeys

_SETTLE_SECONDS = 60.0
_NOT_STARTED = "it was not started for tests"


class Worker(Protocol):
    """A thread that does work when it falls due."""

    def next_due(self) -> datetime | None:
        """Return when its next work falls due; None when none is waiting."""
        ...

    def settle(self, seconds: float) -> bool:
        """Do all that is due by now; return whether that came to its end in time."""
        ...


class Comforts:
    """Virtual time, seeded keys and faults. On a server for real mail it holds nothing.

    Args:
        clock: The virtual clock, where the server has one.
        keys: Makes test keys that repeat; None for random ones.
        unfit: Why the server takes no faults and no reset; None where it does.
    Attributes:
        faults: What is to go wrong.
    """

    def __init__(
        self,
        clock: VirtualClock | None = None,
        keys: SeededKeys | None = None,
        unfit: str | None = _NOT_STARTED,
    ) -> None:
        self.clock = clock
        self.unfit = unfit
        self.faults = Faults()
        self._keys = keys
        self._workers: list[Worker] = []
        self._moving = threading.Lock()

    def watch(self, worker: Worker) -> None:
        """Let the virtual clock wait for this worker whenever it is advanced."""
        self._workers.append(worker)

    def mint(self, *, live: bool) -> SecretKey:
        """Return a new key: repeatable where that was asked for, and never if it is live."""
        return mint(live=live) if live or self._keys is None else self._keys.mint()

    def settle(self) -> bool:
        """Let every worker do what is due; return whether all came to an end in time."""
        settled = [worker.settle(_SETTLE_SECONDS) for worker in self._workers]
        return all(settled)

    def advance(self, clock: VirtualClock, delta: timedelta) -> bool:
        """Move time by `delta`, from one due moment to the next, each with its work done.

        So a retry that a try asks for comes at its own moment, and not at the end.

        Returns:
            Whether all work came to its end in time.
        """
        with self._moving:
            target = clock.now() + delta
            settled = self.settle()
            while settled and (moment := self._next_due()) is not None and moment <= target:
                if moment <= clock.now():
                    break  # A worker that left due work behind waits for something else.
                clock.advance(moment - clock.now())
                settled = self.settle()
            clock.advance(target - clock.now())
            return self.settle() and settled

    def _next_due(self) -> datetime | None:
        moments = [worker.next_due() for worker in self._workers]
        return min((moment for moment in moments if moment is not None), default=None)


def clock_of(text: str) -> Clock:
    """Return the clock that a setting names: `system`, `virtual` or `virtual:<ISO 8601 time>`.

    Raises:
        ValueError: It names none.
    """
    kind, colon, start = text.partition(":")
    if text == "system":
        return SystemClock()
    if kind != "virtual" or (colon and not start):
        raise ValueError(
            f"{text!r} is no clock; give system, virtual or virtual:2026-01-01T00:00:00Z"
        )
    if not start:
        return VirtualClock()
    try:
        moment = datetime.fromisoformat(start)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return VirtualClock(aware.astimezone(UTC))
    except (ValueError, OverflowError):
        raise ValueError(f"{start!r} is not a time such as 2026-01-01T00:00:00Z") from None


def ids_of(clock: Clock, seed: int | None) -> Ids:
    """Return the generator of ids: repeatable where a seed is given."""
    return Ids(clock) if seed is None else SeededIds(clock, seed)


def comforts_of(
    clock: Clock, host: str, *, live: bool, seed: int | None, seeded_keys: bool, relay: bool
) -> Comforts:
    """Return the comforts that a server's settings allow.

    Raises:
        ValueError: Keys that can be guessed were asked for where somebody else could use them.
    """
    unfit = _unfit(host, live=live)
    if seeded_keys:
        if seed is None:
            raise ValueError("seeded keys need a seed; give --seed too")
        if unfit or relay:
            raise ValueError(
                "seeded keys can be guessed, so they need a server on a loopback address, with "
                "test keys and without a relay"
            )
    keys = SeededKeys(seed) if seeded_keys and seed is not None else None
    return Comforts(clock if isinstance(clock, VirtualClock) else None, keys, unfit)


def smtp_fault(faults: Faults) -> Callable[[str], str | None]:
    """Return what the SMTP listener asks of each recipient: the answer that a fault wants."""

    def answer(recipient: str) -> str | None:
        fault = faults.take_at(SMTP, recipient)
        if fault is None:
            return None
        code = fault.status or 451
        return f"{code} {code // 100}.0.0 A fault that a test asked for"

    return answer


def _unfit(host: str, *, live: bool) -> str | None:
    if live:
        return "its keys are live"
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return None if loopback else f"it listens on {host}, which others can reach"
