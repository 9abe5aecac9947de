"""The field `X-MultiMail-Identity`, with which a server vouches for the mail that it sent.

The field says which mailbox sent a message, in which oversight mode, and whether a human approved
it:

    v=1; a=ES256; kid=…; mailbox=…; mode=…; approved=human|none; t=…; bh=…; s=…

`bh` is the base64 of SHA-256 over the body in DKIM's simple form (RFC 6376 section 3.4.3). `s` is
ECDSA with P-256 and SHA-256, as 64 bytes (RFC 7518 section 3.4) in base64, over these lines in
UTF-8, joined by LF: `multimail-identity:v1`, kid, the Message-ID with its brackets, mailbox, mode,
approved, t, bh.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from .auth.dkim_crypto import simple_body
from .headers import fold_tokens, read_headers, unfold

FIELD = "X-MultiMail-Identity"
_HALF = 32
_TAG = re.compile(r"\s*([a-z]+)\s*=\s*([^;]*?)\s*(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Claim:
    """What the field says about a message.

    Attributes:
        message_id: With its angle brackets.
        mailbox: The address of the mailbox that sent it.
        mode: The oversight mode that applied to it.
        approved: `human`, or `none` where no decision was needed.
        timestamp: When it was sent, in seconds since 1970.
    """

    message_id: str
    mailbox: str
    mode: str
    approved: str
    timestamp: int


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """A server's private key; only its public half is ever published."""

    _key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def generate(cls) -> IdentityKey:
        """Return a new P-256 key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, pem: bytes) -> IdentityKey:
        """Return the key that `pem()` returned as text.

        Raises:
            ValueError: The text is not a private key of P-256.
        """
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("The identity key is not an ECDSA key of P-256.")
        return cls(key)

    def pem(self) -> bytes:
        """Return the private key in PKCS #8, as PEM, to store it."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def public_pem(self) -> str:
        """Return the public key as SubjectPublicKeyInfo in PEM."""
        return (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )

    def jwk(self) -> dict[str, str]:
        """Return the public key as a JSON Web Key (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        x, y = (_b64url(number.to_bytes(_HALF, "big")) for number in (numbers.x, numbers.y))
        about = {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        return {**about, "kid": self.kid, "use": "sig", "alg": "ES256"}

    @property
    def kid(self) -> str:
        """The key's id: 16 hex digits of the SHA-256 of its SubjectPublicKeyInfo in DER."""
        return _kid(self._key.public_key())

    def build_field(self, raw: bytes, claim: Claim) -> bytes:
        """Return the signed field for a message, with its line end."""
        body_hash = _hash_body(raw)
        signed = _to_signed_bytes(self.kid, claim, body_hash)
        der = self._key.sign(signed, ec.ECDSA(hashes.SHA256()))
        halves = utils.decode_dss_signature(der)
        signature = base64.b64encode(b"".join(half.to_bytes(_HALF, "big") for half in halves))
        tags = {
            "v": "1", "a": "ES256", "kid": self.kid, "mailbox": claim.mailbox, "mode": claim.mode,
            "approved": claim.approved, "t": str(claim.timestamp), "bh": body_hash,
            "s": signature.decode("ascii"),
        }  # fmt: skip
        tokens = [f"{name}={value};" for name, value in tags.items()]
        tokens[-1] = tokens[-1].removesuffix(";")
        return f"{fold_tokens(FIELD, tokens)}\r\n".encode("ascii")


def verify_identity(raw: bytes, public_pem: str) -> Claim | None:
    """Return the claim in a message's identity field if this key signed it, else None.

    Args:
        raw: The whole message, as it arrived.
        public_pem: `public_key` of GET /.well-known/multimail-signing-key.

    Raises:
        ValueError: `public_pem` is not a P-256 key.
    """
    key = serialization.load_pem_public_key(public_pem.encode("ascii"))
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise ValueError("The public key is not an ECDSA key of P-256.")
    headers = read_headers(raw)
    fields, ids = headers.all(FIELD.lower()), headers.all("message-id")
    if len(fields) != 1 or len(ids) != 1:
        return None
    tags = dict(_TAG.findall(unfold(fields[0])))
    try:
        claim = Claim(
            unfold(ids[0]), tags["mailbox"], tags["mode"], tags["approved"], int(tags["t"])
        )
        halves = base64.b64decode(tags["s"], validate=True)
    except (KeyError, ValueError, binascii.Error):
        return None
    is_ours = (tags.get("v"), tags.get("a"), tags.get("kid")) == ("1", "ES256", _kid(key))
    if not is_ours or tags.get("bh") != _hash_body(raw) or len(halves) != 2 * _HALF:
        return None
    return (
        claim if _is_valid(key, halves, _to_signed_bytes(tags["kid"], claim, tags["bh"])) else None
    )


def _is_valid(key: ec.EllipticCurvePublicKey, halves: bytes, signed: bytes) -> bool:
    r, s = (int.from_bytes(half, "big") for half in (halves[:_HALF], halves[_HALF:]))
    try:
        key.verify(utils.encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _to_signed_bytes(kid: str, claim: Claim, body_hash: str) -> bytes:
    lines = (
        "multimail-identity:v1", kid, claim.message_id, claim.mailbox, claim.mode,
        claim.approved, str(claim.timestamp), body_hash,
    )  # fmt: skip
    return "\n".join(lines).encode()


def _hash_body(raw: bytes) -> str:
    body = raw[read_headers(raw).body_start :]
    return base64.b64encode(hashlib.sha256(simple_body(body)).digest()).decode("ascii")


def _kid(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()[:16]


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")
