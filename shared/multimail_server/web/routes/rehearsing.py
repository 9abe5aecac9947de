"""Routes for tests that change the server itself: its time, its mail, and what goes wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from ...api import render
from ...api.request import Answer, Ask
from ...api.routing import LARGE_BODY, Routes, RouteSpec
from ...api.schemas.requests import Address, Body, Line
from ...faults import RELAY, SMTP, Fault, same_path
from ...refusals import forbidden, invalid
from ..operation_names import OPERATIONS

routes = Routes()

_MOST_SECONDS = 10 * 366 * 86400
_UNTOUCHABLE = "/v1/test/"


class AdvanceBody(Body):
    """POST /v1/test/clock/advance."""

    seconds: Annotated[float, Field(ge=0, le=_MOST_SECONDS, allow_inf_nan=False)]


class ResetBody(Body):
    """POST /v1/test/reset."""

    everything: bool = False


class FaultBody(Body):
    """POST /v1/test/faults."""

    operation: Annotated[Line, Field(min_length=1, max_length=80)] | None = None
    method: Annotated[Line, Field(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[Line, Field(pattern=r"^/", max_length=500)] | None = None
    recipient: Address | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    latency_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    retry_after_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    reset_after_accept: bool = False
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1


@routes("GET", "/v1/test/clock", "admin")
def get_clock(ask: Ask) -> Answer:
    """The virtual time."""
    return Answer({"now": render.moment(ask.room.rehearsing.now())})


@routes("POST", "/v1/test/clock/advance", "admin")
def advance_clock(ask: Ask) -> Answer:
    """Move virtual time; what falls due meanwhile has happened when this answers."""
    if ask.who.mailbox_id is not None:
        raise forbidden("bound_key", "This key belongs to one mailbox; it cannot do that.")
    delta = timedelta(seconds=ask.read(AdvanceBody).seconds)
    return Answer({"now": render.moment(ask.room.rehearsing.advance(ask.who, delta))})


@routes("POST", "/v1/test/reset", "admin")
def reset(ask: Ask) -> Answer:
    """Erase all mail; `everything` retires the other mailboxes and revokes the other keys too."""
    _check(ask)
    everything = ask.read(ResetBody).everything
    ask.room.rehearsing.reset(ask.who, everything=everything)
    return Answer({"status": "reset", "everything": everything})


@routes("POST", "/v1/test/seed", "admin", longest_body=LARGE_BODY)
def seed(ask: Ask) -> Answer:
    """Receive the mail that the body describes: JSON, an mbox, or one message."""
    from ...seeding import SeedError, seed_of

    if ask.who.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")
    try:
        boxes, stored = ask.room.rehearsing.seed(ask.who, seed_of("The body", ask.body))
    except SeedError as error:
        raise invalid(f"{error}.", "invalid_seed") from None
    rows = [render.summary(message, ask.who) for message in stored]
    mailboxes = [render.mailbox(box) for box in boxes]
    return Answer({"mailboxes": mailboxes, "emails": rows, "messages": rows}, 201)


@routes("POST", "/v1/test/faults", "admin")
def add_fault(ask: Ask) -> Answer:
    """Let something go wrong."""
    _check(ask)
    return Answer(_fault(ask.room.rehearsing.add_fault(ask.who, _wanted(ask))), 201)


@routes("GET", "/v1/test/faults", "admin")
def list_faults(ask: Ask) -> Answer:
    """What is still to go wrong, oldest first."""
    return Answer({"faults": [_fault(one) for one in ask.room.desk.comforts.faults.all()]})


@routes("DELETE", "/v1/test/faults", "admin")
def clear_faults(ask: Ask) -> Answer:
    """Forget all faults."""
    _check(ask)
    return Answer({"cleared": ask.room.rehearsing.clear_faults(ask.who, None)})


@routes("DELETE", "/v1/test/faults/{fault}", "admin")
def clear_fault(ask: Ask) -> Answer:
    """Forget one fault."""
    _check(ask)
    return Answer({"cleared": ask.room.rehearsing.clear_faults(ask.who, ask.path["fault"])})


def _check(ask: Ask) -> None:
    if ask.who.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")
    ask.room.rehearsing.check(ask.who)


def _wanted(ask: Ask) -> Fault:
    body = ask.read(FaultBody)
    if (body.operation is None) is (body.path is None):
        raise invalid("Give either `operation` or `path`: where it is to go wrong.")
    if body.status is not None and body.reset_after_accept:
        raise invalid("`status` and `reset_after_accept` exclude each other: give one of them.")
    if body.status is None and not body.latency_seconds and not body.reset_after_accept:
        raise invalid("Give `status`, `latency_seconds` or `reset_after_accept`: what goes wrong.")
    method, path = _place(body)
    return Fault(
        "",
        operation=body.operation,
        method=method,
        path=path,
        recipient=body.recipient.lower() if body.recipient else None,
        status=body.status,
        latency_seconds=body.latency_seconds,
        retry_after_seconds=body.retry_after_seconds,
        reset_after_accept=body.reset_after_accept,
        left=body.times,
    )


def _place(body: FaultBody) -> tuple[str | None, str | None]:
    """Return the method and the path concerned; neither for what is no request."""
    if body.operation in {SMTP, RELAY}:
        if body.latency_seconds or body.retry_after_seconds:
            raise invalid(f"`{body.operation}` is not HTTP: nothing can be late there.")
        if body.operation == SMTP and body.reset_after_accept:
            raise invalid("`reset_after_accept` is for requests and for relay; give a `status`.")
        return None, None
    method: str | None
    if body.operation is not None:
        method, path = OPERATIONS.get(body.operation, ("", ""))
        known = f"`operation` {body.operation!r} is not one that this server has"
    else:
        method, path = body.method, body.path or ""
        known = f"`path` {path[:80]!r} is not one that this server serves, or is for tests"
    if path.startswith(_UNTOUCHABLE) or not any(_meets(spec, method, path) for spec in _served()):
        names = ", ".join([SMTP, RELAY, *OPERATIONS])
        raise invalid(f"{known}. An operation can be {names}.", "unknown_operation")
    return method, path


def _served() -> tuple[RouteSpec, ...]:
    from ...api.routes import ALL

    return tuple(spec for spec in ALL if not spec.path.startswith(_UNTOUCHABLE))


def _meets(spec: RouteSpec, method: str | None, path: str) -> bool:
    return method in (None, spec.method) and same_path(spec.path, path)


def _fault(fault: Fault) -> dict[str, Any]:
    return {
        "id": fault.id,
        "operation": fault.operation,
        "method": fault.method,
        "path": fault.path,
        "recipient": fault.recipient,
        "status": fault.status,
        "latency_seconds": fault.latency_seconds,
        "retry_after_seconds": fault.retry_after_seconds,
        "reset_after_accept": fault.reset_after_accept,
        "times": fault.left,
    }
