"""The server's evidence about mail, beside `mailauth` from npm."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dkim
import pytest

from multimail.trust.evidence import Authentication, AuthResult
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.envelope import SmtpEnvelope

Key = tuple[bytes, str]
Facts = dict[str, Any]
NOW = datetime.now(UTC)
PEER = "192.0.2.7"
FIELDS = [b"from", b"to", b"subject", b"message-id", b"mime-version", b"content-type"]
PLAIN = (
    b"From: Ann <ann@example.com>\r\nTo: bob@example.net\r\nSubject: Lunch\r\n"
    b"Message-ID: <one@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    b"Shall  we have lunch? \r\nAt  twelve.\r\n\r\n"
)
POLICIES = {
    "example.com": "v=DMARC1; p=reject",
    "strict.example": "v=DMARC1; p=quarantine; adkim=s; aspf=s",
    "none.example": "v=DMARC1; p=none",
    "spaces.example": "v = DMARC1 ; p = reject ; rua=mailto:x@spaces.example",
    "parent.example": "v=DMARC1; p=reject; sp=none",
}
SPF = {
    "example.com": "v=spf1 ip4:192.0.2.0/24 -all",
    "strict.example": "v=spf1 ip4:192.0.2.7 -all",
    "other.example": "v=spf1 ip4:192.0.2.7 ~all",
    "soft.example": "v=spf1 ~all",
    "neutral.example": "v=spf1 ?all",
    "far.example": "v=spf1 include:example.com -all",
    "moved.example": "v=spf1 redirect=soft.example",
    "broken.example": "v=spf1 ipv4:192.0.2.7 -all",
}
DIFFERENCES = {
    "length-appended": "a signature with l= covers only a part of the body",
    "length-whole": "a signature with l= lets others append text",
    "subject-unsigned": "a signature that leaves out the subject vouches for another mail",
    "key-for-tests": "a key with t=y asks to be treated as unsigned (RFC 6376 section 3.6.1)",
    "policy-with-blanks": "RFC 7489 section 6.4 allows white space around =",
    "strict-from-subdomain": "adkim=s of the organisation's record holds for its subdomains",
}
"""Samples of which this project says something else, and why."""


class Zone:
    """DNS with the records of a test."""

    def __init__(self, records: dict[str, str]) -> None:
        self.records = records

    def txt(self, name: str) -> list[bytes]:
        text = self.records.get(name.lower().removesuffix("."))
        return [] if text is None else [text.encode()]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


@pytest.fixture(scope="module")
def zone(rsa_key: Key) -> Zone:
    signers = (*POLICIES, *SPF, "mail.example.com", "sub.parent.example", "list.example")
    records = {f"s1._domainkey.{name}": rsa_key[1] for name in signers}
    records |= {f"_dmarc.{name}": text for name, text in POLICIES.items()} | SPF
    records["test._domainkey.example.com"] = f"t=y; {rsa_key[1]}"
    return Zone(records)


def mails(pem: bytes) -> dict[str, tuple[bytes, str]]:
    """Return messages and their envelope senders."""

    def sign(raw: bytes = PLAIN, domain: bytes = b"example.com", **more: Any) -> bytes:
        selector = more.pop("selector", b"s1")
        field: bytes = dkim.sign(raw, selector, domain, pem, **{"include_headers": FIELDS, **more})
        return field + raw

    def seal(raw: bytes) -> bytes:
        results = b"Authentication-Results: list.example; dkim=pass header.d=example.com\r\n"
        lines = dkim.arc_sign(
            results + raw, b"s1", b"list.example", pem, b"list.example", include_headers=FIELDS
        )
        return b"".join(lines) + raw

    def change(raw: bytes, old: bytes, new: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    def from_(domain: bytes, raw: bytes = PLAIN) -> bytes:
        return raw.replace(b"ann@example.com", b"ann@" + domain)

    simple, relaxed = b"simple", b"relaxed"
    forms = [(a, b) for a in (simple, relaxed) for b in (simple, relaxed)]
    found = {f"signed-{a.decode()}-{b.decode()}": sign(canonicalize=(a, b)) for a, b in forms}
    found |= {
        "unsigned": PLAIN,
        "subject-changed": change(sign(), b"Lunch", b"Dinner"),
        "body-changed": change(sign(), b"twelve", b"one"),
        "blanks-changed-relaxed": change(
            sign(canonicalize=(relaxed, relaxed)), b"Shall  we", b"Shall we"
        ),
        "blanks-changed-simple": change(
            sign(canonicalize=(simple, simple)), b"Shall  we", b"Shall we"
        ),
        "field-refolded-relaxed": change(
            sign(canonicalize=(relaxed, relaxed)), b"To: bob@", b"To:\r\n bob@"
        ),
        "field-refolded-simple": change(
            sign(canonicalize=(simple, relaxed)), b"To: bob@", b"To:\r\n bob@"
        ),
        "blank-lines-at-end": sign() + b"\r\n\r\n",
        "two-signatures": sign(sign(domain=b"other.example")),
        "one-broken-of-two": sign(change(sign(), b"Lunch", b"Dinner")),
        "by-subdomain": sign(domain=b"mail.example.com"),
        "by-other-domain": sign(domain=b"other.example"),
        "no-key": sign(domain=b"nowhere.example"),
        "strict-by-itself": sign(from_(b"strict.example"), b"strict.example"),
        "strict-from-subdomain": sign(from_(b"mail.strict.example"), b"strict.example"),
        "policy-of-parent": from_(b"sub.parent.example"),
        "signed-in-parent": sign(from_(b"sub.parent.example"), b"sub.parent.example"),
        "policy-none": from_(b"none.example"),
        "policy-with-blanks": from_(b"spaces.example"),
        "no-policy": from_(b"other.example"),
        "length-whole": sign(length=True),
        "length-appended": sign(length=True) + b"More.\r\n",
        "subject-unsigned": sign(include_headers=[b"from", b"to"]),
        "key-for-tests": sign(selector=b"test"),
        "sealed": seal(sign()),
        "sealed-twice": seal(seal(sign())),
        "sealed-then-changed": change(seal(sign()), b"twelve", b"one"),
    }
    mailed: dict[str, tuple[bytes, str]] = {name: (raw, "") for name, raw in found.items()}
    for domain in SPF:
        mailed[f"spf-{domain}"] = (from_(domain.encode()), f"ann@{domain}")
    mailed["spf-of-subdomain"] = (from_(b"mail.example.com"), "ann@example.com")
    mailed["spf-strict-subdomain"] = (from_(b"strict.example"), "ann@mail.strict.example")
    mailed["spf-unaligned"] = (PLAIN, "ann@other.example")
    return mailed


def test_another_verifier_agrees(node: Callable[..., Any], zone: Zone, rsa_key: Key) -> None:
    samples = mails(rsa_key[0])
    letters = {
        name: {"raw": base64.b64encode(raw).decode(), "ip": PEER, "sender": sender}
        for name, (raw, sender) in samples.items()
    }
    records = {name: [text] for name, text in zone.records.items()}
    theirs = node("authenticate.mjs", given=json.dumps({"records": records, "mails": letters}))
    different: dict[str, str] = {}
    for name, (raw, sender) in samples.items():
        envelope = SmtpEnvelope(
            sender, ("bob@example.net",), PEER if sender else "", "mail.example"
        )
        own = read_facts(authenticate(raw, zone, envelope, NOW + timedelta(seconds=1)))
        other = read_theirs(theirs[name], with_spf=bool(sender))
        if own != other:
            different[name] = f"{own} {other}"
    assert set(different) == set(DIFFERENCES), different


def read_facts(evidence: Authentication) -> Facts:
    """Return the evidence in the terms that both share."""
    return {
        "dkim": sorted(
            (one.domain, one.result is AuthResult.PASS, bool(one.aligned)) for one in evidence.dkim
        ),
        "spf": evidence.spf.result.value if evidence.spf else None,
        "dmarc": evidence.dmarc.result.value if evidence.dmarc else None,
        "arc": evidence.arc.result.value if evidence.arc else "none",
    }


def read_theirs(facts: Facts, *, with_spf: bool) -> Facts:
    signatures = [one for one in facts["dkim"] if one["domain"]]
    return {
        "dkim": sorted(
            (one["domain"], one["result"] == "pass", one["aligned"]) for one in signatures
        ),
        "spf": facts["spf"] if with_spf else None,
        "dmarc": facts["dmarc"],
        "arc": facts["arc"] or "none",
    }
