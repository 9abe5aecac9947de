"""Faults on demand: what a test wants to go wrong, where, and how often.

Only a server that listens on loopback and has no live key takes them, and a request with a live
key or the mail of one never meets them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

SMTP, RELAY = "smtp", "relay"
"""The places beside the API: mail that comes in, and the hand-over of mail that goes out."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is to go wrong.

    Attributes:
        id: Its id.
        operation: As it was named; `smtp` and `relay` are no requests of the API.
        method: Of the requests concerned; None for any, and for no request.
        path: Of the requests concerned; `{…}` and `*` stand for one segment.
        recipient: Only where this address is a recipient; None for all.
        status: What is answered instead: an HTTP status, or an SMTP code.
        latency_seconds: How long the answer is held back, in real time.
        retry_after_seconds: Retry-After of the answer.
        reset_after_accept: The work is done, and its answer is lost.
        left: How many times it still happens; None for always.
    """

    id: str
    operation: str | None = None
    method: str | None = None
    path: str | None = None
    recipient: str | None = None
    status: int | None = None
    latency_seconds: float = 0.0
    retry_after_seconds: int | None = None
    reset_after_accept: bool = False
    left: int | None = 1

    def meets(self, method: str, path: str) -> bool:
        """Return whether a request is one of those concerned."""
        if self.path is None or (self.method or method) != method:
            return False
        return same_path(self.path, path)

    def is_for(self, recipients: Iterable[str]) -> bool:
        """Return whether any of the recipients is concerned."""
        return self.recipient is None or self.recipient in {one.lower() for one in recipients}


class Faults:
    """The faults that are to happen, oldest first. Safe to use from many threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let something go wrong from now on."""
        with self._lock:
            self._faults.append(fault)

    def all(self) -> list[Fault]:
        """Return what is still to go wrong."""
        with self._lock:
            return list(self._faults)

    def clear(self, which: str | None = None) -> int:
        """Forget one fault by its id, or all; return how many there were."""
        with self._lock:
            kept = [one for one in self._faults if which is not None and one.id != which]
            gone = len(self._faults) - len(kept)
            self._faults = kept
        return gone

    def take(self, wanted: Callable[[Fault], bool]) -> Fault | None:
        """Return the oldest fault that is wanted, and count that it happened."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if wanted(fault):
                    self._count(position, fault)
                    return fault
        return None

    def at(self, place: str, recipients: Iterable[str]) -> bool:
        """Return whether something is to go wrong at `smtp` or `relay` for any recipient."""
        everyone = tuple(recipients)
        return any(one.operation == place and one.is_for(everyone) for one in self.all())

    def take_at(self, place: str, recipient: str) -> Fault | None:
        """Return what goes wrong at `smtp` or `relay` for one recipient."""
        return self.take(lambda one: one.operation == place and one.is_for([recipient]))

    def _count(self, position: int, fault: Fault) -> None:
        if fault.left is None:
            return
        if fault.left > 1:
            self._faults[position] = replace(fault, left=fault.left - 1)
        else:
            del self._faults[position]


def same_path(one: str, other: str) -> bool:
    """Return whether two paths can be the same, `{…}` and `*` standing for any one segment."""
    ours, theirs = one.strip("/").split("/"), other.strip("/").split("/")
    if len(ours) != len(theirs):
        return False
    return all(a == b or _is_open(a) or _is_open(b) for a, b in zip(ours, theirs, strict=True))


def _is_open(segment: str) -> bool:
    return segment == "*" or segment.startswith("{")
