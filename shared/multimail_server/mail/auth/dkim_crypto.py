"""DKIM cryptography: canonical forms, hashes, keys and signatures (RFC 6376, RFC 8463).

This module answers whether a signature verifies. Whether it counts is decided in `dkim`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from typing import TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa, utils

from ..headers import Field, HeaderBlock

PublicKey: TypeAlias = rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

MIN_RSA_BITS = 1024
MAX_RSA_BITS = 8192
_SHA256 = utils.Prehashed(hashes.SHA256())
_WSP_RUN = re.compile(rb"\t[\t ]*+| [\t ]++")
"""A tab, or several blanks. A single space, by far the most frequent, is not even a match."""
_LINE_END = re.compile(rb"\r?\n")
_REVERSED_CRLFS = re.compile(rb"(?:\n\r)*+")
_FORMS = {"simple": False, "relaxed": True}


class VerificationError(Exception):
    """A signature does not verify; the message says why, as a clause."""


def parse_tag_list(value: bytes) -> dict[str, str]:
    """Parse the tags of a DKIM or ARC signature (RFC 6376 section 3.2).

    Raises:
        ValueError: The value is not a tag list, or a tag occurs twice.
    """
    tags: dict[str, str] = {}
    specs = b" ".join(value.split(b"\r\n")).strip().split(b";")
    if not specs[-1]:
        specs.pop()
    for spec in specs:
        name, separator, text = (piece.strip() for piece in spec.partition(b"="))
        tag = name.decode("latin-1")
        if not separator or not name[:1].isalpha() or tag in tags:
            raise ValueError("is not a list of tags")
        tags[tag] = text.decode("latin-1")
    return tags


def split_record(record: bytes) -> list[tuple[str, str]]:
    """Return the names and values in a record of DNS, whatever is wrong with it.

    What is no tag has an empty name, and the whole text for its value; empty tags are left out.
    """
    specs: list[tuple[str, str]] = []
    for spec in record.decode("utf-8", "replace").split(";"):
        name, separator, value = (piece.strip() for piece in spec.partition("="))
        if spec.strip():
            specs.append((name, value) if separator else ("", name))
    return specs


def parse_signed_names(value: str) -> list[str]:
    """Return the header field names in a tag `h=`, in lower case."""
    return [name.strip(" \t") for name in value.lower().split(":")]


class CanonicalMessage:
    """A message in the canonical forms that signatures cover, each computed once.

    Args:
        raw: The whole message.
        headers: Its header block, without faults.
    """

    def __init__(self, raw: bytes, headers: HeaderBlock) -> None:
        self.headers = headers
        self._raw = raw
        self._body_hashes: dict[bool, bytes] = {}

    @cached_property
    def body(self) -> bytes:
        """The body, with CRLF line ends."""
        body = self._raw[self.headers.body_start :]
        has_bare_lf = body.count(b"\n") != body.count(b"\r\n")
        return _LINE_END.sub(b"\r\n", body) if has_bare_lf else body

    def hash_body(self, *, relaxed: bool) -> bytes:
        """Return the SHA-256 of the body in its simple or relaxed form (RFC 6376 section 3.4)."""
        if relaxed not in self._body_hashes:
            canonical = relaxed_body(self.body) if relaxed else simple_body(self.body)
            self._body_hashes[relaxed] = hashlib.sha256(canonical).digest()
        return self._body_hashes[relaxed]

    def hash_header(self, names: Iterable[str], signature: Field, *, relaxed: bool) -> bytes:
        """Return the SHA-256 of the fields that a signature covers (RFC 6376 section 3.7).

        Args:
            names: The names in its tag `h=`, in lower case. A name that occurs again selects the
                next field above; one that has no field left selects nothing (section 5.4.2).
            signature: The signature's own field, which comes last and without its `b=`.
            relaxed: The form of the header fields.
        """
        canonical = relaxed_field if relaxed else _simple_field
        digest = hashlib.sha256()
        selected: Counter[str] = Counter()
        for name in names:
            selected[name] += 1
            fields = self._fields[name]
            if selected[name] <= len(fields):
                digest.update(canonical(fields[-selected[name]]))
        digest.update(canonical(without_signature(signature)).removesuffix(b"\r\n"))
        return digest.digest()

    @cached_property
    def _fields(self) -> defaultdict[str, list[Field]]:
        fields: defaultdict[str, list[Field]] = defaultdict(list)
        for field in self.headers.fields:
            fields[field.name].append(field)
        return fields


def simple_body(body: bytes) -> bytes:
    """Return a body in its simple form: it ends in exactly one CRLF (RFC 6376 section 3.4.3)."""
    line_ends = body[len(body.rstrip(b"\r\n")) :]
    empty_lines = _REVERSED_CRLFS.match(line_ends[::-1])
    assert empty_lines is not None
    return body[: len(body) - empty_lines.end()] + b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """Return a body in its relaxed form, in linear time (RFC 6376 section 3.4.4)."""
    canonical = simple_body(_collapse_blanks(body).replace(b" \r\n", b"\r\n"))
    return b"" if canonical == b"\r\n" else canonical


def relaxed_field(field: Field) -> bytes:
    """Return a header field in its relaxed form, with its line end (RFC 6376 section 3.4.2)."""
    value = _collapse_blanks(field.value.replace(b"\r\n", b"")).strip(b" \t")
    return b"%s:%s\r\n" % (field.name.encode("ascii"), value)


def _simple_field(field: Field) -> bytes:
    return b"%s:%s\r\n" % (field.raw_name, field.value)


def without_signature(field: Field) -> Field:
    """Return a signature field with an empty `b=`, as it is hashed (RFC 6376 section 3.7)."""
    specs = field.value.split(b";")
    for position, spec in enumerate(specs):
        name, separator, _ = spec.partition(b"=")
        if name.strip() == b"b":
            specs[position] = name + separator
    return Field(field.name, b";".join(specs), field.raw_name)


def _collapse_blanks(data: bytes) -> bytes:
    return _WSP_RUN.sub(b" ", data) if b"\t" in data or b"  " in data else data


def verify_signature(
    message: CanonicalMessage,
    field: Field,
    tags: dict[str, str],
    key: PublicKey,
    *,
    default_form: str = "simple/simple",
) -> None:
    """Verify a signature over a message, its body hash first.

    Args:
        message: The message.
        field: The signature's field in it.
        tags: The tags of the field; `b=`, `bh=` and `h=` are present.
        key: The signer's key.
        default_form: The canonicalization where there is no tag `c=`.

    Raises:
        VerificationError: The signature does not verify.
    """
    header_form, separator, body_form = tags.get("c", default_form).partition("/")
    body_form = body_form if separator else "simple"
    if header_form not in _FORMS or body_form not in _FORMS:
        raise VerificationError("the signature is malformed")
    body_hash, signature = decode_base64(tags["bh"]), decode_base64(tags["b"])
    if message.hash_body(relaxed=_FORMS[body_form]) != body_hash:
        raise VerificationError("the body was changed after signing")
    names = parse_signed_names(tags["h"])
    digest = message.hash_header(names, field, relaxed=_FORMS[header_form])
    if not verify_digest(digest, signature, key):
        raise VerificationError("the signature does not match the header")


_KEY_MARKS = re.compile(r"""[\s"'\\()]""")
_NO_WHITE_SPACE = str.maketrans("", "", " \t\r\n")


