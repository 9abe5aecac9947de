"""Faults to inject: what fails, where, and how often, and a relay that replies by them.

Only a server on a loopback address without live keys accepts them, and requests with a live key and
the mail of one never meet them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..workers.relay import RecipientResult, RelayOutcomeUnknown

SMTP, RELAY = "smtp", "relay"
"""The places besides API requests: inbound SMTP, and the relay."""
_ACCEPTED = RecipientResult(accepted=True, code=250, detail="2.0.0 Accepted", permanent=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to inject.

    Attributes:
        id: Its id.
        operation: The operation as requested; `smtp` and `relay` aren't API requests.
        method: The method of matching requests; None for any.
        path: The path of matching requests; `{…}` and `*` match one segment.
        recipient: Only for this recipient; None for all.
        status: The HTTP status or SMTP code to respond with.
        latency_seconds: How long the response is delayed, in real time.
        retry_after_seconds: The Retry-After of the response.
        reset_after_accept: The work is done, and its response is lost.
        left: How many times the fault still happens; None for always.
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

    def matches_request(self, method: str, path: str) -> bool:
        """Return whether a request matches."""
        if self.path is None or (self.method or method) != method:
            return False
        return same_path(self.path, path)

    def matches_recipients(self, recipients: Iterable[str]) -> bool:
        """Return whether any of the recipients matches."""
        return self.recipient is None or self.recipient in {
            address.lower() for address in recipients
        }


class Faults:
    """The faults that are still to happen, oldest first. Safe to use from many threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._faults.append(fault)

    def all(self) -> list[Fault]:
        """Return the faults that are still to happen."""
        with self._lock:
            return list(self._faults)

    def clear(self, fault_id: str | None = None) -> int:
        """Remove one fault, or all; return how many there were."""
        with self._lock:
            kept = [fault for fault in self._faults if fault_id not in (None, fault.id)]
            cleared = len(self._faults) - len(kept)
            self._faults = kept
        return cleared

    def take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        """Return the oldest matching fault, and count that it happened."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if matches(fault):
                    self._count(position, fault)
                    return fault
        return None

    def at(self, place: str, recipients: Iterable[str]) -> bool:
        """Return whether there is a fault at `smtp` or `relay` for any recipient."""
        addresses = tuple(recipients)
        return any(
            fault.operation == place and fault.matches_recipients(addresses) for fault in self.all()
        )

    def take_at(self, place: str, recipient: str) -> Fault | None:
        """Take the oldest fault at `smtp` or `relay` for one recipient."""
        return self.take(
            lambda fault: fault.operation == place and fault.matches_recipients([recipient])
        )

    def _count(self, position: int, fault: Fault) -> None:
        if fault.left is None:
            return
        if fault.left > 1:
            self._faults[position] = replace(fault, left=fault.left - 1)
        else:
            del self._faults[position]


def same_path(first: str, second: str) -> bool:
    """Return whether two paths can be the same; `{…}` and `*` match any one segment."""
    left, right = first.strip("/").split("/"), second.strip("/").split("/")
    if len(left) != len(right):
        return False
    return all(
        a == b or _is_wildcard(a) or _is_wildcard(b) for a, b in zip(left, right, strict=True)
    )


def _is_wildcard(segment: str) -> bool:
    return segment == "*" or segment.startswith("{")


class FakeRelay:
    """A `Relay` that accepts every recipient without a fault.

    Args:
        faults: The faults to inject.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Return the result for each recipient; see `Relay`."""
        del mail_from, raw
        faults = {address: self._faults.take_at(RELAY, address) for address in recipients}
        if any(fault is not None and fault.reset_after_accept for fault in faults.values()):
            raise RelayOutcomeUnknown("the relay's reply was lost (injected fault)")
        return {
            address: _ACCEPTED if fault is None else _build_refusal(fault)
            for address, fault in faults.items()
        }


def _build_refusal(fault: Fault) -> RecipientResult:
    code = fault.status or 451
    detail = f"{code // 100}.0.0 Injected fault"
    return RecipientResult(accepted=False, code=code, detail=detail, permanent=code >= 500)
