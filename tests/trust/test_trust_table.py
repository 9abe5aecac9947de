"""The decision table, enumerated; and that a decision never loosens when evidence worsens."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimail import ConfigurationError
from multimail.trust import (
    UNTAINTED,
    Action,
    Assessment,
    AutoReplyHeaders,
    GuardDecision,
    Label,
    PolicyName,
    ReplyFacts,
    Standing,
    Taint,
    Tier,
    TrustPolicy,
)
from multimail.trust.provenance import name_message

A, H, R = Action.ALLOW, Action.HOLD, Action.REFUSE
POLICIES: tuple[PolicyName, ...] = ("standard", "strict", "off")
SENDER, STRANGER = "ann@acme.example", "eve@evil.example"
SEVERITY = (A, H, R)

TIERS = {
    (Label.OWN, Standing.LISTED): Tier.LISTED,
    (Label.AUTHENTICATED, Standing.LISTED): Tier.LISTED,
    (Label.AUTHENTICATED, Standing.KNOWN): Tier.PROVEN,
    (Label.AUTHENTICATED, Standing.NEW): Tier.PROVEN,
    (Label.AUTHENTICATED_PATH, Standing.LISTED): Tier.PROVEN,
    (Label.AUTHENTICATED_PATH, Standing.KNOWN): Tier.PROVEN,
    (Label.AUTHENTICATED_PATH, Standing.NEW): Tier.PROVEN,
    (Label.UNAUTHENTICATED, Standing.NEW): Tier.UNPROVEN,
    (Label.UNKNOWN, Standing.NEW): Tier.UNPROVEN,
    (Label.FAILED, Standing.NEW): Tier.FAILED,
}
ASSESSMENTS = [Assessment(label, standing=standing) for label, standing in TIERS]
INBOUND = [assessment for assessment in ASSESSMENTS if assessment.label is not Label.OWN]

COVERED: dict[str, object] = {
    "organisation": "acme.example",
    "signed": frozenset({"t1@desk.acme.example", "x@notacme.example"}),
}
BULK = AutoReplyHeaders(list_id="Developers <dev.acme.example>")
TABLE: dict[tuple[PolicyName, str], tuple[Action, Action, Action, Action]] = {
    ("standard", "reply"): (A, A, H, R),
    ("standard", "introduce"): (H, H, H, R),
    ("standard", "change"): (A, A, H, H),
    ("standard", "note"): (A, A, A, A),
    ("standard", "withdraw"): (A, A, R, R),
    ("strict", "reply"): (A, H, H, R),
    ("strict", "introduce"): (H, H, H, R),
    ("strict", "change"): (A, H, H, H),
    ("strict", "note"): (A, A, A, A),
    ("strict", "withdraw"): (A, H, R, R),
    **{("off", row): (A, A, A, A) for row in ("reply", "introduce", "change", "note", "withdraw")},
}
BODIES: dict[PolicyName, tuple[str, str, str, str]] = {
    "standard": ("marked", "defanged", "links_removed", "withheld"),
    "strict": ("marked", "links_removed", "withheld", "withheld"),
    "off": ("marked", "marked", "marked", "marked"),
}


def decided(policy: TrustPolicy, row: str, assessment: Assessment) -> GuardDecision:
    """Do what a row of the table is about, after a message was shown that named a stranger."""
    taint = Taint.from_assessment(assessment, [STRANGER])
    if row == "reply":
        return policy.on_reply(ReplyFacts("msg_1", assessment, SENDER, (), (SENDER,)), UNTAINTED)
    if row == "introduce":
        # Another message's taint would say more: only the address is asked about.
        return policy.on_send([STRANGER], Taint(INBOUND[0], taint.named))
    if row == "change":
        return policy.on_send(["bob@acme.example"], taint, {"bob@acme.example"})
    if row == "withdraw":
        return policy.on_cancel(taint)
    opened = Taint(taint.worst, {**taint.named, name_message("msg_1"): assessment.tier})
    return policy.on_tag("msg_1", {"urgent": "true"}, opened)


@pytest.mark.parametrize(("policy", "row"), TABLE)
def test_every_cell_of_the_table(policy: PolicyName, row: str) -> None:
    for assessment in ASSESSMENTS if row == "reply" else INBOUND:
        decision = decided(TrustPolicy(policy), row, assessment)
        wanted = TABLE[policy, row][assessment.tier]
        assert decision.action is wanted, assessment
        assert bool(decision.reasons) is (wanted is not A)
        assert (decision.code == "allowed") is (wanted is A)
        assert decision.policy == policy


@pytest.mark.parametrize("policy", POLICIES)
def test_every_body_has_its_treatment(policy: PolicyName) -> None:
    for (label, standing), tier in TIERS.items():
        assessment = Assessment(label, standing=standing)
        assert assessment.tier is tier
        assert TrustPolicy(policy).treatment(assessment) == BODIES[policy][tier]
        withheld = policy != "off" and tier >= Tier.UNPROVEN
        assert TrustPolicy(policy).withholds_attachments(assessment) is withheld


def test_every_label_and_standing_has_a_column() -> None:
    for label, standing in itertools.product(Label, Standing):
        assert Assessment(label, standing=standing).tier in Tier


@pytest.mark.parametrize(
    ("change", "action", "code"),
    [
        ({}, A, "allowed"),
        ({"reply_to": (SENDER.upper(),)}, A, "allowed"),
        ({"reply_to": (STRANGER,)}, H, "reply_to_differs"),
        ({"reply_to": (SENDER, STRANGER)}, H, "reply_to_differs"),
        ({"reply_to": ("t1@desk.acme.example",), **COVERED}, A, "allowed"),
        ({"reply_to": ("t2@desk.acme.example",), **COVERED}, H, "reply_to_differs"),
        ({"recipients": (SENDER, STRANGER)}, H, "recipient_from_mail"),
        ({"recipients": (SENDER, "t1@desk.acme.example"), **COVERED}, A, "allowed"),
        ({"recipients": (SENDER, "t2@desk.acme.example"), **COVERED}, H, "recipient_from_mail"),
        ({"recipients": (SENDER, "x@notacme.example"), **COVERED}, H, "recipient_from_mail"),
        ({"recipients": (SENDER, "boss@listed.example")}, A, "allowed"),
        ({"recipients": (SENDER, "x@sub.listed.example")}, H, "recipient_from_mail"),
        ({"auto_reply": AutoReplyHeaders(auto_submitted="auto-replied")}, R, "auto_submitted"),
        (
            {"auto_reply": AutoReplyHeaders(auto_submitted="Auto-Generated; x")},
            R,
            "auto_submitted",
        ),
        ({"auto_reply": AutoReplyHeaders(auto_submitted="no")}, A, "allowed"),
        ({"auto_reply": BULK}, A, "allowed"),
        ({"auto_reply": BULK, "recipients": (SENDER, STRANGER)}, H, "mailing_list"),
        ({"auto_reply": BULK, "recipients": ("dev@acme.example",)}, H, "mailing_list"),
        ({"auto_reply": BULK, "sender": "dev@acme.example"}, H, "mailing_list"),
        ({"auto_reply": AutoReplyHeaders(precedence="Bulk")}, A, "allowed"),
        (
            {"auto_reply": AutoReplyHeaders(precedence="list"), "recipients": (STRANGER,)},
            H,
            "bulk_mail",
        ),
        (
            {"auto_reply": AutoReplyHeaders(list_post=(SENDER.upper(),))},
            H,
            "mailing_list",
        ),
        ({"auto_reply": AutoReplyHeaders(precedence="first-class")}, A, "allowed"),
        ({"auto_reply": AutoReplyHeaders(is_from_own_mailbox=True)}, R, "own_mail"),
    ],
)
def test_what_else_speaks_against_a_reply(
    change: dict[str, object], action: Action, code: str
) -> None:
    proven = Assessment(Label.AUTHENTICATED, ("signed by acme.example",))
    facts = ReplyFacts("msg_1", proven, SENDER, recipients=(SENDER,))
    changed = ReplyFacts(**{**{f: getattr(facts, f) for f in facts.__slots__}, **change})
    decision = TrustPolicy("standard", listed=["listed.example"]).on_reply(changed, UNTAINTED)
    assert (decision.action, decision.code) == (action, code)
    assert TrustPolicy("off").on_reply(changed, UNTAINTED).action is A


def test_all_reasons_are_listed_most_severe_first() -> None:
    facts = ReplyFacts(
        "msg_1",
        Assessment(Label.UNAUTHENTICATED, ("no signature",)),
        SENDER,
        (STRANGER,),
        (STRANGER,),
        AutoReplyHeaders(auto_submitted="auto-generated"),
    )
    decision = TrustPolicy().on_reply(facts, UNTAINTED)
    assert decision.action is R
    assert decision.codes == ("auto_submitted", "sender_unauthenticated", "reply_to_differs")
    assert "no signature" in decision.reasons[1]


def test_an_untainted_conversation_sends_by_the_mailboxs_mode() -> None:
    for policy in POLICIES:
        assert TrustPolicy(policy).on_send([STRANGER], UNTAINTED).action is A
        assert TrustPolicy(policy).on_add_contact(STRANGER, UNTAINTED).action is A


def test_a_reply_to_all_of_ones_own_message_is_allowed_while_untainted() -> None:
    own = Assessment(Label.OWN, standing=Standing.LISTED)
    facts = ReplyFacts("msg_1", own, "me@acme.example", (), ("bob@acme.example", STRANGER))
    for policy in POLICIES:
        assert TrustPolicy(policy).on_reply(facts, UNTAINTED).action is A
    tainted = Taint.from_assessment(Assessment(Label.AUTHENTICATED), [STRANGER])
    assert TrustPolicy().on_reply(facts, tainted).action is H


def test_address_without_a_known_source_is_held() -> None:
    taint = Taint.from_assessment(Assessment(Label.FAILED), [])
    assert TrustPolicy().on_send(["spelled.out@evil.example"], taint).action is H


def test_an_address_is_as_doubtful_as_the_best_mail_that_names_it() -> None:
    forged = Taint.from_assessment(Assessment(Label.FAILED), [STRANGER])
    real = Taint.from_assessment(Assessment(Label.AUTHENTICATED), [STRANGER])
    assert TrustPolicy().on_send([STRANGER], forged).action is R
    assert TrustPolicy().on_send([STRANGER], forged.merge(real)).action is H


@pytest.mark.parametrize(
    ("entry", "inside", "outside"),
    [
        ("Ann@Acme.example", ["ann@acme.EXAMPLE", "Ann <ann@acme.example>"], ["bob@acme.example"]),
        ("acme.example", ["x@acme.example"], ["x@sub.acme.example", "x@evilacme.example"]),
        ("@acme.example", ["x@acme.example"], ["acme.example@evil.example"]),
        ("*.acme.example", ["x@a.b.acme.example"], ["x@acme.example", "x@evilacme.example"]),
        ("straße.example", ["x@xn--strae-oqa.example"], ["x@strasse.example"]),
        ("ann@acme.example", ['"ann@acme.example" <eve@evil.example>'][:0], ["ann+x@acme.example"]),
    ],
)
def test_lists_compare_exactly(entry: str, inside: list[str], outside: list[str]) -> None:
    policy = TrustPolicy(listed=[entry])
    assert [policy.standing(address) for address in inside] == [Standing.LISTED] * len(inside)
    assert [policy.standing(address) for address in outside] == [Standing.NEW] * len(outside)


def test_a_display_name_is_never_an_identity() -> None:
    policy = TrustPolicy(listed=["ceo@acme.example"])
    assert policy.standing('"ceo@acme.example" <eve@evil.example>') is Standing.NEW


@pytest.mark.parametrize(
    "options",
    [
        {"name": "lax"},
        {"listed": ["nonsense"]},
        {"listed": ["a b@acme.example"]},
        {"listed": ["*"]},
        {"listed": ["*.*"]},
        {"sends_per_session": 0},
        {"sends_per_thread": -1},
    ],
)
def test_a_policy_that_cannot_be_meant_is_an_error(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        TrustPolicy(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "standard", "strict"),
    [
        ({"message_id": "msg_1", "from": SENDER, "dkim_valid": False}, H, H),
        ({"message_id": "msg_1", "from": SENDER, "dkim_valid": True}, H, H),
        ({"data": {"email_id": "msg_1", "authentication": {"dmarc": "pass"}}}, A, A),
        ({"data": {"authentication": {"spf": {"result": "pass", "aligned": True}}}}, A, H),
        ({"authentication": {"dmarc": {"result": "fail", "policy": "reject"}}}, R, R),
        ({"type": "email.received"}, H, H),
        ({"data": "nonsense", "authentication": 7}, H, H),
        ([], H, H),
    ],
)
def test_a_webhooks_handler_can_ask(event: object, standard: Action, strict: Action) -> None:
    assert TrustPolicy("standard").admit(event).action is standard
    assert TrustPolicy("strict").admit(event).action is strict
    assert TrustPolicy("off").admit(event).action is A


def test_admit_says_who_and_what() -> None:
    event = {"data": {"message_id": "msg_7", "from": "a@acme.example", "dmarc": "pass"}}
    decision = TrustPolicy(listed=["acme.example"]).admit(event)
    assert decision.message_id == "msg_7"
    assert (decision.label, decision.standing) == (Label.AUTHENTICATED, Standing.LISTED)


def test_decisions_are_json_with_all_that_a_log_needs() -> None:
    data = decided(TrustPolicy(), "reply", Assessment(Label.FAILED, ("DMARC fail",))).as_data()
    assert data == {
        "action": "refuse",
        "operation": "reply_email",
        "code": "sender_failed",
        "codes": ["sender_failed"],
        "label": "failed",
        "standing": "new",
        "reasons": ["the sender failed its checks: DMARC fail"],
        "approver_reasons": ["The mail looks forged: DMARC fail."],
        "policy": "standard",
        "message_id": "msg_1",
    }


ordered = st.sampled_from(sorted(INBOUND, key=lambda assessment: assessment.tier))
named = st.lists(st.sampled_from([STRANGER, SENDER, "bob@acme.example"]), max_size=3)
taints = st.builds(Taint.from_assessment, ordered, named)


def severity(decision: GuardDecision) -> int:
    return SEVERITY.index(decision.action)


@given(st.sampled_from(POLICIES), ordered, ordered, named, taints)
def test_a_reply_never_loosens_when_evidence_worsens(
    name: PolicyName, first: Assessment, other: Assessment, recipients: list[str], taint: Taint
) -> None:
    better, worse = sorted((first, other), key=lambda assessment: assessment.tier)
    policy = TrustPolicy(name)

    def ask(assessment: Assessment) -> int:
        facts = ReplyFacts("msg_1", assessment, SENDER, recipients=tuple(recipients))
        return severity(policy.on_reply(facts, taint))

    assert ask(better) <= ask(worse)


@given(st.sampled_from(POLICIES), ordered, ordered, named, named)
def test_a_send_never_loosens_when_the_evidence_of_what_was_shown_worsens(
    name: PolicyName, first: Assessment, other: Assessment, seen: list[str], to: list[str]
) -> None:
    better, worse = sorted((first, other), key=lambda assessment: assessment.tier)
    policy = TrustPolicy(name)
    severities = [
        severity(policy.on_send(to, Taint.from_assessment(worst, seen)))
        for worst in (better, worse)
    ]
    assert severities == sorted(severities)


@given(taints, taints, st.sampled_from(POLICIES))
def test_taint_never_shrinks(taint: Taint, more: Taint, name: PolicyName) -> None:
    grown = taint.merge(more)
    assert set(grown.named) >= set(taint.named) | set(more.named)
    assert grown.tier is not None
    assert taint.tier is not None
    assert grown.tier >= taint.tier
    assert grown.merge(taint) == grown == more.merge(taint)
    # To an address that is allowed, more taint is never more freedom.
    ask = TrustPolicy(name)
    allowed = {"bob@acme.example"}
    before = ask.on_send(["bob@acme.example"], taint, allowed)
    assert severity(before) <= severity(ask.on_send(["bob@acme.example"], grown, allowed))
