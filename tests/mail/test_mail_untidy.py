"""Untidy but honest mail, and beside each leniency the forgeries that it must not let through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import dkim
import pytest

from multimail.trust.evidence import Authentication
from multimail.trust.labels import Label, assess
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dns import MAX_LOOKUPS, DnsUnavailableError
from multimail_server.mail.headers import read_headers
from multimail_server.mail.message import parse_message

Key = tuple[bytes, str]
NOW = datetime(2026, 11, 30, tzinfo=UTC)
AUTHENTICATED, FAILED = Label.AUTHENTICATED, Label.FAILED
UNAUTHENTICATED, UNKNOWN = Label.UNAUTHENTICATED, Label.UNKNOWN
REJECT = {"_dmarc.shop.com": "v=DMARC1; p=reject"}
REST = (
    b"To: bob@example.net\r\nSubject: Lunch\r\nMessage-ID: <1@shop.com>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain\r\n\r\nAt twelve?\r\n"
)
MBOX = b"From ann@shop.com Mon Nov 30 10:00:00 2026\r\n"


class Dns:
    """The key for every selector `r`, and what else a test publishes; `None` is silence."""

    def __init__(self, key: str, records: Mapping[str, str | None]) -> None:
        self.key, self.records = key, records
        self.queries: list[str] = []

    def txt(self, name: str) -> list[bytes]:
        self.queries.append(name)
        text = self.records.get(name, self.key if name.startswith("r._domainkey.") else "")
        if text is None:
            raise DnsUnavailableError("DNS did not answer")
        return [record.encode() for record in text.split("\n") if record]

    def exists(self, name: str) -> bool:
        return False

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


class Mail:
    """A message under construction: `top` goes above what there is, and `sign` signs all of it."""

    def __init__(self, pem: bytes, sender: bytes = b"Ann <ann@shop.com>") -> None:
        self.pem, self.raw = pem, b"From: " + sender + b"\r\n" + REST

    def top(self, lines: bytes) -> Mail:
        self.raw = lines + self.raw
        return self

    def sign(self, domain: bytes = b"shop.com", *, once: bool = False, **more: Any) -> Mail:
        fields = read_headers(self.raw).fields
        names = [field.name.encode() for field in fields if field.name != "dkim-signature"]
        signed = list(dict.fromkeys(names)) if once else names
        selector = more.pop("selector", b"r")
        options = {"canonicalize": (b"relaxed", b"relaxed"), "include_headers": signed} | more
        return self.top(dkim.sign(self.raw, selector, domain, self.pem, **options))


def check(mail: Mail, key: Key, records: Mapping[str, str | None] = REJECT) -> Authentication:
    return authenticate(mail.raw, Dns(key[1], records), now=NOW)


REPEATS = [
    b"To: mallory@evil.com\r\n",
    b"To: bob@example.net\r\n",
    b"Cc: a@shop.com\r\nCc: b@shop.com\r\n",
    b"Message-Id: <2@shop.com>\r\n",
    b"References: <a@shop.com>\r\nreferences: <b@shop.com>\r\n",
    b"MIME-Version: 1.0 (Acme)\r\n",
]


@pytest.mark.parametrize("fields", REPEATS)
def test_a_repeated_field_needs_a_signature_that_covers_each(rsa_key: Key, fields: bytes) -> None:
    def new() -> Mail:
        return Mail(rsa_key[0])

    signed = check(new().top(fields).sign(), rsa_key)
    assert assess(signed).label is AUTHENTICATED
    assert ["occurs 2 times" in flag for flag in signed.flags] == [True]
    forgeries = {
        "added above": new().sign().top(fields),
        "covered once": new().top(fields).sign(once=True),
        "covered by a stranger": new().sign().top(fields).sign(b"evil.com"),
        "signed by a stranger alone": new().top(fields).sign(b"evil.com"),
        "not signed": new().top(fields),
    }
    broken = new().top(fields).sign()
    broken.raw = broken.raw.replace(b"At twelve", b"At eleven")
    for name, mail in (forgeries | {"broken": broken}).items():
        evidence = check(mail, rsa_key)
        assert (assess(evidence).label, evidence.flags) == (FAILED, ()), name
        assert "occurs 2 times" in evidence.structure[0], name
    # Without an answer about the policy nothing is known to be aligned.
    silent: Mapping[str, str | None] = {"_dmarc.shop.com": None}
    mail = new().top(fields).sign(b"mail.shop.com")
    assert assess(check(mail, rsa_key, silent)).label is FAILED


@pytest.mark.parametrize(
    "fields",
    [
        b"From: ann@shop.com\r\n",
        b"Subject: Lunch\r\n",
        b"Reply-To: ann@shop.com\r\nReply-To: ann@shop.com\r\n",
        b"Sender: a@shop.com\r\nSender: b@shop.com\r\n",
        b"Content-Type: text/html\r\n",
        b"In-Reply-To: <a@shop.com>\r\nIn-Reply-To: <b@shop.com>\r\n",
    ],
)
def test_no_signature_excuses_other_repeats(rsa_key: Key, fields: bytes) -> None:
    evidence = check(Mail(rsa_key[0]).top(fields).sign(), rsa_key)
    assert (assess(evidence).label, bool(evidence.structure)) == (FAILED, True)


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        (MBOX, AUTHENTICATED),
        (b">" + MBOX, AUTHENTICATED),
        (MBOX + b">" + MBOX, AUTHENTICATED),
        (b"From - Mon Nov 30 10:00:00 2026\n", AUTHENTICATED),
        (b">From MAILER-DAEMON Mon Nov 30 10:00:00 2026 remote from mx\r\n", AUTHENTICATED),
        (b"From ceo@bank.com Mon Nov 30 10:00:00 2026\r\n", AUTHENTICATED),
        (b"X-Store: 1\r\n" + MBOX, FAILED),
        (MBOX + b" ceo@bank.com\r\n", FAILED),
        (MBOX + b"From: ceo@bank.com\r\n", FAILED),
        (MBOX + b"Subject: Money\r\n", FAILED),
        (MBOX + b"From ceo\r\n", FAILED),
        (b"From : ceo@bank.com 10:00:00\r\n", FAILED),
        (b">From : ceo@bank.com 10:00:00\r\n", FAILED),
        (b">>From ceo@bank.com Mon Nov 30 10:00:00 2026\r\n", FAILED),
        (b"from ceo@bank.com Mon Nov 30 10:00:00 2026\r\n", FAILED),
        (b"From \xe2\x80\xa8\rFrom: ceo@bank.com 10:00\r\n", FAILED),
    ],
)
def test_a_separator_of_a_mail_store_is_no_field(rsa_key: Key, lines: bytes, label: Label) -> None:
    mail = Mail(rsa_key[0]).sign().top(lines)
    evidence = check(mail, rsa_key)
    assert (assess(evidence).label, len(evidence.flags)) == (label, int(label is AUTHENTICATED))
    assert label is FAILED or parse_message(mail.raw).from_address == "ann@shop.com"
    for other in (Mail(rsa_key[0]), Mail(rsa_key[0]).sign(b"evil.com")):
        assert check(other.top(lines), rsa_key).structure


@pytest.mark.parametrize(
    ("record", "label"),
    [
        ("v=DMARC1;; p=reject", AUTHENTICATED),
        ("v=DMARC1;; p=reject; adkim=s", FAILED),
        ("v=DMARC1; word; p=reject; p=reject; adkim=S", FAILED),
        ("v=DMARC1; p=reject; psd=n", AUTHENTICATED),
        ("v=DMARC1; p=reject; psd=y", FAILED),
        ("v=DMARC1; p=quarantine; t=y; psd=y", UNAUTHENTICATED),
        ("v=DMARC1; p=reject; adkim=s; t=y", FAILED),
        ("", AUTHENTICATED),
    ],
)
def test_an_untidy_record_keeps_what_it_says_of_alignment(
    rsa_key: Key, record: str, label: Label
) -> None:
    mail = Mail(rsa_key[0]).sign(b"mail.shop.com")
    assert assess(check(mail, rsa_key, {"_dmarc.shop.com": record})).label is label


SUFFIX = {"_dmarc.host.com": "v=DMARC1; p=reject; psd=y"}
TENANTS = {"_dmarc.github.io": "v=DMARC1; p=reject"}
PART = {**REJECT, "_dmarc.part.shop.com": "v=DMARC1; p=reject; psd=n"}
MIDDLE = {"_dmarc.part.shop.com": "v=DMARC1; p=reject"}


@pytest.mark.parametrize(
    ("sender", "signer", "records", "label"),
    [
        ("one.host.com", "one.host.com", SUFFIX, AUTHENTICATED),
        ("a.one.host.com", "one.host.com", SUFFIX, AUTHENTICATED),
        ("one.host.com", "two.host.com", SUFFIX, FAILED),
        ("one.host.com", "host.com", SUFFIX, FAILED),
        ("one.github.io", "one.github.io", TENANTS, AUTHENTICATED),
        ("one.github.io", "a.one.github.io", TENANTS, AUTHENTICATED),
        ("one.github.io", "two.github.io", TENANTS, FAILED),
        ("one.github.io", "github.io", TENANTS, FAILED),
        ("github.io", "one.github.io", TENANTS, FAILED),
        ("a.part.shop.com", "b.part.shop.com", PART, AUTHENTICATED),
        ("a.part.shop.com", "shop.com", PART, FAILED),
        ("shop.com", "a.part.shop.com", PART, FAILED),
        ("a.part.shop.com", "part.shop.com", MIDDLE, AUTHENTICATED),
        ("a.part.shop.com", "shop.com", MIDDLE, FAILED),
        ("a.shop.com", "b.shop.com", REJECT, AUTHENTICATED),
        ("a.shop.com", "b.shop.com", {}, AUTHENTICATED),
        ("one.github.io", "two.github.io", {}, UNAUTHENTICATED),
        ("shop.com", "com", REJECT, FAILED),
        # Another organisation's record changes nothing.
        ("shop.com", "evil.com", {**REJECT, "_dmarc.com": "v=DMARC1; p=none"}, FAILED),
        ("shop.com", "evil.com", {"_dmarc.com": "v=DMARC1; p=none; psd=n"}, UNAUTHENTICATED),
        ("shop.com", "mail.shop.com", {**REJECT, "_dmarc.com": None}, UNKNOWN),
        ("shop.com", "shop.com", {**REJECT, "_dmarc.com": None}, AUTHENTICATED),
        # Silence of a domain's own servers is no excuse for one that could not be aligned.
        ("one.host.com", "two.host.com", {**SUFFIX, "r._domainkey.two.host.com": None}, FAILED),
        ("shop.com", "evil.com", {**REJECT, "_dmarc.evil.com": None}, FAILED),
    ],
)
def test_the_list_and_the_tree_walk_must_agree(
    rsa_key: Key, sender: str, signer: str, records: Mapping[str, str | None], label: Label
) -> None:
    mail = Mail(rsa_key[0], f"ann@{sender}".encode()).sign(signer.encode())
    assert assess(check(mail, rsa_key, records)).label is label


@pytest.mark.parametrize(
    ("record", "label"),
    [
        ("v=DKIM1;; k=rsa; p={key}", AUTHENTICATED),
        ("; v=DKIM1; k=rsa; p={key}", AUTHENTICATED),
        ("v=DKIM1; k=RSA; p={key};", AUTHENTICATED),
        ("v=DKIM1; k=rsa; p={key}; foo bar", AUTHENTICATED),
        ("the new key; v=DKIM1; p={key}", AUTHENTICATED),
        (" v = DKIM1 ;\tk = rsa ; p = {key} ", AUTHENTICATED),
        ("v=DKIM1;\u00a0k=rsa;\u00a0p={key}", AUTHENTICATED),
        ("v=DKIM1; p={key}; n=one, two; n=three", AUTHENTICATED),
        ('"v=DKIM1; k=rsa; p={key}"', AUTHENTICATED),
        ("v=spf1 -all\nv=DKIM1; p={key}", AUTHENTICATED),
        ("v=DMARC1; p=reject\nv=DKIM1; p={key}\nsite-verification=t", AUTHENTICATED),
        ("v=DKIM1; p={key}\nv=DKIM1; p=", FAILED),
        ("v=DKIM1; p={key}\nv=DKIM1; p={key}; p=", FAILED),
        ("v=DKIM1; p={key}\nv=DKIM1; p={key}", FAILED),
        ("v=DKIM1;; t=y; p={key}", FAILED),
        ("v=DKIM1; foo; t=s:Y; p={key}", FAILED),
        ("v=DKIM1; t=s y; p={key}", FAILED),
        ("v=DKIM1; T=y; p={key}", FAILED),
        ("v=DKIM1;\u00a0t=y; p={key}", FAILED),
        ("v=DKIM1; foo t=y; p={key}", FAILED),
        ('v=DKIM1; "t=y"; p={key}', FAILED),
        ("v=DKIM1; t:y; p={key}", FAILED),
        ("v=DKIM1; n=note t=y; p={key}", FAILED),
        ("v=DKIM1; p={key} t=y", FAILED),
        ("v=DKIM1; p={key}, t=y", FAILED),
        ("v=DKIM1; k=rsa t=y; p={key}", FAILED),
        ("v=DKIM1; t=s; t=y; p={key}", FAILED),
        ("v=DKIM1; p=;; k=rsa", FAILED),
        ("v=DKIM1; p={key}; p=", FAILED),
        ("v=DKIM1; p={key}; P=", FAILED),
        ("v=DKIM1; p={key}; p", FAILED),
        ("v=DKIM1; p; n={key}", FAILED),
        ("v=DKIM1;; h=sha1; p={key}", FAILED),
        ("v=DKIM1; H=sha1; p={key}", FAILED),
        ("v=DKIM1; h=sha256 sha1; p={key}", FAILED),
        ("v=DKIM1; h=; p={key}", FAILED),
        ("v=DKIM1;; s=tlsrpt; p={key}", FAILED),
        ("v=DKIM1; s=; p={key}", FAILED),
        ("v=DKIM1; k=ed25519; p={key}", FAILED),
        ("v=DKIM1; k=; p={key}", FAILED),
        ("v=dkim1; p={key}", FAILED),
        ("v=DKIM2; p={key}", FAILED),
        ("v=DMARC1; p={key}", FAILED),
    ],
)
def test_a_key_record_is_read_leniently_and_loses_no_restriction(
    rsa_key: Key, record: str, label: Label
) -> None:
    text = record.format(key=rsa_key[1].partition("p=")[2])
    records = {**REJECT, "r._domainkey.shop.com": text}
    assert assess(check(Mail(rsa_key[0]).sign(), rsa_key, records)).label is label


def test_a_flag_for_one_domain_alone_survives_a_slip(rsa_key: Key) -> None:
    mail = Mail(rsa_key[0]).sign(identity=b"@sub.shop.com")
    assert assess(check(mail, rsa_key)).label is AUTHENTICATED
    strict = f"v=DKIM1;; t=s; foo; {rsa_key[1].partition(';')[2]}"
    records = {**REJECT, "r._domainkey.shop.com": strict}
    assert assess(check(mail, rsa_key, records)).label is FAILED


def test_a_forger_cannot_use_up_the_queries_about_from(rsa_key: Key) -> None:
    mail = Mail(rsa_key[0])
    for number in range(12):
        deep = b".".join(b"%d" % at for at in range(number, number + 7))
        mail.sign(deep + b".shop.com", selector=b"s%d" % number)
    dns = Dns(rsa_key[1], REJECT)
    assert assess(authenticate(mail.raw, dns, now=NOW)).label is FAILED
    assert len(dns.queries) < MAX_LOOKUPS // 2
    # One who holds keys of many subdomains has them asked about, each name once.
    for number in range(12):
        mail.sign(b"%d.a.b.c.d.e.shop.com" % number)
    dns = Dns(rsa_key[1], REJECT)
    authenticate(mail.raw, dns, now=NOW)
    assert max(Counter(dns.queries).values()) == 1
    assert len(dns.queries) <= MAX_LOOKUPS
