"""The tables of the proofs, from the very objects that the server and the guard execute.

A table is a total function on finite types. Each is computed by calling the code that runs, and
written as a definition for both kernels, so that a change of the code changes what is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import product
from typing import Any

from multimail.trust.decisions import (
    Action,
    Finding,
    GuardDecision,
    OperationKind,
    Treatment,
    decide,
    get_action,
    get_treatment,
)
from multimail.trust.labels import Assessment, Label, Standing, Tier
from multimail.trust.taint import Taint
from multimail_server.api.app import require_scope
from multimail_server.api.routes import API_ROUTES
from multimail_server.auth import SCOPES, Principal, require_approver, require_grantable
from multimail_server.errors import ApiError
from multimail_server.oversight import Direction, Event, Mode, State, Transition, transition
from multimail_server.services.accounts import parse_scopes
from multimail_server.store.records import Key

Scopes = tuple[bool, ...]
"""Whether a key holds each of `SCOPES`, in their order."""

OPERATIONS: dict[str, tuple[str, ...]] = {
    "send": (
        "POST /v1/mailboxes/{mailbox}/send",
        "POST /v1/mailboxes/{mailbox}/reply/{email}",
        "POST /v1/mailboxes/{mailbox}/forward/{email}",
        "POST /send_email",
        "POST /v1/send_email",
        "POST /reply_email",
        "POST /v1/reply_email",
    ),
    "cancel": (
        "POST /v1/mailboxes/{mailbox}/emails/{email}/cancel",
        "POST /cancel_message",
        "POST /v1/cancel_message",
    ),
    "edit": (
        "PATCH /v1/mailboxes/{mailbox}/emails/{email}/schedule",
        "POST /v1/mailboxes/{mailbox}/emails/{email}/revise",
    ),
    "revise": ("POST /v1/oversight/revise",),
    "decide": (
        "POST /v1/oversight/decide",
        "POST /v1/oversight/{email}/approval-link",
        "POST /decide_email",
        "POST /v1/decide_email",
    ),
    "grant": ("POST /v1/api-keys", "PATCH /v1/api-keys/{key}"),
    "revoke": ("DELETE /v1/api-keys/{key}",),
    "set_mode": (
        "PATCH /v1/mailboxes/{mailbox}",
        "PATCH /v1/mailboxes/{mailbox}/configure",
        "DELETE /v1/mailboxes/{mailbox}",
        "DELETE /v1/connected-mailboxes/{mailbox}",
    ),
    "request_code": ("POST /v1/mailboxes/{mailbox}/request-upgrade",),
    "read_code": ("GET /v1/oversight/upgrade-requests",),
    "redeem_code": ("POST /v1/mailboxes/{mailbox}/upgrade",),
    "read": (
        "GET /v1/mailboxes/{mailbox}/emails",
        "GET /v1/mailboxes/{mailbox}/emails/{email}",
        "GET /v1/mailboxes/{mailbox}/threads/{thread}",
        "GET /v1/mailboxes/{mailbox}/search",
    ),
}
"""The routes of each operation of the model: a key may do it if one of them admits its scopes."""

NOT_MODELLED = (
    "/v1/contacts", "/v1/account", "/v1/webhooks", "/v1/webhook-deliveries", "/v1/domains",
    "/v1/suppression", "/v1/unsubscribe", "/webhooks", "/v1/emails/{email}/report-spam",
    "/v1/emails/{email}/not-spam", "/v1/mailboxes/{mailbox}/emails/{email}/tags", "/tag_email",
    "/v1/tag_email", "/v1/approve/{token}", "/create_mailbox", "/v1/create_mailbox",
)  # fmt: skip
"""Beginnings of paths that change no message that leaves, no key and no mode of a mailbox, or that
`docs/proofs.md` names as outside."""
_NOT_MODELLED_EXACTLY = (
    "POST /v1/mailboxes", "POST /v1/connected-mailboxes", "PATCH /v1/mailboxes/{mailbox}/emails",
)  # fmt: skip

_DECISIONS = (Event.APPROVED, Event.APPROVED_FOR_LATER, Event.REJECTED)
_EDITS = (Event.EDITED, Event.REVISED)
_RELEASED = (State.SCHEDULED, State.SENDING, State.SENT, State.SEND_FAILED)
_OVER = (State.REJECTED, State.CANCELLED, State.EXPIRED, State.DELETED)
_GATED = (Mode.GATED_ALL, Mode.GATED_SEND)
_FREE = (Mode.MONITORED, Mode.AUTONOMOUS)
_LABELS = (
    Label.AUTHENTICATED, Label.AUTHENTICATED_PATH, Label.UNAUTHENTICATED, Label.UNKNOWN,
    Label.FAILED,
)  # fmt: skip
"""From the best to the worst; `own` is the mailbox's own mail."""


