"""DKIM and DMARC: a pass is never false, and what is no pass says why."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import dkim
import pytest

from multimail.trust.evidence import Authentication, AuthResult
from multimail_server.mail.auth.authenticate import MAX_KEYS, MAX_SIGNATURES, authenticate
from multimail_server.mail.auth.dkim_crypto import load_private_key, sign_digest
from multimail_server.mail.auth.dns import DnsUnavailableError
from multimail_server.mail.compose import compose

Check = Callable[..., Authentication]
Sign = Callable[..., bytes]
Key = tuple[bytes, str]
REJECT = {"_dmarc__example__com": "v=DMARC1; p=reject"}


def own_signature(raw: bytes, key: Key, **changes: object) -> bytes:
    """Sign without our own care, as careless senders do: `headers`, `l`, `identity`, `domain`."""
    pem = key[0]
    domain = str(changes.get("domain", "example.com"))
    signer = dkim.DKIM(
        raw, signature_algorithm=str(changes.get("algorithm", "rsa-sha256")).encode()
    )
    identity = changes.get("identity")
    field: bytes = signer.sign(
        b"s1",
        domain.encode(),
        pem,
        identity=str(identity).encode() if identity else None,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=changes.get("headers", [b"from", b"to", b"subject", b"content-type"]),
        length=bool(changes.get("l")),
    )
    return field + raw


def find_header(raw: bytes, name: bytes) -> bytes:
    match = re.search(rb"^%s:(?:.*\r\n)(?:[ \t].*\r\n)*" % name, raw, re.MULTILINE)
    assert match
    return match[0]


class SilentDns:
    def __init__(self, silent: str, records: dict[str, str] | None = None) -> None:
        self.silent = silent
        self.records = records or {}

    def txt(self, name: str) -> list[bytes]:
        if self.silent in name:
            raise DnsUnavailableError(name)
        records = self.records.get(name)
        return [] if records is None else [records.encode()]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        raise DnsUnavailableError(f"{kind} of {name}")


def the_one(evidence: Authentication) -> tuple[AuthResult, bool | None, str]:
    (signature,) = evidence.dkim
    return signature.result, signature.aligned, signature.reason


def test_an_aligned_signature_passes(signed: Sign, check: Check) -> None:
    evidence = check(signed(), **REJECT)
    assert the_one(evidence) == (AuthResult.PASS, True, "")
    assert evidence.structure == ()
    assert evidence.dmarc
    assert (evidence.dmarc.result, evidence.dmarc.policy) == (AuthResult.PASS, "reject")
    assert evidence.spf is None
    assert evidence.arc is None


def test_an_rsa_signature_passes(signed: Sign, check: Check, rsa_key: Key) -> None:
    evidence = check(signed(pem=rsa_key[0]), record=rsa_key[1])
    assert the_one(evidence)[0] is AuthResult.PASS


def test_a_subdomain_is_aligned_unless_the_policy_is_strict(signed: Sign, check: Check) -> None:
    raw = signed(domain="mail.example.com")
    assert the_one(check(raw, "mail.example.com", **REJECT))[:2] == (AuthResult.PASS, True)
    strict = {"_dmarc__example__com": "v=DMARC1; p=reject; adkim=s"}
    evidence = check(raw, "mail.example.com", **strict)
    assert the_one(evidence)[:2] == (AuthResult.PASS, False)
    assert evidence.dmarc
    assert evidence.dmarc.result is AuthResult.FAIL


def test_another_domain_is_not_aligned(signed: Sign, check: Check) -> None:
    evidence = check(signed(domain="attacker.test"), "attacker.test", **REJECT)
    assert the_one(evidence)[:2] == (AuthResult.PASS, False)
    assert evidence.dmarc
    assert evidence.dmarc.result is AuthResult.FAIL


@pytest.mark.parametrize(
    ("sender", "domain", "aligned"),
    [
        ("a@legit.co-op.com", "legit.co", False),
        ("a@one.github.io", "two.github.io", False),
        ("a@x.one.github.io", "one.github.io", True),
        ("a@shop.co.uk", "other.co.uk", False),
        ("a@shop.co.uk", "mail.shop.co.uk", True),
        ("a@EXAMPLE.com", "example.COM", True),
        ("a@notexample.com", "example.com", False),
        ("a@example.com.attacker.test", "example.com", False),
    ],
)
def test_alignment_follows_the_public_suffix_list(
    make: Callable[..., object], signed: Sign, check: Check, sender: str, domain: str, aligned: bool
) -> None:
    raw = compose(make(from_address=sender))  # type: ignore[arg-type]
    assert the_one(check(signed(raw, domain), domain))[:2] == (AuthResult.PASS, aligned)


def test_a_changed_body_or_subject_fails(signed: Sign, check: Check) -> None:
    raw = signed()
    body = raw.replace(b"lunch", b"money")
    assert the_one(check(body))[0::2] == (AuthResult.FAIL, "the body was changed after signing")
    subject = raw.replace(b"Subject: Lunch", b"Subject: Money")
    assert the_one(check(subject))[0] is AuthResult.FAIL


def test_no_signature_is_no_evidence(make: Callable[..., object], check: Check) -> None:
    raw = compose(make())  # type: ignore[arg-type]
    assert check(raw).dkim == ()
    evidence = check(raw, **REJECT)
    assert evidence.dmarc
    assert (evidence.dmarc.result, evidence.dmarc.domain) == (AuthResult.FAIL, "example.com")
    none = check(raw).dmarc
    assert none
    assert (none.result, none.policy) == (AuthResult.NONE, "")


def test_one_good_signature_of_two_is_enough(signed: Sign, check: Check) -> None:
    broken = signed().replace(b"d=example.com", b"d=other.test", 1)
    raw = broken[: broken.index(b"Message-ID:")] + signed()
    results = [(s.domain, s.result) for s in check(raw, "example.com", "other.test").dkim]
    # The aligned one comes first, though it stands below.
    assert results == [("example.com", AuthResult.PASS), ("other.test", AuthResult.FAIL)]


def test_aligned_signatures_come_first_however_many_there_are(
    signed: Sign, check: Check, key: Key
) -> None:
    raw = signed()
    own = raw[: raw.index(b"Message-ID:")]
    foreign = [own.replace(b"d=example.com", b"d=f%d.test" % at, 1) for at in range(30)]
    broken = own.replace(b"bh=", b"x-tag=1; bh=", 1)
    dns = SilentDns("silent", {"s1._domainkey.example.com": key[1]})
    evidence = authenticate(b"".join([*foreign, broken * 30]) + raw, dns)
    results = [signature.result for signature in evidence.dkim if signature.aligned]
    assert results == [AuthResult.FAIL] * 30 + [AuthResult.PASS]
    assert len({signature.domain for signature in evidence.dkim}) == MAX_KEYS
    assert len(authenticate(own * 99 + raw, dns).dkim) == MAX_SIGNATURES


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"l": True}, "part of the body"),
        ({"headers": [b"from", b"to", b"content-type"]}, "does not cover the field Subject"),
        ({"algorithm": "rsa-sha1"}, "SHA-1"),
        ({"domain": "com"}, "public suffix"),
        ({"domain": "co.uk"}, "public suffix"),
    ],
)
def test_a_signature_that_leaves_a_hole_is_policy(
    make: Callable[..., object], rsa_key: Key, check: Check, change: dict[str, object], reason: str
) -> None:
    raw = own_signature(compose(make()), rsa_key, **change)  # type: ignore[arg-type]
    domain = str(change.get("domain", "example.com"))
    result, _, why = the_one(check(raw, domain, record=rsa_key[1]))
    assert result is AuthResult.POLICY
    assert reason in why


GMAIL_LIKE = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version"]


def test_a_content_type_outside_of_the_signature_may_only_be_what_the_body_shows(
    make: Callable[..., object], rsa_key: Key, check: Check
) -> None:
    raw = own_signature(compose(make()), rsa_key, headers=GMAIL_LIKE)  # type: ignore[arg-type]
    assert the_one(check(raw, record=rsa_key[1]))[0] is AuthResult.PASS


@pytest.mark.parametrize(
    "swapped",
    [
        b"text/html; charset=utf-8",
        b'multipart/mixed; boundary="other"',
        b"text/plain; charset=utf-7",
        b"multipart/x-mixed-replace; boundary=x",
        b"message/rfc822",
        b"text/plain",
        b"text/plain; charset=utf-8",
        b"",
    ],
)
def test_a_swapped_content_type_is_policy(
    make: Callable[..., object], rsa_key: Key, check: Check, swapped: bytes
) -> None:
    raw = own_signature(compose(make()), rsa_key, headers=GMAIL_LIKE)  # type: ignore[arg-type]
    start = raw.index(b"Content-Type:")
    end = raw.index(b"\r\n\r\n", start)
    field = raw[start:end]
    forged = raw.replace(field, b"Content-Type: " + swapped, 1)
    result, _, why = the_one(check(forged, record=rsa_key[1]))
    assert (result, why) == (AuthResult.POLICY, "it does not cover the field Content-Type")


@pytest.mark.parametrize(
    "body",
    [
        b"a preamble\r\n--b\r\n\r\none\r\n--b--\r\nan epilogue\r\n",
        b"--b \r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b-- \r\n",
        b"\r\n <!DOCTYPE html><!-- pay -->\r\n",
        b"<HTML><body>x</body></html>\r\n",
    ],
)
@pytest.mark.parametrize("kind", [b"", b"Content-Type: text/plain\r\n"])
def test_a_type_that_was_taken_away_does_not_show_the_source(
    rsa_key: Key, check: Check, body: bytes, kind: bytes
) -> None:
    rest = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\n"
    signed = own_signature(rest + body, rsa_key, headers=[b"from", b"to", b"subject"])
    result, _, why = the_one(check(kind + signed, record=rsa_key[1]))
    assert (result, why) == (AuthResult.POLICY, "it does not cover the field Content-Type")
    named = [b"from", b"to", b"subject", b"content-type"]
    signed = own_signature(rest + body, rsa_key, headers=named)
    assert the_one(check(signed, record=rsa_key[1]))[0] is AuthResult.PASS


def test_dashes_in_a_text_are_text(rsa_key: Key, check: Check) -> None:
    text = b"-- \r\nAnn\r\n---\r\n-----\r\n--more\r\n--other--\r\n<html> is a tag\r\n"
    raw = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\n" + text
    signed = own_signature(raw, rsa_key, headers=[b"from", b"to", b"subject"])
    assert the_one(check(signed, record=rsa_key[1]))[0] is AuthResult.PASS


def test_an_added_html_type_is_policy(rsa_key: Key, check: Check) -> None:
    bare = b"From: a@example.com\r\nTo: b@example.net\r\nSubject: x\r\n\r\n<b>pay</b>\r\n"
    signed = own_signature(bare, rsa_key, headers=[b"from", b"to", b"subject"])
    assert the_one(check(signed, record=rsa_key[1]))[0] is AuthResult.PASS
    added = b"Content-Type: text/html\r\n" + signed
    assert the_one(check(added, record=rsa_key[1]))[0] is AuthResult.POLICY


@pytest.mark.parametrize(
    ("head", "signed", "added", "covers"),
    [
        (b"Reply-To: r@example.com\r\n", b"from:subject:reply-to", b"", "from reply-to subject"),
        (b"", b"from:subject", b"Reply-To: x@attacker.test\r\n", "from subject"),
        (b"Cc: c@x\r\n", b"from:subject", b"", "from subject"),
        (
            b"List-Post: a\r\nLIST-POST: b\r\n",
            b"from:subject:list-post:list-post",
            b"",
            "from list-post subject",
        ),
        (b"List-Post: a\r\n", b"from:subject:list-post", b"List-Post: b\r\n", "from subject"),
        (b"To: t@x\r\n", b"From:SUBJECT:to:cc:reply-to", b"", "from subject to"),
    ],
)
def test_a_signature_names_the_fields_that_it_covers(
    rsa_key: Key, check: Check, head: bytes, signed: bytes, added: bytes, covers: str
) -> None:
    raw = b"From: a@example.com\r\nSubject: x\r\n" + head + b"\r\nHello.\r\n"
    evidence = check(added + own_signature(raw, rsa_key, headers=signed.split(b":")),
                     record=rsa_key[1])  # fmt: skip
    assert the_one(evidence)[0] is AuthResult.PASS
    assert " ".join(evidence.dkim[0].covers) == covers


def test_a_signature_that_does_not_verify_covers_nothing(signed: Sign, check: Check) -> None:
    assert check(signed().replace(b"\r\n\r\n", b"\r\n\r\nP.S. ")).dkim[0].covers == ()


def test_from_must_be_signed(signed: Sign, check: Check) -> None:
    raw = signed()
    start, end = raw.index(b"h="), raw.index(b"bh=")
    without = raw[:start] + raw[start:end].replace(b"from", b"x-no") + raw[end:]
    assert the_one(check(without))[0::2] == (AuthResult.POLICY, "it does not cover the field From")


def test_a_signature_expires_by_the_clock_of_the_server(signed: Sign, key: Key) -> None:
    raw = signed()
    match = re.search(rb"; t=(\d+);", raw)
    assert match
    signed_at = datetime.fromtimestamp(int(match[1]), UTC)
    ends = b"; x=%d" % (int(match[1]) + 3600)
    limited = raw.replace(b"; q=dns/txt;", ends + b"; q=dns/txt;", 1)
    dns = SilentDns("silent", {"s1._domainkey.example.com": key[1]})

    def judged(age: timedelta) -> tuple[AuthResult, str]:
        result, _, reason = the_one(authenticate(limited, dns, now=signed_at + age))
        return result, reason

    assert judged(timedelta(minutes=61)) == (AuthResult.POLICY, "it has expired")
    in_time = (AuthResult.FAIL, "the signature does not match the header")
    assert judged(timedelta(minutes=59)) == judged(timedelta(days=-300)) == in_time


@pytest.mark.parametrize(("signed_at", "expires_at"), [(10, 10), (20, 10)])
def test_a_signature_that_never_was_valid_is_permerror(
    signed: Sign, check: Check, signed_at: int, expires_at: int
) -> None:
    raw = re.sub(rb"; t=\d+;", b"; t=%d; x=%d;" % (signed_at, expires_at), signed(), count=1)
    assert the_one(check(raw))[0::2] == (AuthResult.PERMERROR, "it expires before it was made")


def test_old_times_are_valid_when_the_server_clock_is_old(
    key: Key, make: Callable[..., object]
) -> None:
    plain = compose(make())  # type: ignore[arg-type]
    field = (
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=example.com; s=s1;\r\n"
        b" t=946684800; x=946771200; h=from:to:subject:content-type; bh=%s; b="
    )
    body = plain.partition(b"\r\n\r\n")[2]
    unsigned = field % base64.b64encode(hashlib.sha256(body).digest())
    covered = [find_header(plain, name) for name in (b"From", b"To", b"Subject", b"Content-Type")]
    digest = hashlib.sha256(b"".join(covered) + unsigned).digest()
    signature = sign_digest(digest, load_private_key(key[0]))
    raw = unsigned + base64.b64encode(signature) + b"\r\n" + plain
    dns = SilentDns("silent", {"s1._domainkey.example.com": key[1]})
    then = datetime(2000, 1, 1, 12, tzinfo=UTC)
    assert the_one(authenticate(raw, dns, now=then))[0::2] == (AuthResult.PASS, "")
    assert the_one(authenticate(raw, dns))[0::2] == (AuthResult.POLICY, "it has expired")


@pytest.mark.parametrize(
    ("tags", "result", "reason"),
    [
        ("t=y; ", AuthResult.POLICY, "only tests its key"),
        ("t=s:y; ", AuthResult.POLICY, "only tests its key"),
        ("h=sha1; ", AuthResult.POLICY, "does not allow SHA-256"),
        ("h=sha1:sha256; ", AuthResult.PASS, ""),
        ("t=s; ", AuthResult.PASS, ""),
        ("s=tlsrpt; ", AuthResult.PERMERROR, "not for mail"),
        ("s=email; ", AuthResult.PASS, ""),
    ],
)
def test_what_the_key_record_says_is_obeyed(
    signed: Sign, check: Check, key: Key, tags: str, result: AuthResult, reason: str
) -> None:
    got, _, why = the_one(check(signed(), record=key[1].replace("k=", f"{tags}k=", 1)))
    assert got is result
    assert reason in why


def test_a_key_for_one_domain_does_not_sign_for_a_subdomain(
    make: Callable[..., object], rsa_key: Key, check: Check
) -> None:
    raw = own_signature(compose(make()), rsa_key, identity="@sub.example.com")  # type: ignore[arg-type]
    assert the_one(check(raw, record=rsa_key[1]))[0] is AuthResult.PASS
    result, _, why = the_one(check(raw, record=rsa_key[1].replace("k=", "t=s; k=", 1)))
    assert (result, why) == (AuthResult.POLICY, "the key forbids signing for a subdomain")


@pytest.mark.parametrize(
    "record",
    ["v=DKIM1; k=ed25519; p=", "v=DKIM1; k=rsa; p=AAAA", "v=DKIM2; k=ed25519; p=AAAA", "p"],
)
def test_a_revoked_or_broken_key_is_no_pass(signed: Sign, check: Check, record: str) -> None:
    assert the_one(check(signed(), record=record))[0] in {AuthResult.PERMERROR, AuthResult.FAIL}


def test_a_short_key_is_no_pass(signed: Sign, check: Check, key: Key) -> None:
    junk = key[1][:-8] + "!" * 8
    assert the_one(check(signed(), record=junk))[0] is not AuthResult.PASS


def test_silent_dns_is_temperror_and_not_fail(signed: Sign, key: Key) -> None:
    records = {"_dmarc.example.com": "v=DMARC1; p=reject"}
    evidence = authenticate(signed(), SilentDns("_domainkey", records))
    assert the_one(evidence)[:2] == (AuthResult.TEMPERROR, True)
    assert evidence.dmarc
    assert evidence.dmarc.result is AuthResult.TEMPERROR
    no_policy = authenticate(signed(), SilentDns("_dmarc", {"s1._domainkey.example.com": key[1]}))
    assert the_one(no_policy)[:2] == (AuthResult.PASS, True)
    assert no_policy.dmarc
    assert no_policy.dmarc.result is AuthResult.TEMPERROR


def test_without_the_policy_a_subdomain_is_neither_aligned_nor_not(signed: Sign, key: Key) -> None:
    dns = SilentDns("_dmarc", {"s1._domainkey.mail.example.com": key[1]})
    assert the_one(authenticate(signed(domain="mail.example.com"), dns))[1] is None


def test_silence_about_a_strangers_key_excuses_nothing(signed: Sign) -> None:
    dns = SilentDns("attacker", {"_dmarc.example.com": "v=DMARC1; p=reject"})
    evidence = authenticate(signed(domain="attacker.test"), dns)
    assert the_one(evidence)[:2] == (AuthResult.TEMPERROR, False)
    assert evidence.dmarc
    assert evidence.dmarc.result is AuthResult.FAIL


def test_a_message_of_many_blanks_is_verified_in_linear_time(
    make: Callable[..., object], signed: Sign, check: Check
) -> None:
    raw = signed(compose(make()) + b" " * 300_000 + b".\r\n")  # type: ignore[arg-type]
    assert the_one(check(raw))[0] is AuthResult.PASS
