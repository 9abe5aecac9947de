"""Comforts: what a server that was started for tests lets a test do with it.

Seeded ids and keys: the same run gives the same ones. For tests only.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from ..api_keys import SecretKey, mint, secret_key
from ..clock import RANDOM_BITS, Clock, Ids, SystemClock, VirtualClock, id_text
from .faults import SMTP, Faults

_DRAIN_TIMEOUT = 60.0
_NOT_STARTED = "it was not started for tests"


class Worker(Protocol):
    """A thread that does work when it falls due."""

    def next_due(self) -> datetime | None:
        """Return when its next work falls due; None when none is waiting."""
        ...

    def drain(self, seconds: float) -> bool:
        """Run all work that is due by now; return whether it ended in time."""
        ...


class TestHooks:
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
        disabled_reason: str | None = _NOT_STARTED,
    ) -> None:
        self.clock = clock
        self.disabled_reason = disabled_reason
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

    def drain(self) -> bool:
        """Run the due work of every worker; return whether all ended in time."""
        settled = [worker.drain(_DRAIN_TIMEOUT) for worker in self._workers]
        return all(settled)

    def advance(self, clock: VirtualClock, delta: timedelta) -> bool:
        """Move time by `delta`, from one due moment to the next, each with its work done.

        So a retry that a try asks for comes at its own moment, and not at the end.

        Returns:
            Whether all work came to its end in time.
        """
        with self._moving:
            target = clock.now() + delta
            settled = self.drain()
            while settled and (moment := self._next_due()) is not None and moment <= target:
                if moment <= clock.now():
                    break  # A worker that left due work behind waits for something else.
                clock.advance(moment - clock.now())
                settled = self.drain()
            clock.advance(target - clock.now())
            return self.drain() and settled

    def _next_due(self) -> datetime | None:
        moments = [worker.next_due() for worker in self._workers]
        return min((moment for moment in moments if moment is not None), default=None)


def parse_clock(text: str) -> Clock:
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


def build_ids(clock: Clock, seed: int | None) -> Ids:
    """Return the generator of ids: repeatable where a seed is given."""
    return Ids(clock) if seed is None else SeededIds(clock, seed)


def build_test_hooks(
    clock: Clock, host: str, *, live: bool, seed: int | None, seeded_keys: bool, relay: bool
) -> TestHooks:
    """Return the comforts that a server's settings allow.

    Raises:
        ValueError: Keys that can be guessed were asked for where somebody else could use them.
    """
    disabled_reason = _disabled_reason(host, live=live)
    if seeded_keys:
        if seed is None:
            raise ValueError("seeded keys need a seed; give --seed too")
        if disabled_reason or relay:
            raise ValueError(
                "seeded keys can be guessed, so they need a server on a loopback address, with "
                "test keys and without a relay"
            )
    keys = SeededKeys(seed) if seeded_keys and seed is not None else None
    return TestHooks(clock if isinstance(clock, VirtualClock) else None, keys, disabled_reason)


def build_smtp_fault_hook(faults: Faults) -> Callable[[str], str | None]:
    """Return what the SMTP listener asks of each recipient: the answer that a fault wants."""

    def answer(recipient: str) -> str | None:
        fault = faults.take_at(SMTP, recipient)
        if fault is None:
            return None
        code = fault.status or 451
        return f"{code} {code // 100}.0.0 A fault that a test asked for"

    return answer


def _disabled_reason(host: str, *, live: bool) -> str | None:
    if live:
        return "its keys are live"
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return None if loopback else f"it listens on {host}, which others can reach"


_FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
_KEY_BYTES = 24


class SeededIds(Ids):
    """Ids that depend on the seed, and on how many of their kind came before.

    Each prefix has a sequence of its own, and time has no part in it: what another thread makes
    meanwhile, and how long anything took, does not change them.

    Args:
        clock: The server's; only `Ids` needs it.
        seed: Any number.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        super().__init__(clock, seed)
        self._seed = seed
        self._sequences: dict[str, tuple[random.Random, int]] = {}
        self._guard = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return the next id of this prefix; they strictly increase."""
        with self._guard:
            source, count = self._sequences.get(prefix) or (self._source(prefix), 0)
            self._sequences[prefix] = (source, count + 1)
            number = (_FIRST + count << RANDOM_BITS) | source.getrandbits(RANDOM_BITS)
        return id_text(prefix, number)

    def _source(self, prefix: str) -> random.Random:
        return random.Random(f"{self._seed}:{prefix}")  # noqa: S311 - repeatable by request


class SeededKeys:
    """Test keys that anybody who knows the seed can make too: never for a reachable server.

    Args:
        seed: Any number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._guard = threading.Lock()

    def mint(self) -> SecretKey:
        """Return the next test key of the sequence."""
        with self._guard:
            self._count += 1
            text = f"multimail seeded key\n{self._seed}\n{self._count}"
        digest = hashlib.sha256(text.encode()).digest()[:_KEY_BYTES]
        return secret_key(f"mm_test_{base64.urlsafe_b64encode(digest).decode()}")
