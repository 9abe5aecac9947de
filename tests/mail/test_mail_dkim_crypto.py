"""DKIM verification and signing, with dkimpy as a second opinion."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any

import dkim
import nacl.signing
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from multimail_server.mail.auth.dkim_crypto import (
    CanonicalMessage,
    VerificationError,
    decode_base64,
    load_public_key,
    parse_tag_list,
    sign_digest,
    verify_digest,
    verify_signature,
)
from multimail_server.mail.headers import read_headers
from multimail_server.mail.signing import generate_key, generate_rsa_key, sign_dkim

SECRET = nacl.signing.SigningKey(b"k" * 32)
RECORD = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(bytes(SECRET.verify_key))
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
LINE_ENDS = st.sampled_from([b"\r\n", b"\n"])
BODY = st.lists(st.sampled_from(TEXT), max_size=10).map(b"".join)
INSERTED = st.sampled_from([b"", *TEXT, b"From b@c\r\n", b"\r\n\r\n"])
CHANGE = st.tuples(st.integers(0, 2000), INSERTED, st.integers(0, 1))
RELAXED = (b"relaxed", b"relaxed")


def dkimpy_verifies(raw: bytes, record: bytes = RECORD) -> bool:
    """Return whether the topmost signature verifies according to dkimpy."""

    def look_up(name: bytes, timeout: int = 0) -> bytes:
        return record

    try:
        return bool(dkim.DKIM(raw).verify(dnsfunc=look_up))
    except Exception:
        return False  # on a malformed header it raises half a dozen types


def verifies(raw: bytes, record: bytes = RECORD) -> bool:
    """Return whether the topmost signature verifies according to this project."""
    headers = read_headers(raw)
    field = next((field for field in headers.fields if field.name == "dkim-signature"), None)
    if field is None or headers.faults:
        return False
    try:
        tags, key = parse_tag_list(field.value), parse_tag_list(record)
        public_key = load_public_key(key.get("k", "rsa"), key["p"])
        verify_signature(CanonicalMessage(raw, headers), field, tags, public_key)
    except (VerificationError, ValueError, KeyError):
        return False
    return True


def sign_by_dkimpy(raw: bytes, forms: tuple[bytes, bytes]) -> bytes:
    """Return a message signed by dkimpy in these forms of header and body."""
    signer: Any = dkim.DKIM(raw, signature_algorithm=b"ed25519-sha256")
    key = base64.b64encode(bytes(SECRET))
    names = [b"from", b"subject", b"x-a"]
    field: bytes = signer.sign(b"s", b"e.test", key, canonicalize=forms, include_headers=names)
    return field + raw


@given(
    st.tuples(FORMS, FORMS), st.lists(st.sampled_from(FIELDS), max_size=4), BODY, CHANGE, LINE_ENDS
)
@example(RELAXED, [], b"", (0, b"", 0), b"\r\n")
@example(RELAXED, [], b" \t\r\n\r\n", (0, b"", 0), b"\r\n")
@example((b"simple", b"relaxed"), FIELDS, b"a  b\t\r\n\r\n", (2000, b"\r\n", 0), b"\n")
def test_a_signature_verifies_exactly_where_dkimpy_verifies_it(
    forms: tuple[bytes, bytes],
    fields: list[bytes],
    body: bytes,
    change: tuple[int, bytes, int],
    line_end: bytes,
) -> None:
    raw = sign_by_dkimpy(b"\r\n".join([b"From: a@e.test", *fields, b"", body]), forms)
    at, inserted, removed = change
    changed = (raw[:at] + inserted + raw[at + removed :]).replace(b"\r\n", line_end)
    assert verifies(raw)
    # A header with faults is rejected before any signature is looked at.
    if not read_headers(changed).faults:
        assert verifies(changed) is dkimpy_verifies(changed)


@pytest.mark.parametrize("body", [b"", b"\r\n", b"\r\n\r\n", b" \r\n", b"a", b"a \r\n\r\n"])
@pytest.mark.parametrize("form", [b"relaxed", b"simple"])
def test_a_body_of_next_to_nothing_verifies(body: bytes, form: bytes) -> None:
    assert verifies(sign_by_dkimpy(b"From: a@e.test\r\n\r\n" + body, (b"relaxed", form)))


@given(st.lists(st.sampled_from(FIELDS), max_size=4), BODY)
def test_dkimpy_verifies_what_is_signed_here(fields: list[bytes], body: bytes) -> None:
    raw = b"\r\n".join([b"From: a@e.test", *fields, b"", body])
    for pem, record in KEYS:
        signed = sign_dkim(raw, domain="e.test", selector="s", private_key_pem=pem)
        assert dkimpy_verifies(signed, record.encode())
        assert verifies(signed, record.encode())
        head = signed[: -len(raw)].decode("ascii")
        assert max(map(len, head.split("\r\n"))) <= 78


KEYS = [generate_key(), generate_rsa_key()]


def test_an_rsa_key_may_be_published_without_its_algorithm() -> None:
    """RFC 6376 says SubjectPublicKeyInfo and means, by an erratum, RSAPublicKey as well."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo):
        der = private.public_key().public_bytes(Encoding.DER, form)
        key = load_public_key("rsa", base64.b64encode(der).decode())
        digest = hashlib.sha256(b"x").digest()
        assert verify_digest(digest, sign_digest(digest, private), key)
        assert not verify_digest(digest[::-1], sign_digest(digest, private), key)


def test_an_rsa_key_has_1024_to_8192_bits() -> None:
    for bits, number in ((512, 2**511 + 1), (8200, 2**8199 + 1)):
        size = bits // 8 + 1
        modulus = b"\x02\x82" + size.to_bytes(2, "big") + number.to_bytes(size, "big")
        content = modulus + b"\x02\x03\x01\x00\x01"
        der = b"\x30\x82" + len(content).to_bytes(2, "big") + content
        with pytest.raises(VerificationError, match="the key is"):
            load_public_key("rsa", base64.b64encode(der).decode())


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_what_is_not_a_private_key_does_not_sign(pem: bytes) -> None:
    with pytest.raises(ValueError, match="not an RSA or Ed25519 key"):
        sign_dkim(b"From: a@e.test\r\n\r\n", domain="e.test", selector="s", private_key_pem=pem)


def test_a_field_of_many_lines_takes_linear_time() -> None:
    def seconds(lines: int) -> float:
        raw = sign_by_dkimpy(b"From: a@e.test\r\n\r\nHello.\r\n", RELAXED)
        raw = b"X-Long:" + b"\r\n a" * lines + b"\r\n" + raw
        times = []
        for _ in range(3):
            start = time.thread_time()
            assert verifies(raw)
            times.append(time.thread_time() - start)
        return min(times)

    assert seconds(60_000) <= 20 * max(seconds(6_000), 0.002)


@pytest.mark.parametrize("byte", "\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0")
def test_base64_ignores_no_bytes_but_white_space(byte: str) -> None:
    assert decode_base64("QU\r\n\t JD") == b"ABC"
    with pytest.raises(VerificationError):
        decode_base64(f"QU{byte}JD")
