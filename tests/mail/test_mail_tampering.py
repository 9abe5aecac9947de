"""Tampering: changed mail passes only while a reader sees the same."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from typing import Any

import dkim
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.mail.conftest import message

from multimail.trust.labels import Label, assess
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.compose import compose
from multimail_server.mail.message import parse_message
from multimail_server.mail.signing import generate_key, sign_dkim

LINES = (
    b"From: ceo@bank.test", b"From : ceo@bank.test", b"from: ann@example.com", b"From",
    b"Subject: pay", b"SUBJECT : pay", b"Reply-To: x@attacker.test", b"Sender: x@attacker.test",
    b"Content-Type: text/html", b"Content-Type: multipart/mixed; boundary=x",
    b"Content-Transfer-Encoding: base64", b"MIME-Version: 1.0", b"To: eve@attacker.test",
    b"Cc: eve@attacker.test", b"Date: Sat, 21 Nov 2026 12:00:00 +0000", b"X-Other: y",
    b"Resent-From: x@attacker.test", b" folded", b"\tfolded", b"", b"no field", b"\xff: x",
    b"Authentication-Results: mx.example.com; dkim=pass", b"List-Id: <x.attacker.test>",
    b"DKIM-Signature: v=1", b"In-Reply-To: <x@y>", b"References: <x@y>", b"From:\0x",
    b"Message-ID: <two@example.com>", b"Auto-Submitted: no", b"Content-Disposition: attachment",
)  # fmt: skip
KINDS = ("careful", "with Reply-To", "careless", "careless and simple")
ENDS = (b"\r\n", b"\n", b"\r", b"\n\r", b"\0", b"\r\n ")


@cache
def key() -> tuple[bytes, str]:
    return generate_key()


class KeyDns:
    def txt(self, name: str) -> list[bytes]:
        return [key()[1].encode()] if name == "s1._domainkey.example.com" else []

    def exists(self, name: str) -> bool:
        return True

    def hosts(self, name: str, kind: str) -> list[str]:
        return []


def careful(raw: bytes) -> bytes:
    return sign_dkim(raw, domain="example.com", selector="s1", private_key_pem=key()[0])


def careless(raw: bytes, *how: bytes) -> bytes:
    """Sign as large senders do: without Content-Type, and no field twice."""
    seed = base64.b64decode(b"".join(key()[0].splitlines()[1:-1]))[-32:]
    signer = dkim.DKIM(raw, signature_algorithm=b"ed25519-sha256")
    field: bytes = signer.sign(
        b"s1",
        b"example.com",
        base64.b64encode(seed),
        canonicalize=how or (b"relaxed", b"relaxed"),
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id", b"mime-version"],
    )
    return field + raw


@cache
def originals() -> dict[str, bytes]:
    plain = compose(message())
    return {
        "careful": careful(plain),
        "with Reply-To": careful(compose(message(reply_to="ann@example.com"))),
        "careless": careless(plain),
        "careless and simple": careless(plain, b"simple", b"simple"),
    }


def reading(raw: bytes) -> tuple[Any, ...]:
    """What a reader sees of a message and acts on, with the Reply-To that a signature covers."""
    parsed = parse_message(raw)
    covered = any("reply-to" in one.covers for one in authenticate(raw, KeyDns()).dkim)
    return (
        parsed.from_address, parsed.from_name, covered and parsed.reply_to, parsed.subject,
        parsed.markdown,
        [(file.name, file.content) for file in parsed.attachments],
    )  # fmt: skip


def passes(raw: bytes) -> bool:
    return assess(authenticate(raw, KeyDns())).label is Label.AUTHENTICATED


def test_untouched_mail_passes() -> None:
    assert {name: passes(raw) for name, raw in originals().items()} == dict.fromkeys(KINDS, True)


def inserted(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    lines = raw.split(b"\r\n")
    at %= len(lines)
    return b"\r\n".join(lines[:at]) + b"\r\n" * bool(at) + line + end + b"\r\n".join(lines[at:])


def moved(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    lines = raw.split(b"\r\n")
    return b"\r\n".join([lines.pop(at % len(lines)), *lines])


def doubled(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    lines = raw.split(b"\r\n")
    return inserted(raw, at, lines[at % len(lines)], end)


def removed(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    lines = raw.split(b"\r\n")
    lines.pop(at % len(lines))
    return b"\r\n".join(lines)


def broken(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    at %= len(raw)
    return raw[:at] + end + raw[at:]


def overwritten(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    at %= len(raw)
    return raw[:at] + line[:3] + raw[at + 3 :]


def appended(raw: bytes, at: int, line: bytes, end: bytes) -> bytes:
    return raw + line + end


CHANGES = (inserted, moved, doubled, removed, broken, overwritten, appended)
steps = st.tuples(
    st.sampled_from(CHANGES), st.integers(0, 2000), st.sampled_from(LINES), st.sampled_from(ENDS)
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(KINDS), st.lists(steps, min_size=1, max_size=3))
def test_what_passes_reads_as_it_was_signed(
    kind: str, changes: list[tuple[Callable[..., bytes], int, bytes, bytes]]
) -> None:
    raw = original = originals()[kind]
    for change, at, line, end in changes:
        raw = change(raw, at, line, end)
    if passes(raw):
        assert reading(raw) == reading(original)
