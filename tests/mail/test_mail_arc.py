"""ARC: a chain passes only whole, and only with the words and the sealer that it began with."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256

import dkim
import pytest

from multimail.trust.evidence import ArcEvidence, AuthResult
from multimail.trust.labels import Label, assess
from multimail_server.mail.auth import dkim_crypto
from multimail_server.mail.auth.arc import check_arc
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dkim_crypto import CanonicalMessage
from multimail_server.mail.auth.dns import DnsUnavailableError
from multimail_server.mail.headers import Field, read_headers

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Key = tuple[bytes, str]
Seal = Callable[..., bytes]
FIELDS = [b"from", b"to", b"subject", b"message-id", b"mime-version", b"content-type"]
PLAIN = (
    b"From: ann@example.com\r\nTo: bob@example.net\r\nSubject: Lunch\r\n"
    b"Message-ID: <one@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
    b"Shall  we   have lunch?\r\n"
)


class SealerDns:
    """Publishes a key for every sealer, unless it is silent about a name."""

    def __init__(self, record: str, silent: str = "nobody") -> None:
        self.record, self.silent = record, silent
        self.queries: list[str] = []

    def txt(self, name: str) -> list[bytes]:
        self.queries.append(name)
        if self.silent in name:
            raise DnsUnavailableError("DNS did not answer")
        if name.startswith("_dmarc."):
            return [b"v=DMARC1; p=reject"] if name == "_dmarc.example.com" else []
        return [self.record.encode()]

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


@pytest.fixture
def seal(rsa_key: Key) -> Seal:
    """Add an ARC set, as `domain` would that has checked the message before."""

    def add(raw: bytes, domain: bytes = b"list.example", fields: list[bytes] = FIELDS) -> bytes:
        result = b"pass" if b"ARC-Seal" in raw else b"none"
        results = b"Authentication-Results: %s; arc=%s; dkim=pass header.d=example.com\r\n"
        lines = dkim.arc_sign(
            results % (domain, result) + raw, b"s1", domain, rsa_key[0], domain,
            include_headers=fields,
        )  # fmt: skip
        assert len(lines) == 3
        return b"".join(lines) + raw

    return add


def checked(raw: bytes, dns: SealerDns) -> ArcEvidence:
    result = check_arc(CanonicalMessage(raw, read_headers(raw)), dns, NOW)
    assert result is not None
    return result


def reason(evidence: ArcEvidence) -> str:
    return str(evidence.model_dump()["reason"])


def test_a_whole_chain_passes_and_names_its_last_sealer(seal: Seal, rsa_key: Key) -> None:
    raw = PLAIN
    for count in range(1, 4):
        raw = seal(raw, b"list%d.example" % count)
        result = checked(raw, SealerDns(rsa_key[1]))
        assert (result.result, result.sealer) == (AuthResult.PASS, f"list{count}.example")
        assert reason(result) == ""


def test_mail_without_a_chain_has_no_arc(rsa_key: Key) -> None:
    message = CanonicalMessage(PLAIN, read_headers(PLAIN))
    assert check_arc(message, SealerDns(rsa_key[1]), NOW) is None
    assert authenticate(PLAIN, SealerDns(rsa_key[1])).arc is None


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"Shall", b"Shalt"),
        (rb"Subject: Lunch", b"Subject: Money"),
        (rb"dkim=pass", b"dkim=fail"),
        (rb"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results: i=1; spf=pass;"),
        (rb"cv=none", b"cv=pass"),
        (rb"cv=pass", b"cv=none"),
        (rb"cv=pass", b"cv=fail"),
        (rb"ARC-Seal: i=1", b"ARC-Seal: i=3"),
        (rb"ARC-Seal: i=1", b"ARC-Seal: i=2"),
        (rb"ARC-Seal: i=1", b"ARC-Seal: i=0"),
        (rb"ARC-Seal: i=1", b"ARC-Seal: i=999999999999999999999"),
        (rb"ARC-Seal: i=1; ", b"ARC-Seal: "),
        (rb"ARC-Seal: i=1", b"ARC-Seal: x=1; i=1"),
        (rb"ARC-Seal: i=1", b"X-Other: i=1"),
        (rb"ARC-Message-Signature: i=1", b"X-Other: i=1"),
        (rb"ARC-Authentication-Results: i=1", b"X-Other: i=1"),
        (rb"ARC-Message-Signature: i=2; ", b"ARC-Message-Signature: i=2; l=10; "),
        (rb"ARC-Message-Signature: i=2; ", b"ARC-Message-Signature: i=2; i=2; "),
        (rb"ARC-Message-Signature: i=2; a=rsa-sha256", b"ARC-Message-Signature: i=2; a=rsa-sha1"),
        (rb"ARC-Message-Signature: i=2; ", b"ARC-Message-Signature: i=2;" + b" " * 300),
        (rb"ARC-Seal: i=2; ", b"ARC-Seal: i=2; z=" + b"y" * 9000 + b"; "),
        (rb"\A", b"ARC-Seal: i=2; cv=pass; a=rsa-sha256; d=x.example; s=s1; b=AAAA\r\n"),
        (rb"\A", b"ARC-Seal: \xff\r\n"),
        (rb"\A", b"ARC-Seal:\r\n"),
        (rb"\A", b"Reply-To: x@attacker.test\r\n"),
    ],
)
def test_a_chain_that_was_touched_fails(
    seal: Seal, rsa_key: Key, pattern: bytes, replacement: bytes
) -> None:
    raw = seal(seal(PLAIN))
    touched = re.sub(pattern, lambda _: replacement, raw, count=1)
    assert touched != raw
    result = checked(touched, SealerDns(rsa_key[1]))
    assert result.result is AuthResult.FAIL
    assert reason(result)


def seal_in_order(pem: bytes, results: bytes, signature: str, seal: str) -> bytes:
    """Add an ARC set whose tags stand in these orders."""
    body = dkim_crypto.relaxed_body(PLAIN.partition(b"\r\n\r\n")[2])
    tags = {
        "i": "1", "a": "rsa-sha256", "d": "list.example", "s": "s1", "cv": "none",
        "h": b":".join(FIELDS).decode(), "bh": base64.b64encode(sha256(body).digest()).decode(),
    }  # fmt: skip
    key = dkim_crypto.load_private_key(pem)

    def write(name: bytes, order: str, covered: bytes) -> bytes:
        value = " " + "; ".join(f"{tag}={tags.get(tag, '')}" for tag in order.split()) + ";"
        field = Field(name.lower().decode(), value.encode(), name)
        digest = sha256(covered + dkim_crypto.relaxed_field(field).removesuffix(b"\r\n")).digest()
        signed = base64.b64encode(dkim_crypto.sign_digest(digest, key)).decode()
        return name + b":" + value.replace("b=;", f"b={signed};").encode() + b"\r\n"

    def relax(*lines: bytes) -> bytes:
        return b"".join(map(dkim_crypto.relaxed_field, read_headers(b"".join(lines)).fields))

    own = b"ARC-Authentication-Results:" + results + b"\r\n"
    message_signature = write(b"ARC-Message-Signature", signature, relax(PLAIN))
    sealed = write(b"ARC-Seal", seal, relax(own, message_signature))
    return sealed + message_signature + own + PLAIN


@pytest.mark.parametrize(
    ("results", "signature", "seal", "result"),
    [
        (b" i=1; list.example; dkim=pass", "i a d s h bh b", "i a cv d s b", AuthResult.PASS),
        (b" i=1; list.example; dkim=pass", "b bh h s d a i", "s d b cv a i", AuthResult.PASS),
        (b" i = 1; list.example", "a b bh i d h s", "cv i a b d s", AuthResult.PASS),
        (b" i=1; list.example", "a b i bh i d h s", "i a cv d s b", AuthResult.FAIL),
        (b" i=1; list.example", "i a d s h bh b", "a cv d s b i i", AuthResult.FAIL),
        (b" i=1; list.example", "a d s h bh b", "i a cv d s b", AuthResult.FAIL),
        (b" i=1; list.example", "i a d s h bh b", "a cv d s b", AuthResult.FAIL),
        # The results are no list of tags: their number comes first.
        (b" list.example; i=1", "i a d s h bh b", "i a cv d s b", AuthResult.FAIL),
    ],
)
def test_tags_have_no_order(
    rsa_key: Key, results: bytes, signature: str, seal: str, result: AuthResult
) -> None:
    raw = seal_in_order(rsa_key[0], results, signature, seal)
    assert checked(raw, SealerDns(rsa_key[1])).result is result
    touched = checked(raw.replace(b"Shall", b"Shalt"), SealerDns(rsa_key[1]))
    assert touched.result is AuthResult.FAIL


def test_a_sealer_who_leaves_out_what_a_reader_sees_does_not_pass(seal: Seal, rsa_key: Key) -> None:
    fields = [name for name in FIELDS if name != b"subject"]
    result = checked(seal(PLAIN, fields=fields), SealerDns(rsa_key[1]))
    assert (result.result, "Subject" in reason(result)) == (AuthResult.FAIL, True)


def test_a_chain_has_at_most_fifty_sets(rsa_key: Key) -> None:
    names = (b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results")
    sets = b"".join(b"%s: i=%d; a=b\r\n" % (name, i) for i in range(1, 52) for name in names)
    dns = SealerDns(rsa_key[1])
    result = checked(sets + PLAIN, dns)
    assert (result.result, reason(result)) == (AuthResult.FAIL, "there are more than 50 ARC sets")
    assert dns.queries == []


def test_silence_is_temperror(seal: Seal, rsa_key: Key) -> None:
    raw = seal(seal(PLAIN, b"first.example"), b"second.example")
    for silent in ("first.example", "second.example"):
        result = checked(raw, SealerDns(rsa_key[1], silent))
        assert result.result is AuthResult.TEMPERROR
        assert reason(result) == "no key was found: DNS did not answer"


@pytest.mark.parametrize("record", ["", "v=DKIM1; p=", "v=DKIM1; k=rsa; p=AAAA", "junk"])
def test_a_key_that_is_no_key_fails(seal: Seal, record: str) -> None:
    assert checked(seal(PLAIN), SealerDns(record)).result is AuthResult.FAIL


def test_a_pass_counts_only_for_a_sealer_that_the_operator_believes(
    seal: Seal, rsa_key: Key
) -> None:
    evidence = authenticate(seal(PLAIN), SealerDns(rsa_key[1]))
    assert evidence.arc
    assert evidence.arc.result is AuthResult.PASS
    assert assess(evidence).label is Label.FAILED
    believed = assess(evidence, arc_sealers=frozenset({"list.example"}))
    assert believed.label is Label.UNAUTHENTICATED
    other = assess(evidence, arc_sealers=frozenset({"example"}))
    assert other.label is Label.FAILED


def test_only_the_body_hash_of_the_newest_signature_is_computed(seal: Seal, rsa_key: Key) -> None:
    """So that the cost of a chain does not grow with sets times body."""
    hashed: list[int] = []
    raw = PLAIN + b"x" * 78 * 1000
    for _ in range(4):
        raw = seal(raw)
    original = dkim_crypto.relaxed_body

    def count(body: bytes) -> bytes:
        hashed.append(len(body))
        return original(body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dkim_crypto, "relaxed_body", count)
        assert checked(raw, SealerDns(rsa_key[1])).result is AuthResult.PASS
    assert len(hashed) == 1


def test_a_signature_that_has_expired_does_not_pass(seal: Seal, rsa_key: Key) -> None:
    raw = seal(PLAIN).replace(b"ARC-Message-Signature: i=1; ", b"ARC-Message-Signature: i=1; x=9; ")
    assert reason(checked(raw, SealerDns(rsa_key[1]))) == "the ARC signature has expired"
