"""The rehearsed relay: what a relay would say of a test key's mail, by the faults asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..workers.relay import RecipientResult, RelayOutcomeUnknown
from .faults import RELAY, Fault, Faults

_TAKEN = RecipientResult(accepted=True, code=250, detail="2.0.0 Taken", permanent=False)


class FakeRelay:
    """A `Relay` that hands over nothing: it takes every recipient that has no fault.

    Args:
        faults: What is to go wrong.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def send(
        self, mail_from: str, recipients: Sequence[str], raw: bytes
    ) -> Mapping[str, RecipientResult]:
        """Return the result for each recipient; see `Relay`."""
        del mail_from, raw
        found = {one: self._faults.take_at(RELAY, one) for one in recipients}
        if any(fault is not None and fault.reset_after_accept for fault in found.values()):
            raise RelayOutcomeUnknown("the relay's answer was lost, as a test asked for")
        return {one: _TAKEN if fault is None else _refused(fault) for one, fault in found.items()}


def _refused(fault: Fault) -> RecipientResult:
    code = fault.status or 451
    detail = f"{code // 100}.0.0 A fault that a test asked for"
    return RecipientResult(accepted=False, code=code, detail=detail, permanent=code >= 500)
