"""A DKIM signer that checks nothing, so that a case can be wrong in one respect (RFC 6376).

The product's own signer refuses to be careless, and shares its code with the verifier.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNED = (
    "from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to",
    "mime-version", "content-type", "content-transfer-encoding", "list-id", "auto-submitted",
)  # fmt: skip
ONCE_MORE = ("from", "subject", "content-type", "content-transfer-encoding", "reply-to")
_DIGEST_INFO = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
}
_RSA = bytes.fromhex("300d06092a864886f70d0101010500")
"""The algorithm of an RSA key in a SubjectPublicKeyInfo, RFC 3279 section 2.3.1."""
_LONG = re.compile("(.{60,100}?:)")
_BLANKS = re.compile(rb"[ \t]+")
_FIELD = re.compile(rb"[^\r\n]*(?:\r?\n[ \t][^\r\n]*)*")


@dataclass(frozen=True)
class Key:
    """A signing key.

    Attributes:
        record: What its domain publishes.
        kind: `rsa` or `ed25519`, as tag `a=` begins.
        sign: Signs bytes with a named hash.
    """

    record: str
    kind: str
    sign: Callable[[bytes, str], bytes]


def ed25519_key(seed: bytes = b"guards") -> Key:
    """Return a key of RFC 8463: it signs the hash of what is signed."""
    key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed).digest())
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()

    def sign(data: bytes, algorithm: str) -> bytes:
        return key.sign(hashlib.new(algorithm, data).digest())

    return Key(f"v=DKIM1; k=ed25519; p={public}", "ed25519", sign)


@cache
def rsa_key(bits: int = 1024) -> Key:
    """Return a key of PKCS #1 version 1.5, for tests alone: the same at every run."""
    source = random.Random(bits)
    p, q = _prime(bits // 2, source), _prime(bits // 2, source)
    n, d = p * q, pow(65537, -1, (p - 1) * (q - 1))
    size = bits // 8

    def sign(data: bytes, algorithm: str) -> bytes:
        told = _DIGEST_INFO[algorithm] + hashlib.new(algorithm, data).digest()
        padded = b"\0\1" + b"\xff" * (size - len(told) - 3) + b"\0" + told
        return pow(int.from_bytes(padded), d, n).to_bytes(size)

    numbers = _der(0x30, _der(2, b"\0" + n.to_bytes(size)) + _der(2, b"\1\0\1"))
    public = _der(0x30, _RSA + _der(3, b"\0" + numbers))
    return Key(f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}", "rsa", sign)


def _prime(bits: int, source: random.Random) -> int:
    while True:
        found = source.getrandbits(bits) | (3 << (bits - 2)) | 1
        if found % 65537 != 1 and all(pow(base, found - 1, found) == 1 for base in (2, 3, 5, 7)):
            return found


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    long = size.to_bytes((size.bit_length() + 7) // 8)
    length = bytes([size]) if size < 128 else bytes([0x80 | len(long)]) + long
    return bytes([tag]) + length + content


ED25519 = ed25519_key()


def signed(raw: bytes, domain: str, **how: object) -> bytes:
    """Return the message with `signature(raw, domain, **how)` on top."""
    return signature(raw, domain, **how) + raw  # type: ignore[arg-type]


def signature(
    raw: bytes,
    domain: str,
    *,
    selector: str = "s1",
    key: Key = ED25519,
    headers: Sequence[str] | None = None,
    c: str = "relaxed/relaxed",
    algorithm: str = "sha256",
    tags: Mapping[str, str] | None = None,
    covers: int | None = None,
    field: str = "DKIM-Signature",
) -> bytes:
    """Return a DKIM-Signature field for a message, its line end included.

    Args:
        raw: The message, with CRLF line ends.
        domain: Tag `d=`.
        selector: Tag `s=`.
        key: What it is signed with.
        headers: Tag `h=`; default everything that a careful signer takes, and once more.
        c: Tag `c=`.
        algorithm: `sha256` or `sha1`.
        tags: More tags, or other values for those above; an empty value leaves one out.
        covers: How many bytes of the body are hashed; default all. Says nothing of `l=`.
        field: The field's name; that of ARC is made alike.
    """
    block, _, body = raw.partition(b"\r\n\r\n")
    fields = [found for found in _FIELD.findall(block + b"\r\n") if found]
    names = _ordinary(fields) if headers is None else headers
    of_headers, _, of_body = c.partition("/")
    hashed = _canonical_body(body, of_body or "simple")[:covers]
    told = {
        "i": "",  # where ARC has its number, first
        "v": "1",
        "a": f"{key.kind}-{algorithm}",
        "c": c,
        "d": domain,
        "s": selector,
        "h": _LONG.sub("\\1\r\n ", ":".join(names)),
        "bh": base64.b64encode(hashlib.new(algorithm, hashed).digest()).decode(),
        **(tags or {}),
    }
    value = "; ".join(f"{name}={text}" for name, text in told.items() if text)
    start = f"{field}: {value}; b=".encode()
    lines = [_canonical_field(one, of_headers) + b"\r\n" for one in _picked(fields, names)]
    data = b"".join(lines) + _canonical_field(start, of_headers)
    return start + base64.b64encode(key.sign(data, algorithm)) + b"\r\n"


def sealed(raw: bytes, domain: str, results: str, key: Key, *, cv: str = "none") -> bytes:
    """Return the message with the first ARC set of a domain on top (RFC 8617 section 5.1).

    Args:
        raw: The message, with CRLF line ends.
        domain: Who seals, with a key under `r1`.
        results: What it says of the message's way to it.
        key: What it is sealed with.
        cv: Tag `cv=`.
    """
    told = f"ARC-Authentication-Results: i=1; {domain}; {results}\r\n".encode()
    tags = {"v": "", "i": "1"}
    mark = signature(raw, domain, selector="r1", key=key, tags=tags, field="ARC-Message-Signature")
    start = f"ARC-Seal: i=1; a={key.kind}-sha256; cv={cv}; d={domain}; s=r1; b=".encode()
    lines = [_canonical_field(one, "relaxed") for one in (told, mark, start)]
    seal = base64.b64encode(key.sign(b"\r\n".join(lines), "sha256"))
    return start + seal + b"\r\n" + mark + told + raw


def _name(field: bytes) -> str:
    return field.partition(b":")[0].strip().lower().decode("latin-1")


def _ordinary(fields: Sequence[bytes]) -> list[str]:
    return [name for name in map(_name, fields) if name in SIGNED] + list(ONCE_MORE)


def _picked(fields: Sequence[bytes], names: Sequence[str]) -> list[bytes]:
    """Return the fields that `h=` names, each name taking the lowest one left (section 5.4.2)."""
    left: dict[str, list[bytes]] = {}
    for field in fields:
        left.setdefault(_name(field), []).append(field)
    stacks = (left.get(name.lower()) for name in names)
    return [stack.pop() for stack in stacks if stack]


def _canonical_field(field: bytes, how: str) -> bytes:
    if how == "simple":
        return field
    name, _, value = field.partition(b":")
    text = _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + text


def _canonical_body(body: bytes, how: str) -> bytes:
    if how == "relaxed":
        lines = (_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n"))
        body = b"\r\n".join(lines)
    kept = re.sub(rb"(?:\r\n)*\Z", b"", body)
    return kept + b"\r\n" if kept or how == "simple" else b""
