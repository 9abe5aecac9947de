"""Hostile mail and hostile DNS: nothing raises, and nothing made of junk ever passes."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimail.trust.evidence import AuthResult
from multimail.trust.labels import Label, assess
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dns import MAX_LOOKUPS, DnsUnavailableError
from multimail_server.mail.envelope import SmtpEnvelope
from multimail_server.mail.message import parse_message
from multimail_server.mail.scoring import Arrival, find_flags

HASH = b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
TAGS = (
    b"v=1", b"a=rsa-sha256", b"a=ed25519-sha256", b"d=example.com", b"d=com", b"s=s1", b"i=1",
    b"i=2", b"i=@example.com", b"h=from:subject:to", b"h=arc-seal", b"bh=" + HASH, b"b=AAAA",
    b"cv=none", b"cv=pass", b"c=relaxed", b"c=simple/simple", b"l=1", b"x=9", b"t=99999999999",
    b"q=dns/txt", b"\xff=\x80", b"=", b"lists.example", b"dkim=pass",
)  # fmt: skip
NAMES = (
    b"DKIM-Signature", b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results",
    b"Authentication-Results", b"From", b"To", b"Subject", b"Message-ID", b"Date", b"Reply-To",
    b"Content-Type",
)  # fmt: skip
RECORDS = (
    b"v=DKIM1; p=AAAA", b"v=DKIM1; k=ed25519; p=" + HASH, b"v=DKIM1; p=", b"v=DMARC1; p=reject",
    b"v=DMARC1; p=none; adkim=s; aspf=s", b"v=spf1 ptr:%{p} mx exists:%{ir}.%{l1r-}.%{d2} -all",
    b"v=spf1 include:%{o} redirect=%{h} exp=%{c}", b"v=spf1 a:%", b"v=spf1 \xff", b"v=spf1 a//129",
)  # fmt: skip
ADDRESSES = (
    "a@example.com",
    "",
    "@",
    "a@b@c",
    "\u00fc@\u00fc.example",
    "%{l}@example.com",
    "a\0@b.c",
)

values = st.one_of(
    st.lists(st.sampled_from(TAGS), max_size=12).map(b"; ".join),
    st.binary(max_size=60),
    st.sampled_from([b"a@example.com", b'"x@y.z" <a@example.com>', b"=?utf-8?q?=40?= <a@b.c>"]),
)
fields = st.tuples(st.sampled_from(NAMES), values).map(lambda pair: b"%s: %s\r\n" % pair)
HONEST = b"From: ann@example.com\r\n"
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class Junk:
    """DNS that gives back whatever was drawn for a test, or is silent."""

    def __init__(self, records: list[bytes]) -> None:
        self.records = records

    def txt(self, name: str) -> list[bytes]:
        if not self.records:
            raise DnsUnavailableError("DNS did not answer")
        return self.records

    def exists(self, name: str) -> bool:
        return bool(self.txt(name))

    def hosts(self, name: str, kind: str) -> list[str]:
        self.txt(name)
        return {"A": ["192.0.2.9"], "AAAA": ["2001:db8::9"]}.get(kind, ["x.example", "", "\xff"])


@SETTINGS
@given(
    st.lists(fields, max_size=8).map(b"".join),
    st.binary(max_size=50),
    st.lists(st.sampled_from(RECORDS) | st.binary(max_size=40), max_size=3),
    st.sampled_from(ADDRESSES) | st.text(max_size=30),
    st.sampled_from(["192.0.2.1", "2001:db8::1", "", "junk", "::ffff:192.0.2.1"]),
    st.sampled_from(["mx.example.com", "[192.0.2.1]", "", "\u00fc", "a..b"]),
    st.booleans(),
)
def test_no_mail_and_no_dns_make_it_raise_or_pass(
    head: bytes,
    body: bytes,
    records: list[bytes],
    mail_from: str,
    peer: str,
    helo: str,
    honest: bool,
) -> None:
    raw = (HONEST if honest else b"") + head + b"\r\n" + body
    evidence = authenticate(raw, Junk(records), SmtpEnvelope(mail_from, (), peer, helo))
    assert all(signature.result is not AuthResult.PASS for signature in evidence.dkim)
    assert not evidence.arc or evidence.arc.result is not AuthResult.PASS
    assert not evidence.spf or evidence.spf.result is not AuthResult.PASS
    assert assess(evidence).label not in (Label.AUTHENTICATED, Label.AUTHENTICATED_PATH)
    evidence.model_dump_json()
    flags = find_flags(
        parse_message(raw), Arrival("a@example.com", datetime(2026, 11, 21, tzinfo=UTC))
    )
    assert all(text.isascii() and len(text) < 80 for text in flags)


class Many:
    """A domain of nine mail servers for each of its names, within the limits of SPF itself."""

    def __init__(self) -> None:
        self.queries = 0

    def txt(self, name: str) -> list[bytes]:
        self.queries += 1
        if name == "_dmarc.example.com":
            return [b"v=DMARC1; p=reject"]
        mechanisms = " ".join(f"mx:{number}.attacker.test" for number in range(10))
        return [f"v=spf1 {mechanisms} -all".encode()] if name == "attacker.test" else []

    def exists(self, name: str) -> bool:
        return bool(self.txt(name))

    def hosts(self, name: str, kind: str) -> list[str]:
        self.queries += 1
        return [f"{number}.{name}" for number in range(9)] if kind == "MX" else ["198.51.100.1"]


def test_a_used_up_budget_is_temperror_and_says_so() -> None:
    raw = b"From: ann@example.com\r\n\r\nhi\r\n"
    envelope = SmtpEnvelope("a@attacker.test", (), "192.0.2.1", "attacker.test")
    dns = Many()
    evidence = authenticate(raw, dns, envelope)
    assert evidence.spf
    assert evidence.spf.result is AuthResult.TEMPERROR
    assert evidence.spf.reason == "the DNS look-ups allowed for one message are used up"
    assert assess(evidence).label is Label.FAILED
    assert (
        dns.queries == MAX_LOOKUPS + 2
    )  # two are for the domain in From: _dmarc.example.com, .com


class EndlessDns:
    """A domain whose every record is as long as the limits let it be, and names more domains."""

    def __init__(self, term: str) -> None:
        self.record = ("v=spf1 include:x.%{d} " + term * (8000 // len(term)))[:8190].encode()
        self.queries = 0

    def txt(self, name: str) -> list[bytes]:
        self.queries += 1
        return [] if name.startswith("_dmarc") else [self.record]

    def exists(self, name: str) -> bool:
        return bool(self.txt(name))

    def hosts(self, name: str, kind: str) -> list[str]:
        self.queries += 1
        return [f"{number}.{name}"[-250:] for number in range(20)]


def test_a_domain_cannot_have_the_server_ask_without_end() -> None:
    raw = b"From: ann@example.com\r\n\r\nhi\r\n"
    envelope = SmtpEnvelope("a@attacker.test", (), "192.0.2.1", "attacker.test")
    for term in ("mx:%{d} ", "a:" + "a" * 500 + " ", "exists:" + "%{s}" * 100 + " ", "ptr "):
        dns = EndlessDns(term)
        evidence = authenticate(raw, dns, envelope)
        assert evidence.spf
        assert evidence.spf.result is AuthResult.PERMERROR
        assert dns.queries <= 60
