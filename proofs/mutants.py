"""Wrong tables and rules, each of which must make a theorem fail; and changes that harm nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

from multimail.trust import decisions, labels, taint
from multimail.trust.decisions import Action, OperationKind, Treatment
from multimail.trust.labels import Label, Tier
from multimail_server import auth, oversight
from multimail_server.api.routes import API_ROUTES
from multimail_server.errors import forbidden
from multimail_server.oversight import Direction, Event, Mode, Outcome, State, Transition
from multimail_server.store.records import Key

from . import tables

_SEND, _LATER, _HOLD = (Transition(state) for state in (
    State.SENDING, State.SCHEDULED, State.PENDING_SEND_APPROVAL))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of the code.

    Attributes:
        description: What it makes possible.
        apply: Makes the change while its context is open.
        theorem: The theorem that must fail; None for a change that harms nothing.
    """

    description: str
    apply: Callable[[], AbstractContextManager[object]]
    theorem: str | None


def _cell(
    mode: Mode, state: State, event: Event, outcome: Outcome
) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.dict(oversight.TABLE, {(Direction.OUTBOUND, mode, state, event): outcome})


def _scopes(name: str, *scopes: str) -> Callable[[], AbstractContextManager[object]]:
    routes = tuple(
        replace(route, scopes=scopes) if f"{route.method} {route.path}" == name else route
        for route in API_ROUTES
    )
    return lambda: patch.object(tables, "API_ROUTES", routes)


def _approver(required: str, excluded: str) -> Callable[[], AbstractContextManager[object]]:
    def require(key: Key | None) -> auth.Principal:
        if key is None or required not in key.scopes or excluded in key.scopes:
            raise forbidden("refused", "Refused.")
        return auth.Principal.from_key(key)

    return lambda: patch.object(tables, "require_approver", require)


def _action(kind: OperationKind, *cells: Action) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.dict(decisions._ACTIONS["standard"], {kind: cells})


def _treatment(
    policy: decisions.PolicyName, *cells: Treatment
) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.dict(decisions._TREATMENTS, {policy: cells})


@contextmanager
def _believed(label: Label) -> Iterator[None]:
    original = labels.Assessment.tier
    assert isinstance(original, property)

    def get_tier(assessment: labels.Assessment) -> Tier:
        if assessment.label is label:
            return Tier.PROVEN
        found: Tier = original.__get__(assessment)
        return found

    with patch.object(labels.Assessment, "tier", property(get_tier)):
        yield


def _last_finding(decision: decisions.GuardDecision, finding: decisions.Finding) -> object:
    return replace(decision, action=finding.action)


def _first_taint(first: object, second: object) -> object:
    return first or second


def _ignore_monitored(mode: Mode, other: Mode) -> bool:
    return _IS_LOOSER(mode, other) and mode is not Mode.MONITORED


_IS_LOOSER = Mode.is_looser_than
_ALLOW, _REFUSE = Action.ALLOW, Action.REFUSE
_MARKED, _WITHHELD = Treatment.MARKED, Treatment.WITHHELD
_LINKS = Treatment.LINKS_REMOVED
MUTANTS = (
    Mutant("a gated send leaves at once",
           _cell(Mode.GATED_SEND, State.PENDING_SCAN, Event.SCANNED, _SEND),
           "gated_mail_is_held"),
    Mutant("approved content is edited and still leaves",
           _cell(Mode.GATED_ALL, State.SCHEDULED, Event.EDITED, _LATER),
           "edited_mail_is_held"),
    Mutant("a rejection sends",
           _cell(Mode.GATED_SEND, State.PENDING_SEND_APPROVAL, Event.REJECTED, _SEND),
           "only_an_approval_releases"),
    Mutant("a new time releases held mail",
           _cell(Mode.GATED_ALL, State.PENDING_SEND_APPROVAL, Event.RESCHEDULED, _LATER),
           "no_other_event_releases"),
    Mutant("an expiry releases held mail",
           _cell(Mode.GATED_SEND, State.PENDING_SEND_APPROVAL, Event.EXPIRED, _SEND),
           "no_other_event_releases"),
    Mutant("a key with both scopes approves", _approver("oversight", "nothing"),
           "approver_holds_oversight_and_no_send"),
    Mutant("a key without oversight approves", _approver("read", "send"),
           "approver_holds_oversight_and_no_send"),
    Mutant("a sender makes a reviewer's key",
           lambda: patch.dict(auth._NOT_GRANTABLE, {"send": ("admin",)}),
           "send_grants_neither_oversight_nor_admin"),
    Mutant("a sender makes keys", _scopes("POST /v1/api-keys", "send", "admin"),
           "who_grants_holds_admin"),
    Mutant("a sender reads codes", _scopes("GET /v1/oversight/upgrade-requests", "read"),
           "who_reads_codes_holds_oversight"),
    Mutant("a cancelled message waits again",
           _cell(Mode.GATED_SEND, State.CANCELLED, Event.RESCHEDULED, _HOLD),
           "over_stays_over"),
    Mutant("an expired message is approved",
           _cell(Mode.MONITORED, State.EXPIRED, Event.APPROVED, _SEND),
           "over_stays_over"),
    Mutant("forged mail may withdraw what unproven mail may not",
           _action(OperationKind.WITHDRAW, _ALLOW, _ALLOW, _REFUSE, Action.HOLD),
           "a_worse_tier_never_loosens"),
    Mutant("unproven mail is answered without a question",
           _action(OperationKind.REPLY, _ALLOW, _ALLOW, _ALLOW, _REFUSE),
           "unproven_mail_never_acts_alone"),
    Mutant("mail names a recipient and a known sender suffices",
           _action(OperationKind.INTRODUCE, _ALLOW, Action.HOLD, Action.HOLD, _REFUSE),
           "an_address_from_mail_is_never_reached_alone"),
    Mutant("standard refuses what strict allows",
           _action(OperationKind.INTERNAL, _REFUSE, _REFUSE, _REFUSE, _REFUSE),
           "strict_is_never_looser"),
    Mutant("a gated mode is left without a code",
           lambda: patch.object(Mode, "is_looser_than", _ignore_monitored),
           "a_free_mode_is_looser"),
    Mutant("unproven mail is shown as proven mail is not",
           _treatment("strict", _MARKED, _WITHHELD, _MARKED, _WITHHELD),
           "a_worse_tier_is_never_shown_more"),
    Mutant("forged mail is shown without its links",
           _treatment("standard", _MARKED, _MARKED, _LINKS, _LINKS),
           "forged_mail_is_withheld"),
    Mutant("a forgery is believed", lambda: _believed(Label.FAILED),
           "a_worse_label_is_no_better_tier"),
    Mutant("a later finding replaces a worse one",
           lambda: patch.object(decisions.GuardDecision, "add", _last_finding),
           "a_finding_never_loosens"),
    Mutant("taint is forgotten", lambda: patch.object(taint, "_worse", _first_taint),
           "taint_never_shrinks"),
    Mutant("harmless: a free mailbox holds a send",
           _cell(Mode.AUTONOMOUS, State.PENDING_SCAN, Event.SCANNED, _HOLD), None),
    Mutant("harmless: an answer to a stranger asks a person",
           _action(OperationKind.REPLY, _ALLOW, Action.HOLD, Action.HOLD, _REFUSE), None),
)  # fmt: skip