def decode_base64(text: str) -> bytes:
    """Return the bytes of a tag in base64; white space is ignored (RFC 6376 section 3.2).

    Raises:
        VerificationError: The text is not base64.
    """
    try:
        # Not `split()`: it also drops control characters and NBSP, which are not white space here.
        return base64.b64decode(text.translate(_NO_WHITE_SPACE), validate=True)
    except (binascii.Error, ValueError):
        raise VerificationError("the signature is malformed") from None


def verify_digest(digest: bytes, signature: bytes, key: PublicKey) -> bool:
    """Return whether `signature` is a key's signature of a SHA-256 digest."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), _SHA256)
        else:
            # RFC 8463 section 3: Ed25519 signs the digest.
            key.verify(signature, digest)
    except InvalidSignature:
        return False
    return True


def load_public_key(kind: str, text: str) -> PublicKey:
    """Return the public key of a key record.

    Args:
        kind: `rsa` or `ed25519`, tag `k=`.
        text: The key in base64, tag `p=`.

    Raises:
        VerificationError: It is not a key of this kind, or an RSA key of fewer than 1,024 bits
            (RFC 8301) or of more than 8,192.
    """
    try:
        # DNS tools leave quotes and backslashes in records. Other marks may be a tag that lost
        # its semicolon, and with it a restriction.
        data = base64.b64decode(_KEY_MARKS.sub("", text), validate=True)
        if kind == "ed25519":
            return ed25519.Ed25519PublicKey.from_public_bytes(data)
        key = serialization.load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise VerificationError("the key is unusable or too short") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise VerificationError("the key is unusable or too short")
    if key.key_size > MAX_RSA_BITS:
        raise VerificationError("the key is too long")
    return key


def load_private_key(pem: bytes) -> PrivateKey:
    """Return a signing key: Ed25519 in PKCS #8, or RSA in PKCS #1 or #8.

    Raises:
        ValueError: `pem` is neither.
    """
    try:
        # Keys come from our own store; checking the primes of an RSA key would cost more than
        # the signature.
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        return key
    raise ValueError("the private key is not an RSA or Ed25519 key in PEM")


def sign_digest(digest: bytes, key: PrivateKey) -> bytes:
    """Return the signature of a SHA-256 digest."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, padding.PKCS1v15(), _SHA256)
    return key.sign(digest)
