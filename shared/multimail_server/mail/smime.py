"""S/MIME: what a CMS wrapper holds (RFC 8551, RFC 5652). No signature is checked.

BER is read as far as the content and no further: bounded, without recursion, with the indefinite
lengths and the octet strings in pieces that mail programs write.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

from .transfer_encodings import decode_base64

MAX_INFLATED = 8 * 1024 * 1024
_MAX_PIECES = 100_000
_MAX_DEPTH = 16
_SEQUENCE, _EXPLICIT, _OCTETS, _OCTETS_IN_PIECES, _OID = 0x30, 0xA0, 0x04, 0x24, 0x06
_END = b"\0\0"


class Wrapper(StrEnum):
    """What a CMS structure does with its content."""

    SIGNED = "signed"
    ENCRYPTED = "encrypted"
    COMPRESSED = "compressed"


_PKCS7, _SMIME = bytes.fromhex("2a864886f70d0107"), bytes.fromhex("2a864886f70d01091001")
_WRAPPERS = {
    _PKCS7 + b"\x02": Wrapper.SIGNED,
    _PKCS7 + b"\x03": Wrapper.ENCRYPTED,
    _PKCS7 + b"\x06": Wrapper.ENCRYPTED,
    _SMIME + b"\x17": Wrapper.ENCRYPTED,
    _SMIME + b"\x09": Wrapper.COMPRESSED,
}


@dataclass(frozen=True, slots=True)
class Cms:
    """A CMS structure.

    Attributes:
        wrapper: What it does.
        content: What it holds; empty where that is encrypted or stands elsewhere.
    """

    wrapper: Wrapper
    content: bytes


def read_cms(data: bytes) -> Cms | None:
    """Return the content of a CMS structure in BER or DER, or in base64; None if it is not one."""
    if data[:1] != b"0":
        data = decode_base64(b"".join(line for line in data.split(b"\n") if line[:5] != b"-----"))
    try:
        return _read_content_info(data)
    except (ValueError, IndexError, zlib.error):
        return None


def _read_content_info(data: bytes) -> Cms | None:
    at = _enter(data, _enter(data, 0, _SEQUENCE), _OID, go_in=False)
    oid = _read_primitive(data, _enter(data, 0, _SEQUENCE))
    wrapper = _WRAPPERS.get(oid)
    if wrapper is None or wrapper is Wrapper.ENCRYPTED:
        return Cms(wrapper, b"") if wrapper else None
    # version, then the digest algorithms or the compression algorithm, then the content
    at = _skip(data, _skip(data, _enter(data, _enter(data, at, _EXPLICIT), _SEQUENCE)))
    at = _skip(data, _enter(data, at, _SEQUENCE))
    if data[at : at + 1] != bytes([_EXPLICIT]):
        return Cms(wrapper, b"")
    content = _read_octets(data, _enter(data, at, _EXPLICIT))
    return Cms(wrapper, _inflate(content) if wrapper is Wrapper.COMPRESSED else content)


def _inflate(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    inflated = inflater.decompress(content, MAX_INFLATED)
    if inflater.unconsumed_tail:
        raise ValueError("the compressed content is too large")
    return inflated


def _read_header(data: bytes, at: int) -> tuple[int, int, int | None]:
    """Return tag, start of the content and length, which is None if it is indefinite (X.690)."""
    tag, first = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError("a tag of more than one byte")
    if first < 0x80:
        return tag, at + 2, first
    count = first & 0x7F
    if count == 0:
        return tag, at + 2, None
    if count > 8:
        raise ValueError("a length of more than 64 bits")
    return tag, at + 2 + count, int.from_bytes(data[at + 2 : at + 2 + count], "big")


def _enter(data: bytes, at: int, expected: int, *, go_in: bool = True) -> int:
    """Return where the content of an element starts, or where the next element starts."""
    tag, start, _ = _read_header(data, at)
    if tag != expected:
        raise ValueError("another tag is expected")
    return start if go_in else _skip(data, at)


def _read_primitive(data: bytes, at: int) -> bytes:
    _, start, length = _read_header(data, at)
    return data[start : start + (length or 0)]


def _skip(data: bytes, at: int) -> int:
    """Return where the element after the one at `at` starts."""
    depth = 0
    for _ in range(_MAX_PIECES):
        if depth and data[at : at + 2] == _END:
            depth, at = depth - 1, at + 2
        else:
            _, start, length = _read_header(data, at)
            depth, at = (depth + 1, start) if length is None else (depth, start + length)
        if depth == 0:
            return at
    raise ValueError("too many elements")


def _read_octets(data: bytes, at: int) -> bytes:
    """Return an octet string, its pieces joined."""
    pieces: list[bytes] = []
    ends: list[int | None] = []
    for _ in range(_MAX_PIECES):
        if ends and ends[-1] is None and data[at : at + 2] == _END:
            ends.pop()
            at += 2
        elif ends and ends[-1] is not None and at >= ends[-1]:
            ends.pop()
        else:
            tag, start, length = _read_header(data, at)
            at = start
            if tag == _OCTETS and length is not None:
                pieces.append(data[start : start + length])
                at += length
            elif tag == _OCTETS_IN_PIECES and len(ends) < _MAX_DEPTH:
                ends.append(None if length is None else start + length)
            else:
                raise ValueError("an octet string is expected")
        if not ends:
            return b"".join(pieces)
    raise ValueError("too many pieces")
