"""X-MultiMail-Identity: only what the server's own key signed is believed."""

from __future__ import annotations

import pytest

from multimail_server.mail.identity import Claim, IdentityKey, verify_identity

RAW = b"From: a@x.test\r\nMessage-ID: <1@x.test>\r\nSubject: hi\r\n\r\nBody\r\n\r\n"
CLAIM = Claim("<1@x.test>", "a@x.test", "gated_send", "human", 1767225600)


@pytest.fixture(scope="module")
def key() -> IdentityKey:
    return IdentityKey.generate()


def signed(key: IdentityKey) -> bytes:
    return key.build_field(RAW, CLAIM) + RAW


def test_signed_message_carries_its_claim(key: IdentityKey) -> None:
    assert verify_identity(signed(key), key.public_pem()) == CLAIM


def test_a_transport_may_drop_empty_lines_at_the_end(key: IdentityKey) -> None:
    shorter = signed(key).removesuffix(b"\r\n")
    assert verify_identity(shorter, key.public_pem()) == CLAIM


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Body", b"Bodies"),
        (b"<1@x.test>", b"<2@x.test>"),
        (b"mailbox=a@", b"mailbox=b@"),
        (b"mode=gated_send", b"mode=autonomous"),
        (b"approved=human", b"approved=robot"),
        (b"t=1767225600", b"t=1767225601"),
        (b"v=1", b"v=2"),
        (b"a=ES256", b"a=none"),
        (b"s=", b"s=A"),
        (b"kid=", b"kid=0"),
        (b"X-MultiMail-Identity:", b"X-Other:"),
        (b"Message-ID:", b"Message-ID: <3@x.test>\r\nMessage-ID:"),
    ],
)
def test_whatever_is_changed_it_is_not_believed(key: IdentityKey, old: bytes, new: bytes) -> None:
    raw = signed(key)
    assert old in raw
    assert verify_identity(raw.replace(old, new, 1), key.public_pem()) is None


def test_another_key_and_a_second_field_are_not_believed(key: IdentityKey) -> None:
    other = IdentityKey.generate()
    assert verify_identity(signed(key), other.public_pem()) is None
    twice = key.build_field(RAW, CLAIM) + signed(key)
    assert verify_identity(twice, key.public_pem()) is None


def test_a_key_survives_being_kept_and_is_never_shown(key: IdentityKey) -> None:
    again = IdentityKey.from_pem(key.pem())
    assert verify_identity(signed(again), key.public_pem()) == CLAIM
    assert again.kid == key.kid == key.jwk()["kid"]
    assert "d" not in key.jwk()
    assert repr(key) == "IdentityKey()"
    assert "PRIVATE" not in key.public_pem()
