"""Answers of the routes for tests that change the server itself.

Routes for tests, for `mm_test_` keys alone: mail from outside, and what was "delivered".
Routes for tests that change the server itself: its time, its mail, and what goes wrong.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from ..api import render
from ..api.request import ApiRequest, ApiResponse
from ..api.routing import LARGE_BODY, Routes, RouteSpec
from ..api.schemas.account import MailboxAnswer
from ..api.schemas.messages import Answered, SummaryAnswer, Time
from ..api.schemas.requests import Address, Body, Line
from ..errors import forbidden, invalid
from ..mail.addresses import find_address_fault
from ..mail.envelope import SmtpEnvelope
from .faults import RELAY, SMTP, Fault, same_path
from .operations import OPERATIONS


class ClockAnswer(Answered):
    """The virtual time."""

    now: Time


class ResetAnswer(Answered):
    """All mail was erased."""

    status: Literal["reset"]
    everything: bool


class SeededAnswer(Answered):
    """What a seed made; `messages` holds the same rows as `emails`."""

    mailboxes: list[MailboxAnswer]
    emails: list[SummaryAnswer]
    messages: list[SummaryAnswer]


class FaultAnswer(Answered):
    """Something that is to go wrong."""

    id: str
    operation: str | None
    method: str | None
    path: str | None
    recipient: str | None
    status: int | None
    latency_seconds: float
    retry_after_seconds: int | None
    reset_after_accept: bool
    times: Annotated[int | None, Field(description="How often it is still to happen.")]


class FaultsAnswer(Answered):
    """What is still to go wrong, oldest first."""

    faults: list[FaultAnswer]


class ClearedAnswer(Answered):
    """How many faults were forgotten."""

    cleared: int


routes = Routes()


@routes("POST", "/v1/test/inbound", "read", longest_body=LARGE_BODY)
def inject(request: ApiRequest) -> ApiResponse:
    """Receive the body, a message/rfc822, as if it had come by SMTP.

    Query: `mailbox`, id or address, needed where the key sees several; `mail_from`, the envelope
    sender, empty when not given.
    """
    _only_test(request)
    if not request.body.strip():
        raise invalid("The body is empty; it must be a whole message (RFC 5322).")
    mail_from = request.query_str("mail_from") or ""
    problem = find_address_fault(mail_from) if mail_from else None
    if problem:
        raise invalid(f"`mail_from` {problem}.")
    envelope = SmtpEnvelope(mail_from, (_recipient(request),), "", "")
    stored = request.services.receiving.receive(envelope, request.body)
    rows = [render.summary(message, request.principal) for message in stored]
    return ApiResponse({**rows[0], "emails": rows}, 201)


@routes("GET", "/v1/test/outbox", "read")
def outbox(request: ApiRequest) -> ApiResponse:
    """List what test keys "delivered", newest first, with the envelope."""
    _only_test(request)
    found = request.services.messages.test_deliveries(
        request.principal, request.query_int("limit", 100, 1, 100)
    )
    rows = [render.test_delivery(delivery, message) for delivery, message in found]
    return ApiResponse({"emails": rows, "messages": rows})


@routes("GET", "/v1/test/outbox/{email}/raw", "read")
def outbox_raw(request: ApiRequest) -> ApiResponse:
    """The bytes that would have been transmitted, as text."""
    _only_test(request)
    raw = request.services.messages.test_delivery_raw(request.principal, request.path["email"])
    return ApiResponse(content=raw, media_type="text/plain; charset=utf-8")


def _only_test(request: ApiRequest) -> None:
    if request.principal.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")


def _recipient(request: ApiRequest) -> str:
    which = request.query_str("mailbox")
    if which is not None:
        return request.services.mailboxes.get(request.principal, which).address
    found = request.services.mailboxes.list_mailboxes(request.principal)
    if len(found) != 1:
        raise invalid(f"`mailbox` is missing: this key sees {len(found)} mailboxes.")
    return found[0].address


_MAX_SECONDS = 10 * 366 * 86400
_UNTOUCHABLE = "/v1/test/"


class AdvanceBody(Body):
    """POST /v1/test/clock/advance."""

    seconds: Annotated[float, Field(ge=0, le=_MAX_SECONDS, allow_inf_nan=False)]


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
def get_clock(request: ApiRequest) -> ApiResponse:
    """The virtual time."""
    return ApiResponse({"now": render.moment(request.services.test_service.now())})


@routes("POST", "/v1/test/clock/advance", "admin")
def advance_clock(request: ApiRequest) -> ApiResponse:
    """Move virtual time; what falls due meanwhile has happened when this answers."""
    if request.principal.mailbox_id is not None:
        raise forbidden("bound_key", "This key belongs to one mailbox; it cannot do that.")
    delta = timedelta(seconds=request.parse_body(AdvanceBody).seconds)
    return ApiResponse(
        {"now": render.moment(request.services.test_service.advance(request.principal, delta))}
    )


@routes("POST", "/v1/test/reset", "admin")
def reset(request: ApiRequest) -> ApiResponse:
    """Erase all mail; `everything` retires the other mailboxes and revokes the other keys too."""
    _check(request)
    everything = request.parse_body(ResetBody).everything
    request.services.test_service.reset(request.principal, everything=everything)
    return ApiResponse({"status": "reset", "everything": everything})


@routes("POST", "/v1/test/seed", "admin", longest_body=LARGE_BODY)
def seed(request: ApiRequest) -> ApiResponse:
    """Receive the mail that the body describes: JSON, an mbox, or one message."""
    from .seeding import SeedError, parse_seed

    if request.principal.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")
    try:
        boxes, stored = request.services.test_service.seed(
            request.principal, parse_seed("The body", request.body)
        )
    except SeedError as error:
        raise invalid(f"{error}.", "invalid_seed") from None
    rows = [render.summary(message, request.principal) for message in stored]
    mailboxes = [render.mailbox(box) for box in boxes]
    return ApiResponse({"mailboxes": mailboxes, "emails": rows, "messages": rows}, 201)


@routes("POST", "/v1/test/faults", "admin")
def add_fault(request: ApiRequest) -> ApiResponse:
    """Let something go wrong."""
    _check(request)
    return ApiResponse(
        _build_fault(request.services.test_service.add_fault(request.principal, _wanted(request))),
        201,
    )


@routes("GET", "/v1/test/faults", "admin")
def list_faults(request: ApiRequest) -> ApiResponse:
    """What is still to go wrong, oldest first."""
    return ApiResponse(
        {"faults": [_build_fault(one) for one in request.services.context.test_hooks.faults.all()]}
    )


@routes("DELETE", "/v1/test/faults", "admin")
def clear_faults(request: ApiRequest) -> ApiResponse:
    """Forget all faults."""
    _check(request)
    return ApiResponse(
        {"cleared": request.services.test_service.clear_faults(request.principal, None)}
    )


@routes("DELETE", "/v1/test/faults/{fault}", "admin")
def clear_fault(request: ApiRequest) -> ApiResponse:
    """Forget one fault."""
    _check(request)
    return ApiResponse(
        {
            "cleared": request.services.test_service.clear_faults(
                request.principal, request.path["fault"]
            )
        }
    )


def _check(request: ApiRequest) -> None:
    if request.principal.live:
        raise forbidden("test_keys_only", "This route is for mm_test_ keys; this key is live.")
    request.services.test_service.check(request.principal)


def _wanted(request: ApiRequest) -> Fault:
    body = request.parse_body(FaultBody)
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
    from ..api.routes import ALL

    return tuple(spec for spec in ALL if not spec.path.startswith(_UNTOUCHABLE))


def _meets(spec: RouteSpec, method: str | None, path: str) -> bool:
    return method in (None, spec.method) and same_path(spec.path, path)


def _build_fault(fault: Fault) -> dict[str, Any]:
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
