"""A relay that sends nothing and replies by the injected faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..workers.relay import RecipientResult, RelayOutcomeUnknown
from .faults import RELAY, Fault, Faults

_ACCEPTED = RecipientResult(accepted=True, code=250, detail="2.0.0 Accepted", permanent=False)


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
