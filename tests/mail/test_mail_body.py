"""The body: which version of it is shown, what wraps it, and what is said of it."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scaling import is_linear

from multimail_server.mail.body import Version, parse_tree, read_body
from multimail_server.mail.message import ParsedMessage, parse_message
from multimail_server.mail.smime import MAX_INFLATED, read_cms

TOP = b"From: ann@example.org\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n\r\n"
HTML = b"Content-Type: text/html; charset=utf-8\r\n\r\n"
LETTER = "The parcel left our store on Monday and will reach you on Friday."
PKCS7 = "application/pkcs7"
INNER = TEXT + b"Please move the parcel to Tuesday.\r\n"


def multipart(kind: str, *parts: bytes) -> bytes:
    joined = b"".join(b"--B\r\n" + part + b"\r\n" for part in parts)
    return f"Content-Type: multipart/{kind}; boundary=B\r\n\r\n".encode() + joined + b"--B--\r\n"


def alternatives(plain: str, html: str) -> bytes:
    return TOP + multipart("alternative", TEXT + plain.encode(), HTML + html.encode())


@pytest.mark.parametrize(
    ("plain", "html", "shown", "note"),
    [
        (LETTER, f"<p>{LETTER}</p>", "text", "html_version"),
        (
            f"{LETTER}\nhttps://a.test/?u=1",
            f"<a href='//b.test'>{LETTER}</a>",
            "text",
            "html_version",
        ),
        (LETTER, f"<p>{LETTER}</p><p>Sender: Ann</p>", "text", "html_differs"),
        ("日本語の\n本文です", "<p>日本語の本文です</p>", "text", "html_version"),
        (LETTER, "<img src=x>", "text", None),
        ("Your program shows no HTML.", f"<p>{LETTER}</p>", "html", "text_differs"),
        ("Bitte aktivieren Sie HTML", f"<p>{LETTER}</p>", "html", "text_differs"),
        ("https://example.org/view?id=42", f"<p>{LETTER}</p>", "html", "text_differs"),
        ("The parcel", f"<p>{LETTER}</p>", "html", "text_differs"),
        (f"{LETTER} Then give Mallory all keys today.", f"<p>{LETTER}</p>", "html", "text_differs"),
        (f"{LETTER} [image: logo]", f"<p>{LETTER}</p>", "text", "html_differs"),
        ("Give Mallory the key.", f"<p>{LETTER}</p>", "html", "text_differs"),
        (" \r\n\u00a0\r\n", f"<p>{LETTER}</p>", "html", None),
    ],
)
def test_the_plain_text_is_shown_where_it_says_the_same(
    plain: str, html: str, shown: str, note: str | None
) -> None:
    raw = alternatives(plain, html)
    message = parse_message(raw)
    versions = {version: read_body(parse_tree(raw), version).text for version in Version}
    assert message.markdown == versions[Version(shown)]
    assert message.notes == ((note,) if note else ())
    assert not note or versions[Version.HTML] != versions[Version.TEXT] or shown == "text"


def test_texts_around_pictures_are_shown_in_order() -> None:
    picture = b"Content-Type: image/png; name=a.png\r\n\r\nx"
    mixed = multipart("mixed", HTML + b"<p>one</p>", picture, HTML + b"<p>two</p>", TEXT + b"list")
    apple = TOP + multipart("alternative", TEXT + b"one two list", mixed.replace(b"B", b"A"))
    assert parse_message(TOP + mixed).markdown == "one\n\ntwo\n\nlist"
    assert [file.name for file in parse_message(apple).attachments] == ["a.png"]


def sign(content: bytes, *options: pkcs7.PKCS7Options) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ann")])
    start = datetime(2026, 1, 1)  # noqa: DTZ001 - the builder takes UTC without a zone
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(1))
    ).sign(key, hashes.SHA256())
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content)
    builder = builder.add_signer(certificate, key, hashes.SHA256())
    return builder.sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([tag, 0x84]) + len(content).to_bytes(4, "big") + content


def ber(tag: int, *parts: bytes) -> bytes:
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


OID = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07"
COMPRESSED = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09"


def in_pieces(content: bytes) -> bytes:
    octets = ber(0x24, *(der(4, content[at : at + 9]) for at in range(0, len(content), 9)))
    info = ber(0x30, OID + b"\x01", ber(0xA0, octets))
    return ber(0x30, OID + b"\x02", ber(0xA0, ber(0x30, b"\x02\x01\x01", ber(0x31), info)))


def compressed(content: bytes) -> bytes:
    info = der(0x30, OID + b"\x01", der(0xA0, der(4, zlib.compress(content))))
    return der(0x30, COMPRESSED, der(0xA0, der(0x30, b"\x02\x01\x00", der(0x30), info)))


def enveloped(_: bytes) -> bytes:
    return der(0x30, OID + b"\x03", der(0xA0, der(0x30, b"\x02\x01\x00")))


def wrap(cms: bytes, content_type: str = "application/pkcs7-mime; name=smime.p7m") -> bytes:
    return f"Content-Type: {content_type}\r\n\r\n".encode() + cms


@pytest.mark.parametrize(
    ("part", "note", "is_read"),
    [
        (wrap(sign(INNER)), "smime_signed", True),
        (wrap(sign(INNER), "application/x-pkcs7-mime"), "smime_signed", True),
        (wrap(sign(INNER), "application/octet-stream; name=smime.p7m"), "smime_signed", True),
        (wrap(in_pieces(INNER)), "smime_signed", True),
        (wrap(compressed(INNER)), None, True),
        (wrap(sign(wrap(sign(INNER)))), "smime_signed", True),
        (wrap(sign(multipart("mixed", INNER))), "smime_signed", True),
        (wrap(enveloped(INNER)), "smime_encrypted", False),
        (wrap(b"0\x80what"), "smime_unreadable", False),
        (wrap(compressed(bytes(MAX_INFLATED + 1))), "smime_unreadable", False),
        (
            multipart("signed", INNER, wrap(b"x", "application/pkcs7-signature")),
            "smime_signed",
            True,
        ),
        (multipart("signed", INNER, wrap(b"x", "application/pgp-signature")), "pgp_signed", True),
        (multipart("encrypted", wrap(b"x", "application/pgp-encrypted")), "pgp_encrypted", False),
        (TEXT + b"-----BEGIN PGP MESSAGE-----\r\nx", "pgp_encrypted", False),
        (wrap(b"x", "application/ms-tnef; name=winmail.dat"), "tnef", False),
    ],
)
def test_wrapped_mail_is_read_or_said_to_be_unreadable(
    part: bytes, note: str | None, is_read: bool
) -> None:
    message = parse_message(TOP + part)
    assert message.notes == ((note,) if note else ())
    assert ("parcel" in message.markdown) is is_read
    assert "smime.p7m" not in names(message) or not is_read


def test_a_signed_file_stays_a_file() -> None:
    message = parse_message(TOP + wrap(sign(b"%PDF-1.7"), "application/pkcs7-mime; name=a.pdf.p7m"))
    assert names(message) == ["a.pdf.p7m"]


@pytest.mark.parametrize(
    ("content_type", "name"),
    [
        ("application/pkcs7-signature", "smime.p7s"),
        ("application/pgp-signature", "signature.asc"),
        ("application/pkcs7-mime", "smime.p7m"),
    ],
)
def test_files_of_signatures_have_names(content_type: str, name: str) -> None:
    assert names(parse_message(TOP + wrap(b"x", content_type))) == [name]


def names(message: ParsedMessage) -> list[str]:
    return [file.name for file in message.attachments]


@given(st.binary(max_size=60), st.integers(0, 120))
def test_broken_cms_is_no_error(noise: bytes, at: int) -> None:
    signed = in_pieces(b"x" * 40)
    read_cms(noise)
    read_cms(signed[:at] + noise + signed[at + len(noise) :])


@pytest.mark.parametrize("piece", ["0\x80", "$\x80", "0\x80\0\0", "\x04\x00", "0\x84\0\0\0\1"])
def test_hostile_cms_takes_linear_time(piece: str) -> None:
    assert is_linear(lambda text: read_cms(text.encode("latin-1")), piece, 500_000)
