"""The server's evidence about mail, beside `mailauth` from npm."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import dkim
import pytest

from multimail.trust.evidence import Authentication, AuthResult
from multimail_server.mail.auth.alignment import Alignment
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dmarc import look_up_policy
from multimail_server.mail.envelope import SmtpEnvelope

Key = tuple[bytes, str]
Facts = dict[str, Any]
NOW = datetime.now(UTC)
PEER = "192.0.2.7"
FIELDS = [b"from", b"to", b"subject", b"message-id", b"mime-version", b"content-type"]
TWICE = [*FIELDS, b"message-id"]
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
    "untidy.example": "v=DMARC1;;p=reject;",
    "word.example": "v=DMARC1; p=reject; x",
    "lower.example": "v=dmarc1; p=reject",
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
    "policy-with-blanks": "RFC 9989 section 4.8 allows white space around =",
    "policy-in-lower-case": "the version of a record is compared with case (RFC 9989 section 4.7)",
    "second-to": "a second To that no signature covers decides whom a reply to all reaches",
    "strict-from-subdomain": "adkim=s of the organisation's record holds for its subdomains",
}
"""Samples of which this project says something else, and why."""


class Zone:
    """DNS with the records of a test."""

    def __init__(self, records: dict[str, str], existing: Collection[str] = ()) -> None:
        self.records, self.existing = records, existing

    def txt(self, name: str) -> list[bytes]:
        text = self.records.get(name.lower().removesuffix("."))
        return [] if text is None else [record.encode() for record in text.split("\n")]

    def exists(self, name: str) -> bool:
        return name in self.existing

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


@pytest.fixture(scope="module")
def zone(rsa_key: Key) -> Zone:
    signers = (*POLICIES, *SPF, "mail.example.com", "sub.parent.example", "list.example")
    records = {f"s1._domainkey.{name}": rsa_key[1] for name in signers}
    records |= {f"_dmarc.{name}": text for name, text in POLICIES.items()} | SPF
    plain = rsa_key[1].partition(";")[2]
    slips = {
        "untidy": f";; v=DKIM1;;{plain}",
        "word": f"v=DKIM1;{plain}; word",
        "upper": rsa_key[1].replace("k=rsa", "k=RSA"),
        "revoked": "v=DKIM1;; k=rsa; p=;;",
    }
    records |= {f"{name}._domainkey.example.com": text for name, text in slips.items()}
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
        "policy-untidy": from_(b"untidy.example"),
        "policy-untidy-signed": sign(from_(b"untidy.example"), b"untidy.example"),
        "policy-with-a-word": from_(b"word.example"),
        "policy-in-lower-case": from_(b"lower.example"),
        "key-untidy": sign(selector=b"untidy"),
        "key-with-a-word": sign(selector=b"word"),
        "key-in-upper-case": sign(selector=b"upper"),
        "key-revoked": sign(selector=b"revoked"),
        "two-ids-signed": sign(b"Message-ID: <two@example.com>\r\n" + PLAIN, include_headers=TWICE),
        "second-to": b"To: eve@other.example\r\n" + sign(),
        "mbox-line": b"From ann@example.com Mon Nov 30 10:00:00 2026\r\n" + sign(),
        "reply-to-as-from": b"Reply-To: ann@example.com\r\n" + sign(),
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


WALKS: dict[str, dict[str, str]] = {
    "plain": {"example.com": "v=DMARC1; p=reject"},
    "untidy": {"example.com": "v=DMARC1;; p=REJECT; word; adkim=s"},
    "subdomains": {"example.com": "v=DMARC1; p=none; sp=quarantine; np=reject"},
    "testing": {"example.com": "v=DMARC1; p=reject; sp=quarantine; t=y"},
    "reports-only": {"example.com": "v=DMARC1; p=junk; rua=mailto:a@example.com"},
    "bad-subdomain-policy": {"example.com": "v=DMARC1; p=reject; sp=junk"},
    "no-policy": {"example.com": "v=DMARC1; adkim=s"},
    "twice": {"example.com": "v=DMARC1; p=reject\nv=DMARC1; p=none"},
    "twice-below": {
        "example.com": "v=DMARC1; p=reject",
        "b.example.com": "v=DMARC1; p=none\nv=DMARC1; p=quarantine",
    },
    "part": {
        "example.com": "v=DMARC1; p=reject",
        "b.example.com": "v=DMARC1; p=quarantine; psd=n",
    },
    "own": {"example.com": "v=DMARC1; p=reject", "b.example.com": "v=DMARC1; p=quarantine"},
    "middle": {"b.example.com": "v=DMARC1; p=reject"},
    "suffix": {"example.com": "v=DMARC1; p=reject; sp=quarantine; psd=y"},
    "suffix-above": {"com": "v=DMARC1; p=reject; np=none; psd=y"},
    "record-above": {"com": "v=DMARC1; p=reject"},
    "wrong-version": {"example.com": "v=dmarc1; p=reject"},
    "nothing": {},
}
WALKERS = [
    ("example.com", "example.com"),
    ("example.com", "b.example.com"),
    ("b.example.com", "example.com"),
    ("a.b.example.com", "b.example.com"),
    ("a.b.example.com", "example.com"),
    ("a.b.example.com", "c.example.com"),
    ("1.2.3.4.5.6.a.b.example.com", "b.example.com"),
    ("gone.example.com", "example.com"),
    ("example.com", "other.com"),
]
WALK_DIFFERENCES = {
    "record-above": "the public suffix list keeps the domains below com apart",
}
"""Records on which this project says something else, and why."""


def test_another_verifier_walks_the_tree_alike(node: Callable[..., Any]) -> None:
    existing = {name for pair in WALKERS for name in pair} - {"gone.example.com"}
    questions = {
        f"{name} {sender} {signer}": {
            "records": {f"_dmarc.{owner}": text for owner, text in records.items()},
            "existing": sorted(existing),
            "sender": sender,
            "signer": signer,
        }
        for name, records in WALKS.items()
        for sender, signer in WALKERS
    }
    theirs = node("dmarc.mjs", given=json.dumps(questions))
    different: dict[str, str] = {}
    for name, question in questions.items():
        own = walk(Zone(question["records"], existing), question["sender"], question["signer"])
        if own != theirs[name]:
            different[name] = f"{own} {theirs[name]}"
    assert {name.split()[0] for name in different} == set(WALK_DIFFERENCES), different


def walk(zone: Zone, sender: str, signer: str) -> Facts:
    """Return the policy, and what a signature that passed would amount to."""
    policy = look_up_policy(sender, zone)
    if not policy.policy:
        return {"policy": "", "result": "none"}
    alignment = Alignment(sender, policy, zone)
    possible = alignment.is_possible(signer, strict=policy.strict_dkim)
    aligned = alignment.confirm(signer, possible, AuthResult.PASS)
    return {"policy": policy.policy, "result": "pass" if aligned else "fail"}


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
