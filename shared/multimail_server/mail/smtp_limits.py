"""SMTP limits: how many connections are open at once, and how many new ones a peer may make."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

MAX_CONNECTIONS = 100
MAX_PER_MINUTE = 1200
_MAX_PEERS = 10_000
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """What the SMTP listener takes.

    Attributes:
        connections: Open at once, of all peers.
        per_minute: New ones of one peer; a minute's worth may come at once, then they refill
            evenly.
    """

    connections: int = MAX_CONNECTIONS
    per_minute: int = MAX_PER_MINUTE


class SmtpGate:
    """Says which connections are turned away. For one thread.

    For each peer the moment is kept at which all that it has used will have refilled (the generic
    cell rate algorithm), by real time: connections are real also under a virtual clock.

    Args:
        limits: What is taken.
        clock: Seconds that only rise.
    """

    def __init__(self, limits: SmtpLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._each = _MINUTE / limits.per_minute
        self._refilled: OrderedDict[str, float] = OrderedDict()

    def refusal(self, peer: str, open_now: int) -> str | None:
        """Return the reply that turns a new connection away; None where it is taken.

        Args:
            peer: The address that it comes from.
            open_now: How many are open besides.
        """
        if open_now >= self._limits.connections:
            return "421 4.3.2 Too many connections are open here; try again later"
        now = self._clock()
        refilled = max(self._refilled.get(peer, now), now) + self._each
        if refilled - _MINUTE > now:
            return "421 4.7.0 Too many new connections from your address; try again in a minute"
        self._refilled[peer] = refilled
        self._refilled.move_to_end(peer)
        while len(self._refilled) > _MAX_PEERS:
            self._refilled.popitem(last=False)
        return None
