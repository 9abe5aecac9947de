"""Labels and decisions: the tables of the policy, enumerated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multimail.errors import ConfigurationError
from multimail.models import EmailSummary
from multimail.trust import (
    Authentication,
    AuthResult,
    Label,
    TrustPolicy,
    assess,
)
from multimail.trust.providers import PUBLIC_PROVIDERS

ALIGNED = {"domain": "acme.example", "result": "pass", "aligned": True}
OTHER = {"domain": "bulk.example", "result": "pass", "aligned": False}
BROKEN = {"domain": "acme.example", "result": "fail", "aligned": True, "reason": "body changed"}
TIMEOUT = {"domain": "acme.example", "result": "temperror", "aligned": True}
REJECTS = {"domain": "acme.example", "result": "fail", "policy": "reject"}
NO_POLICY = {"domain": "acme.example", "result": "fail", "policy": "none"}
NO_RECORD = {"domain": "acme.example", "result": "none", "policy": ""}

LABELS: list[tuple[str, dict[str, Any] | None, Label]] = [
    ("nothing was reported", None, Label.UNKNOWN),
    ("an aligned signature passed", {"dkim": [ALIGNED]}, Label.AUTHENTICATED),
    ("one of several passed", {"dkim": [BROKEN, OTHER, ALIGNED]}, Label.AUTHENTICATED),
    (
        "a forged header block beats a good signature",
        {"structure": ["two From fields"], "dkim": [ALIGNED]},
        Label.FAILED,
    ),
    (
        "only the route is vouched for",
        {"dkim": [OTHER], "spf": {"result": "pass", "domain": "acme.example", "aligned": True}},
        Label.AUTHENTICATED_PATH,
    ),
    (
        "an unaligned SPF pass proves nothing",
        {"spf": {"result": "pass", "domain": "bulk.example", "aligned": False}, "dmarc": NO_RECORD},
        Label.UNAUTHENTICATED,
    ),
    ("DMARC passed", {"dmarc": {"result": "pass"}}, Label.AUTHENTICATED),
    ("DNS was silent", {"dkim": [TIMEOUT], "dmarc": REJECTS}, Label.UNKNOWN),
    (
        "a stranger's silent DNS is no excuse",
        {"dkim": [{**TIMEOUT, "domain": "evil.example", "aligned": False}], "dmarc": REJECTS},
        Label.FAILED,
    ),
    ("the domain disowns it", {"dkim": [OTHER], "dmarc": REJECTS}, Label.FAILED),
    ("DMARC failed and no policy was told", {"dmarc": {"result": "fail"}}, Label.FAILED),
    ("the domain does not mind", {"dkim": [BROKEN], "dmarc": NO_POLICY}, Label.UNAUTHENTICATED),
    ("a mailing list", {"dkim": [OTHER], "dmarc": NO_RECORD}, Label.UNAUTHENTICATED),
    ("no signature, no record", {"dkim": [], "dmarc": NO_RECORD}, Label.UNAUTHENTICATED),
    ("a pass without alignment", {"dkim": [{"result": "pass"}]}, Label.UNKNOWN),
    ("words that no standard has", {"dkim": [{"result": "great"}]}, Label.UNKNOWN),
    ("an empty report", {}, Label.UNKNOWN),
]


@pytest.mark.parametrize(("why", "evidence", "label"), LABELS, ids=[row[0] for row in LABELS])
def test_evidence_earns_its_label(why: str, evidence: dict[str, Any] | None, label: Label) -> None:
    read = None if evidence is None else Authentication.model_validate(evidence)
    assessment = assess(read)
    assert assessment.label is label
    assert assessment.reasons, why


@pytest.mark.parametrize(
    ("fields", "label"),
    [
        ({"dkim_valid": True}, Label.UNKNOWN),
        ({"dkim_valid": False}, Label.UNAUTHENTICATED),
        ({"dkim_valid": False, "dmarc_valid": False}, Label.FAILED),
        ({"dkim_valid": True, "dmarc_valid": True}, Label.AUTHENTICATED),
        ({"dkim": "pass", "dmarc": "pass"}, Label.AUTHENTICATED),
        ({"auth_results": {"dkim": "none", "spf": "none", "dmarc": "none"}}, Label.UNAUTHENTICATED),
        ({}, Label.UNKNOWN),
    ],
)
def test_hosted_spellings_earn_the_same_labels(fields: dict[str, Any], label: Label) -> None:
    row = EmailSummary.model_validate({"id": "msg_1", **fields})
    assert assess(row.authentication).label is label


HOSTED_OPTIONS: list[tuple[dict[str, Any], dict[str, Any], Label]] = [
    ({"dkim_valid": True}, {"accept_unaligned_dkim": True}, Label.AUTHENTICATED),
    ({"dkim_valid": False}, {"accept_unaligned_dkim": True}, Label.UNAUTHENTICATED),
    ({"dkim": [OTHER]}, {"accept_unaligned_dkim": True}, Label.UNAUTHENTICATED),
    (
        {"dmarc": REJECTS, "arc": {"result": "pass", "sealer": "Lists.example"}},
        {"arc_sealers": ["lists.example"]},
        Label.UNAUTHENTICATED,
    ),
    (
        {"dmarc": REJECTS, "arc": {"result": "pass", "sealer": "evil.example"}},
        {"arc_sealers": ["lists.example"]},
        Label.FAILED,
    ),
    (
        {"dmarc": REJECTS, "arc": {"result": "fail", "sealer": "lists.example"}},
        {"arc_sealers": ["lists.example"]},
        Label.FAILED,
    ),
    (
        {"structure": ["two From fields"], "arc": {"result": "pass", "sealer": "lists.example"}},
        {"arc_sealers": ["lists.example"]},
        Label.FAILED,
    ),
]


@pytest.mark.parametrize(("report", "options", "label"), HOSTED_OPTIONS)
def test_an_operator_can_believe_more(
    report: dict[str, Any], options: dict[str, Any], label: Label
) -> None:
    row = EmailSummary.model_validate({"id": "msg_1", "authentication": report} | report)
    policy = TrustPolicy("standard", **options)
    assert policy.assess(row.authentication, "a@acme.example").label is label


@pytest.mark.parametrize("texts", ["Mail.example", ["mail.example"]])
def test_one_text_is_not_its_letters(texts: Any) -> None:
    policy = TrustPolicy(arc_sealers=texts, listed_payments=texts, public_providers=texts)
    assert policy.arc_sealers == {"mail.example"}
    assert {payment.lower() for payment in policy.listed_payments} == {"mail.example"}
    assert policy.public_providers == PUBLIC_PROVIDERS | {"mail.example"}


def test_a_cap_is_not_negative() -> None:
    with pytest.raises(ConfigurationError, match="free_per_address"):
        TrustPolicy(free_per_address=-1)


def test_flags_are_reported_and_change_no_label() -> None:
    evidence = Authentication.model_validate({"dkim": [ALIGNED], "flags": ["dated 90 days ago"]})
    assert assess(evidence).label is Label.AUTHENTICATED
    assert assess(evidence).reasons[-1] == "dated 90 days ago"


results = st.sampled_from(AuthResult).map(str)
signatures = st.fixed_dictionaries(
    {"domain": st.just("a.example"), "result": results, "aligned": st.sampled_from([True, False])}
)
reports = st.fixed_dictionaries(
    {"dkim": st.lists(signatures, max_size=3)},
    optional={
        "spf": st.fixed_dictionaries({"result": results, "aligned": st.booleans()}),
        "dmarc": st.fixed_dictionaries(
            {"result": results, "policy": st.sampled_from(["", "none", "quarantine", "reject"])}
        ),
    },
)


@given(reports)
def test_nothing_is_authenticated_without_a_pass(report: dict[str, Any]) -> None:
    passes = [s for s in report["dkim"] if s["result"] == "pass" and s["aligned"]]
    dmarc = report.get("dmarc", {}).get("result") == "pass"
    label = assess(Authentication.model_validate(report)).label
    assert (label is Label.AUTHENTICATED) <= bool(passes or dmarc)


@given(reports)
def test_a_structural_fault_always_fails(report: dict[str, Any]) -> None:
    evidence = Authentication.model_validate({**report, "structure": ["two From fields"]})
    assert assess(evidence).label is Label.FAILED
