"""DKIM signing: keys, signatures and DNS records, for own domains, the demo and tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from .auth.dkim_crypto import CanonicalMessage, load_private_key, sign_digest
from .headers import Field, fold_tokens, read_headers

_OVERSIGNED = ("from", "subject", "reply-to", "content-type")
_SIGNED = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id", "in-reply-to",
    "references", "mime-version", "content-type", "content-transfer-encoding",
    "auto-submitted", "list-id", "precedence", "list-unsubscribe", "list-unsubscribe-post",
    "x-multimail-identity", "x-multimail-ai-disclosure",
)  # fmt: skip
_SIGNATURE_LINE = 72
_MAX_STRING = 255


def generate_key() -> tuple[bytes, str]:
    """Return a new Ed25519 key: PKCS #8 in PEM, and the text of its DNS record (RFC 8463)."""
    key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")
    return pem, f"v=DKIM1; k=ed25519; p={public}"


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
    """Return the message with a DKIM-Signature on top, in the forms relaxed/relaxed.

    Fields that a reader sees are signed once more than they occur, so that none can be added
    (RFC 6376 section 8.15).

    Args:
        raw: The message, with CRLF line ends.
        domain: The signing domain.
        selector: The key is published under `<selector>._domainkey.<domain>`.
        private_key_pem: An Ed25519 key in PKCS #8, or an RSA key in PKCS #1 or #8; as PEM.

    Raises:
        ValueError: The key or the message cannot be used.
    """
    key = load_private_key(private_key_pem)
    headers = read_headers(raw)
    if headers.faults:
        raise ValueError(f"cannot sign the message: {headers.faults[0]}")
    message = CanonicalMessage(raw, headers)
    present = [field.name for field in headers.fields]
    names = [name for name in present if name in _SIGNED]
    names += [name for name in _OVERSIGNED if name in present or name != "reply-to"]
    tags = {
        "v": "1", "a": "rsa-sha256" if isinstance(key, rsa.RSAPrivateKey) else "ed25519-sha256",
        "c": "relaxed/relaxed", "d": domain, "i": f"@{domain}", "q": "dns/txt", "s": selector,
        "t": str(int(time.time())),
    }  # fmt: skip
    body_hash = base64.b64encode(message.hash_body(relaxed=True)).decode("ascii")
    tokens = [f"{name}={value};" for name, value in tags.items()]
    tokens += f"h={': '.join(names)};".split(" ")
    unsigned = fold_tokens("DKIM-Signature", [*tokens, f"bh={body_hash};", "b="])
    own = Field("dkim-signature", unsigned.partition(":")[2].encode("ascii"), b"DKIM-Signature")
    digest = message.hash_header(names, own, relaxed=True)
    signature = base64.b64encode(sign_digest(digest, key)).decode("ascii")
    return f"{unsigned}{_fold_base64(signature)}\r\n".encode("ascii") + raw


def _fold_base64(text: str) -> str:
    lines = [text[at : at + _SIGNATURE_LINE] for at in range(0, len(text), _SIGNATURE_LINE)]
    return "".join(f"\r\n {line}" for line in lines)


def zone_lines(records: Iterable[tuple[str, str]]) -> str:
    """Return TXT records as lines of a master file (RFC 1035 section 5).

    Args:
        records: Names, absolute with or without their last dot, and texts.
    """
    return "".join(f"{name.removesuffix('.')}. IN TXT {_strings(text)}\n" for name, text in records)


def _strings(text: str) -> str:
    data = text.encode("utf-8")
    pieces = [data[at : at + _MAX_STRING] for at in range(0, len(data), _MAX_STRING)] or [b""]
    return " ".join(f'"{"".join(map(_escape, piece))}"' for piece in pieces)


def _escape(byte: int) -> str:
    character = chr(byte)
    if character in '"\\':
        return f"\\{character}"
    return character if 32 <= byte < 127 else f"\\{byte:03d}"