class StaleModelError(Exception):
    """A route changes what the model is about and is not in it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A function on finite types: its name, its types, and its value for each combination."""

    name: str
    arguments: tuple[str, ...]
    result: str
    value: Callable[..., Any]
    default: Any
    """The most frequent value, which stands in the last row; `None` for the second argument."""


def list_types() -> dict[str, Sequence[Any]]:
    """Return the values of each finite type, by the type's name."""
    return {
        "Mode": list(Mode),
        "State": list(State),
        "Event": list(Event),
        "Operation": list(OPERATIONS),
        "Policy": ["standard", "strict", "off"],
        "Kind": list(OperationKind),
        "Tier": list(Tier),
        "Label": list(_LABELS),
        "Standing": list(Standing),
        "Action": list(Action),
        "Treatment": list(Treatment),
        "Scopes": list(product((True, False), repeat=len(SCOPES))),
    }


def list_tables() -> list[Table]:
    """Return all tables."""
    check_routes()
    return [
        Table("next", ("Mode", "State", "Event"), "State", _get_next, None),
        Table("fires", ("Mode", "State", "Event"), "Bool", _fires, False),
        Table("gated", ("Mode",), "Bool", _GATED.__contains__, False),
        Table("free", ("Mode",), "Bool", _FREE.__contains__, False),
        Table("looser", ("Mode", "Mode"), "Bool", Mode.is_looser_than, False),
        Table("released", ("State",), "Bool", _RELEASED.__contains__, False),
        Table("isSending", ("State",), "Bool", lambda state: state is State.SENDING, False),
        Table("over", ("State",), "Bool", _OVER.__contains__, False),
        Table("isDecision", ("Event",), "Bool", _DECISIONS.__contains__, False),
        Table("isApproval", ("Event",), "Bool", _DECISIONS[:2].__contains__, False),
        Table("isEdit", ("Event",), "Bool", _EDITS.__contains__, False),
        Table("approver", ("Scopes",), "Bool", _is_approver, False),
        Table("grantable", ("Scopes", "Scopes"), "Bool", _is_grantable, False),
        Table("may", ("Operation", "Scopes"), "Bool", _may, False),
        Table("action", ("Policy", "Kind", "Tier"), "Action", get_action, Action.ALLOW),
        Table("guarded", ("Policy",), "Bool", lambda policy: policy != "off", False),
        Table("reaches", ("Kind",), "Bool", lambda kind: kind is not OperationKind.INTERNAL, False),
        Table("believable", ("Tier",), "Bool", (Tier.LISTED, Tier.PROVEN).__contains__, False),
        Table("isAllow", ("Action",), "Bool", (Action.ALLOW,).__contains__, False),
        Table("treatment", ("Policy", "Tier"), "Treatment", get_treatment, Treatment.MARKED),
        Table(
            "isWithheld", ("Treatment",), "Bool", lambda shown: shown is Treatment.WITHHELD, False
        ),
        Table("strictest", ("Action", "Action"), "Action", _get_strictest, Action.ALLOW),
        Table("tier", ("Label", "Standing"), "Tier", _get_tier, Tier.UNPROVEN),
        Table("merged", ("Label", "Standing", "Label", "Standing"), "Tier", _merge, Tier.FAILED),
        Table("noLaterLabel", ("Label", "Label"), "Bool", _by_place(_LABELS), False),
        Table("noLaterTier", ("Tier", "Tier"), "Bool", _by_place(tuple(Tier)), False),
        Table(
            "noLaterTreatment",
            ("Treatment", "Treatment"),
            "Bool",
            _by_place(tuple(Treatment)),
            False,
        ),
        Table("noLaterAction", ("Action", "Action"), "Bool", _by_place(tuple(Action)), False),
    ]


