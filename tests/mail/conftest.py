"""What the tests of mail share: keys, a zone to publish them in, and mail signed with them."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multimail.trust.evidence import Authentication
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.compose import OutgoingMessage, compose
from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

Key = tuple[bytes, str]
Check = Callable[..., Authentication]


def message(**changes: object) -> OutgoingMessage:
    """Return an ordinary message, but for `changes`."""
    ordinary: dict[str, object] = {
        "message_id": "<one@example.com>",
        "date": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        "from_address": "ann@example.com",
        "from_name": "Ann",
        "to": ("bob@example.net",),
        "cc": (),
        "reply_to": None,
        "subject": "Lunch",
        "markdown": "Shall we have *lunch*?\n",
        "in_reply_to": None,
        "references": (),
        "attachments": (),
    }
    return OutgoingMessage(**(ordinary | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def key() -> Key:
    return generate_key()


@pytest.fixture
def make() -> Callable[..., OutgoingMessage]:
    return message


@pytest.fixture
def signed(key: Key) -> Callable[..., bytes]:
    """Sign a message as example.com, or as `domain`."""

    def sign(raw: bytes | None = None, domain: str = "example.com", pem: bytes = key[0]) -> bytes:
        plain = compose(message()) if raw is None else raw
        return sign_dkim(plain, domain=domain, selector="s1", private_key_pem=pem)

    return sign


@pytest.fixture
def check(key: Key, tmp_path: Path) -> Check:
    """Authenticate mail against a zone where the key is published for some domains."""

    def run(raw: bytes, *domains: str, record: str = "", **others: str) -> Authentication:
        text = record or key[1]
        names = [(f"s1._domainkey.{d}", text) for d in domains or ("example.com",)]
        names += [(name.replace("__", "."), value) for name, value in others.items()]
        path = tmp_path / "zone"
        path.write_text(zone_lines(names), "utf-8")
        return authenticate(raw, zone_resolver(path))

    return run


def _prime(bits: int, source: random.Random) -> int:
    while True:
        found = source.getrandbits(bits) | (3 << (bits - 2)) | 1
        if found % 65537 != 1 and all(pow(base, found - 1, found) == 1 for base in (2, 3, 5, 7)):
            return found


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*numbers: int) -> bytes:
    coded = (_der(2, n.to_bytes(n.bit_length() // 8 + 1, "big")) for n in numbers)
    return _der(0x30, b"".join(coded))


@pytest.fixture(scope="session")
def rsa_key() -> Key:
    """An RSA key of 1,024 bits, for tests alone: its primes are the same every time."""
    source = random.Random(2026)
    p, q = _prime(512, source), _prime(512, source)
    d = pow(65537, -1, (p - 1) * (q - 1))
    private = _sequence(0, p * q, 65537, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    public = _sequence(p * q, 65537)
    kind = b"RSA " + b"PRIVATE KEY"
    body = base64.b64encode(private)
    pem = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (kind, body, kind)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
