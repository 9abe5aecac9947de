"""dkimpy, typed: the few things that are asked of it. It is not asked for its opinion on DNS."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import dkim
from dkim.util import InvalidTagValueList, parse_tag_value

_BLANKS = re.compile(rb"\t[\t ]*| [\t ]+")
"""A tab, or several blanks. A single space, by far the most frequent, is not even a match."""
_LINE_END = re.compile(rb"\r?\n")
_EMPTY_LINE = re.compile(rb"(?:^|(?<=\n))\r?\n")
_FIELD = re.compile(rb"([\x21-\x7e]+?):([^\n]*+\n(?:[\t ][^\n]*+\n)*+)")
_COLON = re.compile(rb"\s*:\s*")
_TIMES = (b"t", b"x")


class Invalid(Exception):  # noqa: N818
    """A signature does not verify; the message says why, in a few plain words."""


def read_tags(value: bytes) -> dict[str, str]:
    """Return the tags of a DKIM signature, a key record or a DMARC record, RFC 6376 section 3.2.

    Raises:
        ValueError: It is no list of tags, or a tag stands twice.
    """
    try:
        tags: dict[bytes, bytes] = parse_tag_value(b" ".join(value.split(b"\r\n")))
    except (InvalidTagValueList, IndexError) as error:
        raise ValueError("is no list of tags") from error
    return {name.decode("latin-1"): text.decode("latin-1") for name, text in tags.items()}


class Verifier:
    """Verifies the signatures of one message, each against a key that was found before."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._message: Any = None
        self._relaxed_body: bytes | None = None
        self._simple_body = b""

    def verify(self, index: int, key: bytes, *, relaxed_body: bool) -> None:
        """Verify the signature number `index` from the top, counting from 0.

        Args:
            index: Which one.
            key: The key record.
            relaxed_body: Whether the signature's body canonicalisation is `relaxed`.

        Raises:
            Invalid: It does not verify.
        """
        try:
            message, is_relaxed = self._loaded(relaxed_body=relaxed_body)
            good = _verify(message, index, key, is_relaxed=is_relaxed)
        except Exception as error:
            # dkimpy raises far more than its own exceptions on hostile signatures and keys.
            raise Invalid(_plain(error)) from error
        if good is not True:
            raise Invalid("the signature does not match the header")

    def _loaded(self, *, relaxed_body: bool) -> tuple[Any, bool]:
        """Return dkimpy's message, and whether its body is in the relaxed form already."""
        if self._message is None:
            self._message = _message(dkim.DKIM, self.raw)
            self._simple_body = self._message.body
        body = self._simple_body
        if relaxed_body:
            if self._relaxed_body is None:
                self._relaxed_body = _relaxed(body)
            body = self._relaxed_body
        self._message.body = body
        # What is nothing but empty lines is hashed as one of them, or as none if it is relaxed.
        return self._message, relaxed_body and bool(body.strip(b"\r\n"))


def _message(kind: Callable[[bytes], Any], raw: bytes) -> Any:
    """Return what dkimpy reads of a message, in time that does not grow with a square.

    Its own reading adds each folded line to those before it, and takes the body apart and together
    again. It is left to it where the header is odd.
    """
    found = _EMPTY_LINE.search(raw)
    if found is None:
        return kind(raw)
    end, at = found.start(), 0
    fields: list[list[bytes]] = []
    while at < end and (field := _FIELD.match(raw, at, end)):
        fields.append([field[1], _with_crlf(field[2])])
        at = field.end()
    if at < end:
        return kind(raw)
    message = kind(b"")
    message.headers, message.body = fields, _with_crlf(raw[found.end() :])
    return message


def _with_crlf(text: bytes) -> bytes:
    is_mixed = text.count(b"\n") != text.count(b"\r\n")
    return _LINE_END.sub(b"\r\n", text) if is_mixed else text