def check_routes() -> None:
    """Check that each route that changes something is in the model, or named as outside.

    Raises:
        StaleModelError: One is neither, or a route of the model is gone.
    """
    known = {name for names in OPERATIONS.values() for name in names}
    routes = {f"{route.method} {route.path}" for route in API_ROUTES}
    for name in sorted(known - routes):
        raise StaleModelError(f"proofs/tables.py: there is no route {name} any more.")
    for route in API_ROUTES:
        name = f"{route.method} {route.path}"
        outside = route.path.startswith(NOT_MODELLED) or name in _NOT_MODELLED_EXACTLY
        if route.method != "GET" and name not in known and not outside:
            raise StaleModelError(
                f"{name} is not in the model. Add it to OPERATIONS in proofs/tables.py, or to "
                "NOT_MODELLED and to what docs/proofs.md says is outside."
            )


def _get_next(mode: Mode, state: State, event: Event) -> State:
    result = transition(Direction.OUTBOUND, mode, state, event)
    return result.state if isinstance(result, Transition) else state


def _fires(mode: Mode, state: State, event: Event) -> bool:
    return isinstance(transition(Direction.OUTBOUND, mode, state, event), Transition)


def _list_scopes(scopes: Scopes) -> list[str]:
    return [name for name, held in zip(SCOPES, scopes, strict=True) if held]


def _build_key(scopes: Scopes) -> Key:
    held = tuple(_list_scopes(scopes))
    return Key("key_a", "acc_a", "a", "mm_test_a", "", held, False, datetime.now(UTC))


def _passes(check: Callable[[], object]) -> bool:
    try:
        check()
    except ApiError:
        return False
    return True


def _is_approver(scopes: Scopes) -> bool:
    return _passes(lambda: require_approver(_build_key(scopes)))


def _is_grantable(own: Scopes, given: Scopes) -> bool:
    principal = Principal.from_key(_build_key(own))
    return _passes(lambda: require_grantable(principal, parse_scopes(_list_scopes(given))))


def _may(operation: str, scopes: Scopes) -> bool:
    principal = Principal.from_key(_build_key(scopes))
    routes = [r for r in API_ROUTES if f"{r.method} {r.path}" in OPERATIONS[operation]]
    return any(_passes(partial(require_scope, route, principal)) for route in routes)


def _get_strictest(first: Action, second: Action) -> Action:
    about = Assessment(Label.AUTHENTICATED)
    decision: GuardDecision = decide("send_email", about, [Finding(first, "a")], "standard")
    return decision.add(Finding(second, "b")).action


def _get_tier(label: Label, standing: Standing) -> Tier:
    return Assessment(label, standing=standing).tier


def _merge(label: Label, standing: Standing, other: Label, other_standing: Standing) -> Tier:
    first = Taint.from_assessment(Assessment(label, standing=standing))
    second = Taint.from_assessment(Assessment(other, standing=other_standing))
    tier = first.merge(second).tier
    assert tier is not None
    return tier


def _by_place(values: tuple[Any, ...]) -> Callable[[Any, Any], bool]:
    return lambda first, second: values.index(first) <= values.index(second)
