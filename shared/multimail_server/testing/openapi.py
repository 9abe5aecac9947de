"""Operations for tests that change the server itself. See `operations`."""

from __future__ import annotations

from ..api.operation_shapes import CONFLICT, MISSING, Operation
from . import routes as ra
from .routes import AdvanceBody, FaultBody, ResetBody
from .seeding import SeedDocument

_MAIL = {kind: kind for kind in ("application/mbox", "message/rfc822")}

REHEARSAL: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/test/clock"): Operation({200: ra.ClockAnswer}, errors=CONFLICT),
    ("POST", "/v1/test/clock/advance"): Operation(
        {200: ra.ClockAnswer}, AdvanceBody, errors=CONFLICT
    ),
    ("POST", "/v1/test/reset"): Operation({200: ra.ResetAnswer}, ResetBody),
    ("POST", "/v1/test/seed"): Operation(
        {201: ra.SeededAnswer}, SeedDocument, errors=MISSING + CONFLICT, forms=_MAIL
    ),
    ("POST", "/v1/test/faults"): Operation({201: ra.FaultAnswer}, FaultBody),
    ("GET", "/v1/test/faults"): Operation({200: ra.FaultsAnswer}),
    ("DELETE", "/v1/test/faults"): Operation({200: ra.ClearedAnswer}),
    ("DELETE", "/v1/test/faults/{fault}"): Operation({200: ra.ClearedAnswer}),
}
