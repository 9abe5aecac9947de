"""Signing: DKIM keys and signatures, for mail of own domains, for the demo and for tests."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nacl.signing import SigningKey

from .auth.dkim_crypto import signature_field
from .headers import read_headers

# What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410 section 7).
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")
_ONCE_MORE = ("from", "subject", "reply-to", "content-type")
_SIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to",
    "references", "mime-version", "content-type", "content-transfer-encoding",
    "auto-submitted", "list-id", "precedence", "list-unsubscribe", "list-unsubscribe-post",
    "x-multimail-identity", "x-multimail-ai-disclosure",
)  # fmt: skip
_MAX_STRING = 255


def generate_key() -> tuple[bytes, str]:
    """Return a new Ed25519 key: PKCS #8 in PEM, and the text of its DNS record (RFC 8463)."""
    key = SigningKey.generate()
    body = base64.b64encode(_PKCS8 + bytes(key)).decode()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    pem = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    return pem.encode("ascii"), f"v=DKIM1; k=ed25519; p={public}"


def generate_rsa_key(bits: int = 2048) -> tuple[bytes, str]:
    """Return a new RSA key: PKCS #1 in PEM, and the text of its DNS record (RFC 6376)."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode('ascii')}"


def sign_dkim(raw: bytes, *, domain: str, selector: str, private_key_pem: bytes) -> bytes:
    """Return the message with a DKIM-Signature on top, relaxed/relaxed.

    Fields that a reader sees are signed once more than they stand, so that none can be added
    (RFC 6376 section 8.15).

    Args:
        raw: The message, with CRLF line ends.
        domain: The signing domain.
        selector: Under which the key is published: `<selector>._domainkey.<domain>`.
        private_key_pem: An Ed25519 key in PKCS #8, or an RSA key in PKCS #1 or #8; as PEM.

    Raises:
        ValueError: The key or the message cannot be used.
    """
    present = [field.name for field in read_headers(raw).fields]
    names = [name for name in present if name in _SIGNED]
    names += [name for name in _ONCE_MORE if name in present or name != "reply-to"]
    seed = _ed25519_seed(private_key_pem)
    field = signature_field(
        raw,
        domain=domain,
        selector=selector,
        key=private_key_pem if seed is None else base64.b64encode(seed),
        algorithm="rsa-sha256" if seed is None else "ed25519-sha256",
        headers=names,
    )
    return field + raw


def _ed25519_seed(pem: bytes) -> bytes | None:
    """Return the 32 bytes of an Ed25519 key in PEM; None if the key is something else."""
    lines = [line.strip() for line in pem.splitlines() if b"-" not in line]
    try:
        der = base64.b64decode(b"".join(lines))
    except ValueError:
        return None
    is_ours = der.startswith(_PKCS8) and len(der) == len(_PKCS8) + 32
    return der[len(_PKCS8) :] if is_ours else None


def zone_lines(records: Iterable[tuple[str, str]]) -> str:
    """Return TXT records as lines of a master file, RFC 1035 section 5.

    Args:
        records: Names, absolute with or without their last dot, and texts.
    """
    return "".join(f"{name.removesuffix('.')}. IN TXT {_strings(text)}\n" for name, text in records)


def _strings(text: str) -> str:
    data = text.encode("utf-8")
    pieces = [data[at : at + _MAX_STRING] for at in range(0, len(data), _MAX_STRING)] or [b""]
    return " ".join(f'"{"".join(map(_escaped, piece))}"' for piece in pieces)


def _escaped(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if 32 <= byte < 127 else f"\\{byte:03d}"
