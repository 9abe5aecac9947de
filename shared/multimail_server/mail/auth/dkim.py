"""One DKIM signature: what it must be beyond verifying, before it may count (RFC 6376).

A verifier says that some bytes were signed. Whether those bytes are the ones that a reader
sees, and whether the signer meant it, is asked here, first and without DNS.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from multimail.trust.evidence import AuthResult

from ..addresses import ascii_domain
from ..headers import HeaderBlock
from ..mime import parameter
from .alignment import is_public_suffix
from .dkim_crypto import Invalid, Verifier, read_tags
from .dns import DnsUnavailable, Resolver

MAX_SIGNATURE = 8192
_MAX_SIGNED = 200
_MAX_KEY = 2048
_REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")
_ALGORITHMS = {"rsa-sha256": "rsa", "rsa-sha1": "rsa", "ed25519-sha256": "ed25519"}
_COVERED = ("from", "subject", "reply-to")
_SELECTOR = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"\d{1,12}")
_LONG_BLANK = re.compile(rb"[\s]{101}")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it was read.

    Attributes:
        index: Its number among the message's signatures, from the top.
        domain: Tag `d=`, in lower case and A-labels; empty if it is no domain.
        selector: Tag `s=`.
        tags: All its tags.
        fault: Why it is malformed; empty if it is not.
    """

    index: int
    domain: str
    selector: str
    tags: dict[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a signature is worth, in the words of RFC 8601, and why it is no pass."""

    result: AuthResult
    reason: str = ""


def read_signature(index: int, value: bytes) -> Signature:
    """Return a DKIM-Signature field as tags, RFC 6376 section 3.5."""
    if len(value) > MAX_SIGNATURE or _LONG_BLANK.search(value):
        return Signature(index, "", "", {}, "the signature is too long")
    try:
        tags = read_tags(value)
    except ValueError as error:
        return Signature(index, "", "", {}, f"the signature {error}")
    domain, selector = ascii_domain(tags.get("d", "")) or "", tags.get("s", "")
    if not _SELECTOR.fullmatch(selector):
        selector = ""
    return Signature(index, domain, selector, tags, _malformed(tags, domain, selector))


def _malformed(tags: dict[str, str], domain: str, selector: str) -> str:
    missing = [name for name in _REQUIRED if not tags.get(name)]
    if missing:
        return f"tag {missing[0]}= is missing"
    if tags["v"] != "1" or tags["a"] not in _ALGORITHMS:
        return "the version or the algorithm is unknown"
    if not domain or not selector:
        return "the domain or the selector is malformed"
    if tags.get("q", "dns/txt") != "dns/txt":
        return "the key is not in DNS"
    # Only 1*DIGIT is allowed; a verifier may read other spellings as no limit.
    if any(not _NUMBER.fullmatch(tags[name]) for name in ("t", "x") if name in tags):
        return "a time is not a number"
    if "x" in tags and int(tags["x"]) <= int(tags.get("t", "0")):
        return "it expires before it was made"
    return ""


def judge(
    signature: Signature,
    headers: HeaderBlock,
    resolver: Resolver,
    verifier: Verifier,
    now: datetime,
) -> Verdict:
    """Return what a signature is worth. It never raises.

    Args:
        signature: The signature.
        headers: The message's header block, free of structural faults.
        resolver: Where the key is looked up.
        verifier: The message's.
        now: The server's time, by which a signature expires.
    """
    if signature.fault:
        return Verdict(AuthResult.PERMERROR, signature.fault)
    objection = _objection(signature, headers, verifier.raw, now)
    if objection:
        return Verdict(AuthResult.POLICY, objection)
    try:
        key = find_key(signature.selector, signature.domain, resolver)
        tags = _key_tags(signature, key)
    except DnsUnavailable as error:
        return Verdict(AuthResult.TEMPERROR, f"no key was found: {error}")
    except ValueError as error:
        return Verdict(AuthResult.PERMERROR, str(error))
    objection = _key_objection(signature, tags)
    try:
        relaxed = signature.tags.get("c", "").partition("/")[2] == "relaxed"
        verifier.verify(signature.index, key, relaxed_body=relaxed)
    except Invalid as error:
        return Verdict(AuthResult.FAIL, str(error))
    return Verdict(AuthResult.POLICY, objection) if objection else Verdict(AuthResult.PASS)


def _objection(signature: Signature, headers: HeaderBlock, raw: bytes, now: datetime) -> str:
    """Return why a signature does not count even if it verifies; empty if it does."""
    tags = signature.tags
    if tags["a"] == "rsa-sha1":
        return "it is made with SHA-1"
    if "l" in tags:
        return "it covers only a part of the body (l=)"
    if "x" in tags and int(tags["x"]) <= now.timestamp():
        return "it has expired"
    if is_public_suffix(signature.domain):
        return f"{signature.domain} is a public suffix and nobody's own domain"
    return uncovered(tags["h"], headers, raw)


def uncovered(signed: str, headers: HeaderBlock, raw: bytes) -> str:
    """Return which field that a reader sees stands outside of a signature, RFC 6376 8.15.

    Args:
        signed: The names of the fields that it signs, tag `h=`.
        headers: The message's header block.
        raw: The whole message.

    Returns:
        An objection in plain words; empty where there is none.
    """
    names = [name.strip().lower() for name in signed.split(":")]
    if len(names) > _MAX_SIGNED:
        return "it names more than 200 fields"
    covered = Counter(names)
    present = Counter(field.name for field in headers.fields)
    for name in _COVERED:
        if present[name] > covered[name] or (name == "from" and not covered[name]):
            return f"it does not cover the field {name.title()}"
    kind = headers.first("content-type") if present["content-type"] else b"text/plain"
    # A field that is named and absent cannot have been taken away: absence is signed too.
    if covered["content-type"] or is_pinned(kind, raw[headers.body_start :]):
        return ""
    return "it does not cover the field Content-Type"


def find_key(selector: str, domain: str, resolver: Resolver) -> bytes:
    """Return the one key record of a signature, RFC 6376 section 3.6.2.2.

    Raises:
        ValueError: There is none, or several, or it is too long; the message says which.
        DnsUnavailable: DNS gave no answer.
    """
    records = resolver.txt(f"{selector}._domainkey.{domain}")
    keys = [record for record in records if _is_key(record)]
    if not keys:
        raise ValueError("the domain publishes no such key")
    if len(keys) > 1:
        raise ValueError("the domain publishes several keys under one selector")
    if len(keys[0]) > _MAX_KEY:
        raise ValueError("the key record is too long")
    return keys[0]


def _is_key(record: bytes) -> bool:
    """Whether a TXT record is meant as a key: others may stand beside it, under a wildcard."""
    try:
        return "p" in read_tags(record)
    except ValueError:
        return False


def _key_tags(signature: Signature, key: bytes) -> dict[str, str]:
    try:
        tags = read_tags(key)
    except ValueError:
        raise ValueError("the key record is malformed") from None
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        raise ValueError("the key record is malformed")
    if not tags["p"]:
        raise ValueError("the key was revoked")
    if tags.get("k", "rsa") != _ALGORITHMS[signature.tags["a"]]:
        raise ValueError("the key is of another algorithm than the signature")
    if not {"*", "email"} & _listed(tags.get("s", "*")):
        raise ValueError("the key is not for mail")
    return tags


def _key_objection(signature: Signature, key: dict[str, str]) -> str:
    flags = _listed(key.get("t", ""))
    if "y" in flags:
        return "the domain only tests its key"
    if "h" in key and "sha256" not in _listed(key["h"]):
        return "the key does not allow SHA-256"
    identity = signature.tags.get("i", "").rpartition("@")[2]
    if "s" in flags and identity and ascii_domain(identity) != signature.domain:
        return "the key forbids signing for a subdomain"
    return ""


def _listed(value: str) -> set[str]:
    return {item.strip().lower() for item in value.split(":")}


_KINDS = frozenset({"mixed", "alternative", "related", "report", "signed"})
_PLAIN_CHARSETS = frozenset({"", "us-ascii", "utf-8"})
_DELIMITER = re.compile(rb"^--(?!-*[ \t]*\r?$)[^\r\n]+", re.MULTILINE)
"""A line that can delimit parts; one of dashes alone is a rule under a heading."""
_MARKUP = re.compile(rb"\s*<(?:!doctype|html)\b", re.IGNORECASE)


def is_pinned(content_type: bytes, body: bytes) -> bool:
    """Return whether a body can be shown in no other way than its Content-Type says.

    It can not where it is plain text, and nothing else, or where it begins and ends with the
    delimiters of its multipart boundary (RFC 2046 section 5.1.1), so that no other boundary fits.

    Args:
        content_type: The field's value; `text/plain` where there is no such field.
        body: The signed body.
    """
    kind, _, subtype = content_type.partition(b";")[0].strip().lower().partition(b"/")
    if kind == b"text" and subtype == b"plain":
        return parameter(content_type, "charset").lower() in _PLAIN_CHARSETS and _is_text(body)
    boundary = parameter(content_type, "boundary").encode("utf-8", "replace")
    if kind != b"multipart" or subtype.decode("latin-1") not in _KINDS or not boundary:
        return False
    first = body.lstrip(b"\r\n").partition(b"\n")[0].rstrip()
    return first == b"--" + boundary and body.rstrip().endswith(b"--" + boundary + b"--")


def _is_text(body: bytes) -> bool:
    """Return whether a body can be nothing but plain text: neither multipart nor HTML.

    Shown as text, the source of either would show what its sender had hidden from readers.
    """
    lines = {line.rstrip() for line in _DELIMITER.findall(body)}
    closed = any(line.endswith(b"--") and line[:-2] in lines for line in lines)
    return not closed and _MARKUP.match(body) is None