def _relaxed(body: bytes) -> bytes:
    """Return the relaxed form of a body but for its last lines, RFC 6376 section 3.4.4."""
    return _closed_up(body).replace(b" \r\n", b"\r\n")


def _closed_up(body: bytes) -> bytes:
    """Close up runs of blanks in linear time: dkimpy's own pattern is quadratic in them."""
    return _BLANKS.sub(b" ", body) if b"\t" in body or b"  " in body else body


def _verify(message: Any, index: int, key: bytes, *, is_relaxed: bool) -> bool:
    """Do what `DKIM.verify` does, without its look at the machine's clock.

    Args:
        message: The message.
        index: Which of its signatures.
        key: The key record.
        is_relaxed: Whether the body is in the relaxed form already.
    """
    fields = [field for field in message.headers if field[0].lower() == b"dkim-signature"]
    tags: dict[bytes, bytes] = parse_tag_value(fields[index][1])
    timeless = {name: value for name, value in tags.items() if name not in _TIMES}
    dkim.validate_signature_fields(timeless)
    names = [name.lower() for name in _COLON.split(tags[b"h"])]
    if is_relaxed:
        timeless[b"c"] = timeless[b"c"].removesuffix(b"/relaxed") + b"/simple"
    good: bool = message.verify_sig(
        timeless,
        names,
        fields[index],
        lambda _name, timeout=0: key,  # noqa: ARG005
    )
    return good


def verify_chain(raw: bytes, find_key: Callable[[str], bytes], *, relaxed_body: bool) -> bool:
    """Return whether every seal of an ARC chain is good, and its newest message signature.

    Args:
        raw: The whole message. Its ARC sets are complete and numbered from 1.
        find_key: Returns the key record that stands at a name of DNS. What it raises is passed on.
        relaxed_body: Whether the newest message signature's body canonicalisation is `relaxed`.

    Raises:
        Invalid: The chain could not be read.
    """
    silence: list[Exception] = []

    def look_up(name: bytes, timeout: int = 0) -> bytes:  # noqa: ARG001
        try:
            return find_key(name.decode("ascii"))
        except Exception as error:
            silence.append(error)
            raise

    try:
        chain = _message(dkim.ARC, raw)
        if relaxed_body:
            chain.body = _closed_up(chain.body)
        _hash_the_body_once(chain)
        passed: bool = chain.verify(dnsfunc=look_up)[0] == dkim.CV_Pass
    except Exception as error:
        if silence:
            raise silence[-1] from None
        raise Invalid(_plain(error)) from error
    return passed


def _hash_the_body_once(chain: Any) -> None:
    """Leave older message signatures without a body: they decide nothing, and cost as much."""
    verify_one = chain.verify_instance

    def verify_instance(*args: Any, **named: Any) -> Any:
        found = verify_one(*args, **named)
        chain.body = b""
        return found

    chain.verify_instance = verify_instance


def _plain(error: Exception) -> str:
    if isinstance(error, dkim.ValidationError) and "body hash" in str(error):
        return "the body was changed after signing"
    if isinstance(error, dkim.KeyFormatError):
        return "the key is unusable or too short"
    if isinstance(error, dkim.DKIMException):
        return "the signature is malformed"
    return "the signature or its key could not be read"


def signature_field(
    raw: bytes, *, domain: str, selector: str, key: bytes, algorithm: str, headers: list[str]
) -> bytes:
    """Return a DKIM-Signature field for a message, its line end included.

    Raises:
        ValueError: The key or the message cannot be used.
    """
    try:
        signer: Any = dkim.DKIM(raw, signature_algorithm=algorithm.encode("ascii"))
        signer.body = _closed_up(signer.body)
        field: bytes = signer.sign(
            selector.encode("ascii"),
            domain.encode("ascii"),
            key,
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode("ascii") for name in headers],
        )
    except (dkim.DKIMException, ValueError, IndexError, TypeError) as error:
        raise ValueError(f"cannot sign: {_plain(error)}") from None
    return field
