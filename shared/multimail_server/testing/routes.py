"""Routes for tests, for `mm_test_` keys: inbound mail, deliveries, virtual time, seeds and faults.

Injecting mail needs only `read`: it takes no more right than the SMTP port, which anyone can reach.
Injected mail is authenticated the same way, except for SPF, which evaluates an SMTP client.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from ..api.routes import API_ROUTES, build_routes
from ..api.routing import (
    JSON,
    LARGE_BODY,
    LIMIT,
    ApiRequest,
    ApiResponse,
    Router,
    get_operations,
    query_str,
)
from ..api.schemas.account import MailboxOut, render_mailbox
from ..api.schemas.base import Address, Json, Line, RequestModel, Time, to_wire_time
from ..api.schemas.messages import SummaryOut, render_summary
from ..auth import require_account_wide
from ..errors import invalid
from ..mail.addresses import find_address_fault
from ..mail.envelope import SmtpEnvelope
from ..services.messages import may_see
from ..store.records import Message, TestDelivery
from .faults import RELAY, SMTP, Fault, same_path
from .seeding import SeedDocument, SeedError, get_mail_from, parse_seed
from .service import get_test_service

route = Router()

_MAX_ADVANCE_SECONDS = 10 * 366 * 86400
_MAILBOX = query_str("mailbox", "Id or address; needed where the key sees several.")
_MAIL_FROM = query_str(
    "mail_from",
    "The envelope's sender; empty for a bounce. Default: `Return-Path`, else `From`.",
)
_OPERATIONS = get_operations(API_ROUTES)


class InboundOut(SummaryOut):
    """What was received, in the first mailbox; `emails` has all."""

    emails: list[SummaryOut]
    duplicate: Annotated[bool, Field(description="Whether it was there already.")]


SenderOut = TypedDict("SenderOut", {"from": str})


class DeliveryOut(SenderOut):
    """A message that a test key "delivered", with its envelope."""

    id: str
    message_id: str
    mailbox_id: str
    thread_id: str
    envelope: Json
    recipients: list[str]
    to: list[str]
    cc: list[str]
    subject: str
    rfc_message_id: str | None
    delivered_at: Time


class OutboxOut(TypedDict):
    """What test keys "delivered", newest first; `messages` holds the same rows as `emails`."""

    emails: list[DeliveryOut]
    messages: list[DeliveryOut]


class ClockOut(TypedDict):
    """The virtual time."""

    now: Time


class ResetOut(TypedDict):
    """All mail was erased."""

    status: Literal["reset"]
    everything: bool


class SeededOut(TypedDict):
    """What a seed created; `messages` holds the same rows as `emails`."""

    mailboxes: list[MailboxOut]
    emails: list[SummaryOut]
    messages: list[SummaryOut]


class FaultOut(TypedDict):
    """A fault that is still to happen."""

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


class FaultsOut(TypedDict):
    """The faults that are still to happen, oldest first."""

    faults: list[FaultOut]


class ClearedOut(TypedDict):
    """How many faults were removed."""

    cleared: int


class AdvanceIn(RequestModel):
    """How far to move virtual time."""

    seconds: Annotated[float, Field(ge=0, le=_MAX_ADVANCE_SECONDS, allow_inf_nan=False)]


class ResetIn(RequestModel):
    """What to erase."""

    everything: bool = False


class FaultIn(RequestModel):
    """A fault to inject."""

    operation: Annotated[Line, Field(min_length=1, max_length=80)] | None = None
    method: Annotated[Line, Field(pattern=r"^[A-Z]+$")] | None = None
    path: Annotated[Line, Field(pattern=r"^/", max_length=500)] | None = None
    recipient: Address | None = None
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    latency_seconds: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    retry_after_seconds: Annotated[int, Field(ge=0, le=3600)] | None = None
    reset_after_accept: bool = False
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = 1


@route(
    "POST", "/v1/test/inbound", scopes=("read",), content={"message/rfc822": "message/rfc822"},
    query=(_MAILBOX, _MAIL_FROM), responses={200: InboundOut, 201: InboundOut}, errors=(404,),
    max_body=LARGE_BODY, test_keys_only=True,
)  # fmt: skip
def inject_message(request: ApiRequest) -> ApiResponse:
    """Receive a `message/rfc822` body as if it had come by SMTP; 200 if it was there already."""
    if not request.body.strip():
        raise invalid("The body is empty; it must be a whole message (RFC 5322).")
    mail_from = request.query(_MAIL_FROM)
    if mail_from is None:
        mail_from = get_mail_from(request.body)
    problem = find_address_fault(mail_from) if mail_from else None
    if problem:
        raise invalid(f"`mail_from` {problem}.")
    envelope = SmtpEnvelope(mail_from, (_get_recipient(request),), "", "")
    stored = request.services.receiving.receive(envelope, request.body)
    rows = [
        render_summary(row.message, shown=may_see(request.principal, row.message)) for row in stored
    ]
    duplicate = all(row.is_repeat for row in stored)
    response: InboundOut = {**rows[0], "emails": rows, "duplicate": duplicate}
    return ApiResponse(response, 200 if duplicate else 201)


def _get_recipient(request: ApiRequest) -> str:
    mailbox_id = request.query(_MAILBOX)
    if mailbox_id is not None:
        return request.services.mailboxes.get(request.principal, mailbox_id).address
    visible = request.services.mailboxes.list_mailboxes(request.principal)
    if len(visible) != 1:
        raise invalid(f"`mailbox` is missing: this key sees {len(visible)} mailboxes.")
    return visible[0].address


@route(
    "GET", "/v1/test/outbox", scopes=("read",), query=(LIMIT,), responses={200: OutboxOut},
    audit="outbox.list", test_keys_only=True,
)  # fmt: skip
def list_outbox(request: ApiRequest) -> ApiResponse:
    """List what test keys "delivered", newest first, with the envelope."""
    deliveries = request.services.messages.test_deliveries(request.principal, request.query(LIMIT))
    rows = [render_test_delivery(delivery, message) for delivery, message in deliveries]
    response: OutboxOut = {"emails": rows, "messages": rows}
    return ApiResponse(response)


@route(
    "GET", "/v1/test/outbox/{email}/raw", scopes=("read",), responses={200: "text/plain"},
    audit="outbox.read", test_keys_only=True,
)  # fmt: skip
def read_outbox_raw(request: ApiRequest) -> ApiResponse:
    """Return the bytes that would have been transmitted, as text."""
    email_id = request.path_params["email"]
    raw = request.services.messages.test_delivery_raw(request.principal, email_id)
    return ApiResponse(content=raw, media_type="text/plain; charset=utf-8")


def render_test_delivery(delivery: TestDelivery, message: Message) -> DeliveryOut:
    """Return one message that a test key "delivered", with its envelope."""
    recipients = list(delivery.recipients)
    return {
        "id": delivery.message_id,
        "message_id": delivery.message_id,
        "mailbox_id": delivery.mailbox_id,
        "thread_id": message.thread_id,
        "envelope": {"mail_from": delivery.mail_from, "recipients": recipients},
        "recipients": recipients,
        "from": message.from_address,
        "to": list(message.to),
        "cc": list(message.cc),
        "subject": message.subject,
        "rfc_message_id": message.rfc_message_id,
        "delivered_at": to_wire_time(delivery.delivered_at),
    }


@route("GET", "/v1/test/clock", scopes=("admin",), responses={200: ClockOut}, errors=(409,))
def get_clock(request: ApiRequest) -> ApiResponse:
    """Return the virtual time; 409 without `--clock virtual`."""
    response: ClockOut = {"now": to_wire_time(get_test_service(request.services).now())}
    return ApiResponse(response)


@route(
    "POST", "/v1/test/clock/advance", scopes=("admin",), content={JSON: AdvanceIn},
    responses={200: ClockOut}, errors=(409,),
)  # fmt: skip
def advance_clock(request: ApiRequest) -> ApiResponse:
    """Advance virtual time; what falls due by then has happened when this responds."""
    require_account_wide(request.principal)
    delta = timedelta(seconds=request.parse_body(AdvanceIn).seconds)
    now = get_test_service(request.services).advance(request.principal, delta)
    response: ClockOut = {"now": to_wire_time(now)}
    return ApiResponse(response)


@route(
    "POST", "/v1/test/reset", scopes=("admin",), content={JSON: ResetIn},
    responses={200: ResetOut}, test_keys_only=True,
)  # fmt: skip
def reset(request: ApiRequest) -> ApiResponse:
    """Erase all mail; `everything` also retires the other mailboxes and revokes the other keys."""
    get_test_service(request.services).check(request.principal)
    everything = request.parse_body(ResetIn).everything
    get_test_service(request.services).reset(request.principal, everything=everything)
    response: ResetOut = {"status": "reset", "everything": everything}
    return ApiResponse(response)


@route(
    "POST", "/v1/test/seed", scopes=("admin",), responses={201: SeededOut}, errors=(404, 409),
    content={
        JSON: SeedDocument,
        "application/mbox": "application/mbox",
        "message/rfc822": "message/rfc822",
    },
    max_body=LARGE_BODY, test_keys_only=True,
)  # fmt: skip
def seed_mail(request: ApiRequest) -> ApiResponse:
    """Receive the mail that the body describes: JSON, an mbox, or one message."""
    try:
        mailboxes, stored = get_test_service(request.services).seed(
            request.principal, parse_seed("The body", request.body)
        )
    except SeedError as error:
        raise invalid(f"{error}.", "invalid_seed") from None
    rows = [
        render_summary(message, shown=may_see(request.principal, message)) for message in stored
    ]
    response: SeededOut = {
        "mailboxes": [render_mailbox(mailbox) for mailbox in mailboxes],
        "emails": rows,
        "messages": rows,
    }
    return ApiResponse(response, 201)


@route(
    "POST", "/v1/test/faults", scopes=("admin",), content={JSON: FaultIn},
    responses={201: FaultOut}, test_keys_only=True,
)  # fmt: skip
def add_fault(request: ApiRequest) -> ApiResponse:
    """Inject a fault into an operation, a path, SMTP or the relay."""
    get_test_service(request.services).check(request.principal)
    fault = _build_fault(request.parse_body(FaultIn))
    added = get_test_service(request.services).add_fault(request.principal, fault)
    return ApiResponse(_render_fault(added), 201)


@route("GET", "/v1/test/faults", scopes=("admin",), responses={200: FaultsOut})
def list_faults(request: ApiRequest) -> ApiResponse:
    """List the faults that are still to happen, oldest first."""
    faults = get_test_service(request.services).faults.all()
    response: FaultsOut = {"faults": [_render_fault(fault) for fault in faults]}
    return ApiResponse(response)


@route(
    "DELETE", "/v1/test/faults", scopes=("admin",), responses={200: ClearedOut},
    test_keys_only=True,
)  # fmt: skip
def clear_faults(request: ApiRequest) -> ApiResponse:
    """Remove all faults."""
    return _clear(request, None)


@route(
    "DELETE", "/v1/test/faults/{fault}", scopes=("admin",), responses={200: ClearedOut},
    test_keys_only=True,
)  # fmt: skip
def clear_fault(request: ApiRequest) -> ApiResponse:
    """Remove one fault."""
    return _clear(request, request.path_params["fault"])


def _clear(request: ApiRequest, fault_id: str | None) -> ApiResponse:
    get_test_service(request.services).check(request.principal)
    cleared = get_test_service(request.services).clear_faults(request.principal, fault_id)
    response: ClearedOut = {"cleared": cleared}
    return ApiResponse(response)


def _build_fault(body: FaultIn) -> Fault:
    if (body.operation is None) is (body.path is None):
        raise invalid("Give either `operation` or `path`: where the fault happens.")
    if body.status is not None and body.reset_after_accept:
        raise invalid("`status` and `reset_after_accept` exclude each other: give one of them.")
    if body.status is None and not body.latency_seconds and not body.reset_after_accept:
        raise invalid("Give `status`, `latency_seconds` or `reset_after_accept`: what happens.")
    method, path = _resolve_target(body)
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


def _resolve_target(body: FaultIn) -> tuple[str | None, str | None]:
    """Return the method and path of the requests that fail; neither for SMTP and the relay."""
    if body.operation in {SMTP, RELAY}:
        if body.latency_seconds or body.retry_after_seconds:
            raise invalid(f"`{body.operation}` is not HTTP: it has no latency and no Retry-After.")
        if body.operation == SMTP and body.reset_after_accept:
            raise invalid("`reset_after_accept` is for requests and for relay; give a `status`.")
        return None, None
    if body.operation is not None:
        served = _OPERATIONS.get(body.operation)
        if served is not None:
            return served.method, served.openapi_path
        problem = f"`operation` {body.operation!r} does not exist on this server"
    else:
        path = body.path or ""
        if _is_served(body.method, path):
            return body.method, path
        problem = f"`path` {path[:80]!r} does not exist on this server, or is for tests"
    names = ", ".join([SMTP, RELAY, *_OPERATIONS])
    raise invalid(f"{problem}. An operation can be {names}.", "unknown_operation")


def _is_served(method: str | None, path: str) -> bool:
    return any(
        method in (None, served.method) and same_path(served.path, path) for served in API_ROUTES
    )


def _render_fault(fault: Fault) -> FaultOut:
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


TEST_ROUTES = tuple(route.routes)
ALL_ROUTES = build_routes(TEST_ROUTES)
"""The whole API of a server for tests."""
