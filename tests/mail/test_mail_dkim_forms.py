"""DKIM's canonical forms: a signature is worth what dkimpy says by itself, and never takes long."""

from __future__ import annotations

import base64
import time
from typing import Any

import dkim
import nacl.signing
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from multimail_server.mail.auth.dkim_crypto import Invalid, Verifier

SECRET = nacl.signing.SigningKey(b"k" * 32)
KEY = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(SECRET.verify_key))
FIELDS = [
    b"Subject: x",
    b"Subject:  a  b ",
    b"X-A: 1\r\n 2\r\n\t3",
    b"to:b@c",
    b"X-B:",
    b"X-C:\r\n y",
]
TEXT = [
    b"a", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b" \r\n", b"\t\r\n", b" \t \r\n", b".", b"b c",
    b"\n", b"\r", b":", b"\xff",
]  # fmt: skip
FORMS = st.sampled_from([b"relaxed", b"simple"])
LINES = st.sampled_from([b"\r\n", b"\n"])
BODY = st.lists(st.sampled_from(TEXT), max_size=10).map(b"".join)


def by_itself(raw: bytes) -> bool:
    """Return what dkimpy says of the topmost signature."""

    def look_up(name: bytes, timeout: int = 0) -> bytes:
        return KEY

    try:
        return bool(dkim.DKIM(raw).verify(dnsfunc=look_up))
    except Exception:
        return False  # of a header that is none it raises half a dozen types


def by_us(raw: bytes, body_form: bytes) -> bool:
    """Return what we make of it."""
    try:
        Verifier(raw).verify(0, KEY, relaxed_body=body_form == b"relaxed")
    except Invalid:
        return False
    return True


def signed(raw: bytes, forms: tuple[bytes, bytes]) -> bytes:
    """Return a message signed in these forms of header and body."""
    signer: Any = dkim.DKIM(raw, signature_algorithm=b"ed25519-sha256")
    key = base64.b64encode(bytes(SECRET))
    names = [b"from", b"subject", b"x-a"]
    field: bytes = signer.sign(b"s", b"e.test", key, canonicalize=forms, include_headers=names)
    return field + raw


PUT = st.sampled_from([b"", *TEXT, b"From b@c\r\n", b"\r\n\r\n"])
CHANGE = st.tuples(st.integers(0, 2000), PUT, st.integers(0, 1))
FIRST = (b"relaxed", b"relaxed")


@given(st.tuples(FORMS, FORMS), st.lists(st.sampled_from(FIELDS), max_size=4), BODY, CHANGE, LINES)
@example(FIRST, [], b"", (0, b"", 0), b"\r\n")
@example(FIRST, [], b" \t\r\n\r\n", (0, b"", 0), b"\r\n")
@example((b"simple", b"relaxed"), FIELDS, b"a  b\t\r\n\r\n", (2000, b"\r\n", 0), b"\n")
def test_the_verdict_is_that_of_dkimpy_by_itself(
    forms: tuple[bytes, bytes],
    fields: list[bytes],
    body: bytes,
    change: tuple[int, bytes, int],
    line_end: bytes,
) -> None:
    raw = signed(b"\r\n".join([b"From: a@e.test", *fields, b"", body]), forms)
    at, put, cut = change
    changed = (raw[:at] + put + raw[at + cut :]).replace(b"\r\n", line_end)
    for one in (raw, changed):
        assert by_us(one, forms[1]) is by_itself(one)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b" \r\n", b"a", b"a \r\n\r\n"])
@pytest.mark.parametrize("form", [b"relaxed", b"simple"])
def test_bodies_of_next_to_nothing_verify(body: bytes, form: bytes) -> None:
    assert by_us(signed(b"From: a@e.test\r\n\r\n" + body, (b"relaxed", form)), form)


def test_a_field_of_many_lines_takes_as_long_as_it_is() -> None:
    def seconds(lines: int) -> float:
        raw = signed(b"From: a@e.test\r\n\r\nHello.\r\n", (b"relaxed", b"relaxed"))
        raw = b"X-Long:" + b"\r\n a" * lines + b"\r\n" + raw
        took = []
        for _ in range(3):
            start = time.thread_time()
            assert by_us(raw, b"relaxed")
            took.append(time.thread_time() - start)
        return min(took)

    assert seconds(60_000) <= 20 * max(seconds(6_000), 0.002)
