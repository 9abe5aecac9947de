"""The header block: forgeries by structure are found before any signature is believed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimail.trust.evidence import Authentication, AuthResult
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.message import parse_message

Check = Callable[..., Authentication]
Sign = Callable[..., bytes]
REST = b"To: b@example.net\r\nSubject: hi\r\nMIME-Version: 1.0\r\n\r\nbody\r\n"


@pytest.mark.parametrize(
    ("start", "fault"),
    [
        (b"From: a@bank.test\r\nFrom: b@attacker.test\r\n", "From occurs 2 times"),
        (b"From: a@bank.test\r\nfROM: b@attacker.test\r\n", "From occurs 2 times"),
        (b"From : a@bank.test\r\n", "before the colon"),
        (b"From\r\n : a@bank.test\r\n", "not a field"),
        (b" a\r\nFrom: a@bank.test\r\n", "starts with white space"),
        (b"From: a@bank.test, b@attacker.test\r\n", "more than one address"),
        (b"From: a@bank.test b@attacker.test\r\n", "more than one @"),
        (b"From: =?utf-8?q?a=40bank.test?=\r\n", "encoded word"),
        (b"From: =?utf-8?q?a?=@bank.test\r\n", "encoded word"),
        (b"From: <@attacker.test:a@bank.test>\r\n", "source route"),
        (b"From: <x@attacker.test>a@bank.test\r\n", "text after the address"),
        (b"From: <x@attacker.test> <a@bank.test>\r\n", "more than one address"),
        (b"From: a@bank.test <x@attacker.test>\r\n", "two addresses"),
        (b"From: a@bank.test\0\r\n", "NUL"),
        (b"From: a@bank.test\rFrom: x@attacker.test\r\n", "bare CR"),
        (b'From: "a@bank.test"@attacker.test\r\n', "quoted string"),
        (b"From: a@bank.test\\@attacker.test\r\n", "backslash"),
        (b"From: a@b@bank.test\r\n", "more than one @"),
        (b"From: a@[127.0.0.1]\r\n", "not like name@"),
        (b"From: Ann <a@example.com>, b@attacker.test\r\n", "more than one address"),
        (b"From: Ann <a@example.com>; Bob <b@attacker.test>\r\n", "more than one address"),
        (b'From: "a@bank.test", x <x@attacker.test>\r\n', "more than one address"),
        (b"From: =?utf-8?q?a=40bank.test?=, x <x@attacker.test>\r\n", "more than one address"),
        (b"From: a @ bank.test <x@attacker.test>\r\n", "two addresses"),
        (b"From: a@bank, x <x@attacker.test>\r\n", "more than one address"),
        (b"From: a@b@c <x@attacker.test>\r\n", "two addresses"),
        (b"From: @bank.test <x@attacker.test>\r\n", "two addresses"),
        (b"From: =?utf-8?q?<a@bank.test>?= <x@attacker.test>\r\n", "more than one address"),
        (b"From: =?utf-8?q?(?= a@bank.test =?utf-8?q?)?= <x@attacker.test>\r\n", "two addresses"),
        (b"From: <a@bank.test .attacker.test>\r\n", "not like name@"),
        (b"From: <a@bank.test(x).attacker.test>\r\n", "not like name@"),
        (b'From: "a@bank.te"st\r\n', "quoted string"),
        (b"From: a@bank.te st\r\n", "not like name@"),
        ("From: x, a@bank.test\u00fc\r\n".encode(), "more than one address"),
        (b'From: "a\\"@bank.test> <x@attacker.test>\r\n', ""),
        (b"From: <...@bank.test>\r\n", "not like name@"),
        (b"From: a\xff@bank.test\r\n", "not like name@"),
        (b"From: \r\n", "names no address"),
        (b"From: undisclosed\r\n", "names no address"),
        (b"From: a\x01@bank.test\r\n", "control character"),
        (b"From: " + b"a" * 3000 + b"@bank.test\r\n", "longer than"),
        (b"Subject: one\r\nFrom: a@bank.test\r\n", "Subject occurs 2 times"),
        (b"Fr\xc3\xb6m: a@bank.test\r\n", "not a field"),
        (b"From a@bank.test Sat Nov 21\r\nFrom: a@bank.test\r\n", "not a field"),
        (b"", "there is no From"),
        (b"X: y\r\n" * 1100 + b"From: a@bank.test\r\n", "1,000 header fields"),
        (b"X: " + b"y" * 300_000 + b"\r\nFrom: a@bank.test\r\n", "256 KiB"),
        (b"\r\nFrom: a@bank.test\r\n", "there is no From"),
    ],
)
def test_a_forged_header_block_is_named(check: Check, start: bytes, fault: str) -> None:
    evidence = check(start + REST)
    assert any(fault in reason for reason in evidence.structure), evidence.structure
    assert evidence.dmarc
    assert evidence.dmarc.result is AuthResult.PERMERROR


@pytest.mark.parametrize(
    "start",
    [
        b"From : ceo@example.com\r\n",
        b"From: x@attacker.test\r\n",
        b" From: x\r\n",
        b"Subject: other\r\n",
        b"Content-Type: text/html\r\n",
        b"From x\r\n",
    ],
)
def test_nothing_added_on_top_of_signed_mail_lets_it_pass(
    signed: Sign, check: Check, start: bytes
) -> None:
    evidence = check(start + signed())
    assert not [signature for signature in evidence.dkim if signature.result is AuthResult.PASS]


@pytest.mark.parametrize(
    ("value", "address", "name"),
    [
        (b"a@example.com", "a@example.com", ""),
        (b"<a@example.com>", "a@example.com", ""),
        (b"Ann B. Smith <a@example.com>", "a@example.com", "Ann B. Smith"),
        (b'"Smith, Ann \\"A\\"" <a@example.com>', "a@example.com", 'Smith, Ann "A"'),
        (b"=?utf-8?q?Ann_=C3=9C?= <a@example.com>", "a@example.com", "Ann Ü"),
        (b"a@example.com (Ann (the one))", "a@example.com", "Ann (the one)"),
        (b"(Ann) <a@example.com> (x)", "a@example.com", "Ann"),
        (b"Taro <taro..y.@docomo.example>", "taro..y.@docomo.example", "Taro"),
        (b'Taro <".taro.."@docomo.example>', ".taro..@docomo.example", "Taro"),
        (b'"ann b"@example.com', '"ann b"@example.com', ""),
        (b"Smith, Ann <a@example.com>", "a@example.com", "Smith, Ann"),
        (b"=?utf-8?q?Smith,_Ann_(Sales)?= <a@example.com>", "a@example.com", "Smith, Ann (Sales)"),
        (b'"Smith, Ann" Sales: EMEA <a@example.com>', "a@example.com", "Smith, Ann Sales: EMEA"),
        (b"Re: Ann <a@example.com>", "a@example.com", "Re: Ann"),
        (b"Ann <a@example.com>;", "a@example.com", "Ann"),
        (b"a@example.com,", "a@example.com", ""),
        (b"friends: a@example.com;", "a@example.com", "friends"),
        (b"<a@example.com> Ann", "a@example.com", "Ann"),
        (b"Ann <<a@example.com>>", "a@example.com", "Ann"),
        (b"Ann <a@example.com", "a@example.com", "Ann"),
        (b"Ann a@example.com", "a@example.com", "Ann"),
        (b"Ann <a@example.com.>", "a@example.com", "Ann"),
        (b'"Ann <a@example.com>', "a@example.com", "Ann"),
        (b'"Ann <a@example.com>"', "a@example.com", "Ann"),
        (b"a@example.com (Ann", "a@example.com", "Ann"),
        (b'Ann "Bee <a@example.com>', "a@example.com", "Ann Bee"),
        (b"Ann @ Work <a@example.com>", "a@example.com", "Ann @ Work"),
        (b"Ann@Work <a@example.com>", "a@example.com", "Ann@Work"),
        (b"@ann <a@example.com>", "a@example.com", "@ann"),
        (b"'a@example.com' <a@example.com>", "a@example.com", "'a@example.com'"),
        (b"Ann <mailto:a@example.com>", "a@example.com", "Ann"),
        (b"Ann < a @ example.com >", "a@example.com", "Ann"),
        (b"Ann <a@example.com>, Ann <A@example.com>", "a@example.com", "Ann"),
        (
            "a@b\u00fccher.example <a@b\u00fccher.example>".encode(),
            "a@xn--bcher-kva.example",
            "a@b\u00fccher.example",
        ),
        (b"a@Example.COM <A@example.com>", "A@example.com", "a@Example.COM"),
        (b'"a@bank.test" <x@attacker.test>', "x@attacker.test", "a@bank.test"),
        (b"[Shop] News <n@example.com>", "n@example.com", "[Shop] News"),
        ("Jörg <jörg@bücher.example>".encode(), "jörg@xn--bcher-kva.example", "Jörg"),
        (b"Ann\r\n <a@example.com>", "a@example.com", "Ann"),
    ],
)
def test_an_honest_from_is_read(check: Check, value: bytes, address: str, name: str) -> None:
    raw = b"From: " + value + b"\r\n" + REST
    assert check(raw).structure == ()
    message = parse_message(raw)
    assert (message.from_address, message.from_name) == (address, name)


def test_a_mime_field_may_be_repeated_with_one_value(check: Check) -> None:
    head = b"From: a@example.com\r\nContent-Type: text/plain\r\n"
    assert check(head + b"content-type:  text/plain \r\n" + REST).structure == ()
    assert check(head + b"Content-Type: text/html\r\n" + REST).structure


class NoDns:
    def txt(self, name: str) -> list[bytes]:
        return [b"v=DKIM1; p=AAAA", b"\xff;=;"] if len(name) % 2 else [b"v=DKIM1; k=rsa; p=MAA="]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.binary(max_size=400),
    st.integers(0, 600),
    st.sampled_from([b"", b"\r\n", b"\r", b"\0", b":", b" ", b";", b"=?", b"<", b'"', b"\n\n"]),
)
def test_no_bytes_make_it_raise(junk: bytes, at: int, extra: bytes) -> None:
    raw = (
        b"DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1; h=from:to:subject;\r\n"
        b" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
        b"From: A <a@example.com>\r\nTo: b@example.net\r\nSubject: x\r\n\r\nhello\r\n"
    )
    for attempt in (junk, raw[:at] + extra + junk[:20] + raw[at:], raw[:at] + raw[at + 3 :]):
        evidence = authenticate(attempt, NoDns())
        assert all(signature.result is not AuthResult.PASS for signature in evidence.dkim)
        parse_message(attempt)
