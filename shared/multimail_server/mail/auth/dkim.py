"""DKIM: whether one signature counts for a message (RFC 6376).

A verifier says that some bytes were signed. Whether those are the bytes that a reader sees, and
whether the signer meant to sign mail with this key, is checked here as well.

A key record is read more leniently than the RFC's grammar says, since a slip in it changes neither
the key nor who published it. A restriction is never lost: where a slip might hide one, the record
is unusable.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from multimail.trust.addresses import ascii_domain
from multimail.trust.evidence import AuthResult

from ..headers import Field, get_parameter, parse_media_type, unfold
from ..transfer_encodings import find_transfer_encoding
from .alignment import is_public_suffix
from .dkim_crypto import (
    CanonicalMessage,
    VerificationError,
    load_public_key,
    parse_signed_names,
    parse_tag_list,
    split_record,
    verify_signature,
)
from .dns import DnsUnavailableError, Resolver

_MAX_RECORD = 2048
_TAG_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_MEANINGFUL = frozenset({"v", "h", "k", "p", "s", "t"})
_HIDDEN_IN_WORDS = re.compile(r"(?<![a-z0-9])[hkpst](?![a-z0-9])", re.IGNORECASE)
_HIDDEN_IN_VALUE = re.compile(r"(?:^|[\s,])[hkpst]\s*=", re.IGNORECASE)
_FLAG = re.compile(r"[a-z0-9]+")


def look_up_key(selector: str, domain: str, kind: str, resolver: Resolver) -> dict[str, str]:
    """Return the tags of the one key record for a signature (RFC 6376 section 3.6.2).

    Args:
        selector: Tag `s=` of the signature.
        domain: Tag `d=` of the signature.
        kind: The key that its algorithm needs, `rsa` or `ed25519`.
        resolver: Looks up the key.

    Raises:
        ValueError: There is no key, there are several, or it is not usable for this signature;
            the message says which.
        DnsUnavailableError: DNS gave no answer.
    """
    records = resolver.txt(f"{selector}._domainkey.{domain}")
    # Under a wildcard there may be other records beside it.
    keys = [tags for tags in map(parse_key_record, records) if tags is not None]
    if not keys:
        raise ValueError("the domain publishes no such key")
    if len(keys) > 1:
        raise ValueError("the domain publishes several keys under one selector")
    tags = keys[0]
    if not tags["p"]:
        raise ValueError("the key was revoked")
    if tags.get("k", "rsa").lower() != kind:
        raise ValueError("the key is of another algorithm than the signature")
    if not {"*", "email"} & parse_list(tags.get("s", "*")):
        raise ValueError("the key is not for mail")
    return tags


def parse_key_record(record: bytes) -> dict[str, str] | None:
    """Return the tags of a key record; None if a TXT record is none.

    Empty tags, words that are no tag, and blanks around names and values are ignored.

    Raises:
        ValueError: It is too long, or might hide a restriction.
    """
    specs = split_record(record)
    names = [name for name, _ in specs]
    if "p" not in names or any(name == "v" and value != "DKIM1" for name, value in specs):
        return None
    if len(record) > _MAX_RECORD:
        raise ValueError("the key record is too long")
    tags: dict[str, str] = {}
    for name, value in specs:
        if name.lower() in _MEANINGFUL:
            if name.lower() in tags:
                raise ValueError("the key record is malformed")
            tags[name.lower()] = value
        elif _may_hide_restriction(name, value):
            raise ValueError("the key record is malformed")
    return tags


def _may_hide_restriction(name: str, value: str) -> bool:
    """Return whether what is no known tag might be one that was meant to be, such as `foo t=y`."""
    if _TAG_NAME.fullmatch(name):
        return _HIDDEN_IN_VALUE.search(value) is not None
    return _HIDDEN_IN_WORDS.search(f"{name} {value}") is not None


def parse_flags(tags: dict[str, str]) -> set[str]:
    """Return the flags of a key, tag `t=`, whatever stands between them."""
    return set(_FLAG.findall(tags.get("t", "").lower()))


def parse_list(value: str) -> set[str]:
    """Return the items of a tag's value, in lower case."""
    return {item.strip().lower() for item in value.split(":")}


MAX_SIGNATURE_BYTES = 8192
_MAX_SIGNED_NAMES = 200
_REQUIRED_TAGS = ("v", "a", "b", "bh", "d", "h", "s")
_KEY_KINDS = {"rsa-sha256": "rsa", "rsa-sha1": "rsa", "ed25519-sha256": "ed25519"}
_SHOWN_FIELDS = ("from", "subject")
_SELECTOR = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"\d{1,12}")
_LONG_BLANK = re.compile(rb"[\s]{101}")

_MULTIPART_KINDS = frozenset({"mixed", "alternative", "related", "report", "signed"})
_PLAIN_CHARSETS = frozenset({"", "us-ascii", "utf-8"})
_DELIMITER = re.compile(rb"^--(?!-*[ \t]*\r?$)[^\r\n]+", re.MULTILINE)
"""A line that can delimit parts; a line of dashes alone underlines a heading."""
_DASHES_BEFORE_PART = re.compile(
    rb"^--+[ \t]*\r?\ncontent-[a-z-]{1,40}:", re.MULTILINE | re.IGNORECASE
)
_MARKUP = re.compile(
    rb"\s*<(?:!doctype|!--|(?:html|head|body|div|p|table|span|style|center|meta|title)(?=[\s>/]))",
    re.IGNORECASE,
)
_ENCODED_BODY = re.compile(rb"[A-Za-z0-9+/\s]*+[=\s]*+")


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed DKIM-Signature field.

    Attributes:
        field: The field.
        domain: Tag `d=`, in lower case and A-labels; empty if it is not a domain.
        selector: Tag `s=`; empty if it is malformed.
        tags: All its tags.
        fault: Why it is malformed; empty if it is not.
    """

    field: Field
    domain: str
    selector: str
    tags: dict[str, str]
    fault: str = ""


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """What a signature is worth (RFC 8601), and the reason where it is not a pass."""

    result: AuthResult
    reason: str = ""


def parse_signature(field: Field) -> Signature:
    """Parse a DKIM-Signature field (RFC 6376 section 3.5)."""
    if is_oversized(field.value):
        return Signature(field, "", "", {}, "the signature is too long")
    try:
        tags = parse_tag_list(field.value)
    except ValueError as error:
        return Signature(field, "", "", {}, f"the signature {error}")
    domain, selector = ascii_domain(tags.get("d", "")) or "", tags.get("s", "")
    if not _SELECTOR.fullmatch(selector):
        selector = ""
    return Signature(field, domain, selector, tags, _syntax_fault(tags, domain, selector))


def is_oversized(value: bytes) -> bool:
    """Return whether a field is too long to be a signature that anybody makes."""
    return len(value) > MAX_SIGNATURE_BYTES or _LONG_BLANK.search(value) is not None


def _syntax_fault(tags: dict[str, str], domain: str, selector: str) -> str:
    missing = [name for name in _REQUIRED_TAGS if not tags.get(name)]
    if missing:
        return f"tag {missing[0]}= is missing"
    if tags["v"] != "1" or tags["a"] not in _KEY_KINDS:
        return "the version or the algorithm is unknown"
    if not domain or not selector:
        return "the domain or the selector is malformed"
    if tags.get("q", "dns/txt") != "dns/txt":
        return "the key is not in DNS"
    # Only 1*DIGIT is allowed; another verifier may read other spellings as no limit.
    if any(not _NUMBER.fullmatch(tags[name]) for name in ("t", "x") if name in tags):
        return "a time is not a number"
    if "x" in tags and int(tags["x"]) <= int(tags.get("t", "0")):
        return "it expires before it was made"
    return ""


def evaluate_signature(
    signature: Signature, message: CanonicalMessage, resolver: Resolver, now: datetime
) -> SignatureResult:
    """Return what a signature is worth. It never raises.

    Args:
        signature: The signature.
        message: The message, whose header block has no faults.
        resolver: Looks up the key.
        now: The time by which the signature expires.
    """
    if signature.fault:
        return SignatureResult(AuthResult.PERMERROR, signature.fault)
    failure = _policy_failure(signature, message, now)
    if failure:
        return SignatureResult(AuthResult.POLICY, failure)
    kind = _KEY_KINDS[signature.tags["a"]]
    try:
        key = look_up_key(signature.selector, signature.domain, kind, resolver)
    except DnsUnavailableError as error:
        return SignatureResult(AuthResult.TEMPERROR, f"no key was found: {error}")
    except ValueError as error:
        return SignatureResult(AuthResult.PERMERROR, str(error))
    try:
        _check_identity(signature.tags)
        public_key = load_public_key(kind, key["p"])
        verify_signature(message, signature.field, signature.tags, public_key)
    except VerificationError as error:
        return SignatureResult(AuthResult.FAIL, str(error))
    failure = _key_policy_failure(signature, key)
    return SignatureResult(AuthResult.POLICY, failure) if failure else _PASS


_PASS = SignatureResult(AuthResult.PASS)


def _policy_failure(signature: Signature, message: CanonicalMessage, now: datetime) -> str:
    """Return why a signature does not count even if it verifies; empty if it does."""
    tags = signature.tags
    if tags["a"] == "rsa-sha1":
        return "it is made with SHA-1"
    if "l" in tags:
        return "it covers only a part of the body (l=)"
    if has_expired(tags, now):
        return "it has expired"
    if is_public_suffix(signature.domain):
        return f"{signature.domain} is a public suffix, not the domain of one organisation"
    return find_uncovered_field(tags["h"], message)


def has_expired(tags: dict[str, str], now: datetime) -> bool:
    """Return whether a signature's tag `x=`, a number, is not after `now`."""
    return "x" in tags and int(tags["x"]) <= now.timestamp()


def find_uncovered_field(
    signed: str, message: CanonicalMessage, shown: tuple[str, ...] = _SHOWN_FIELDS
) -> str:
    """Return which field that a reader sees a signature does not cover (RFC 6376 section 8.15).

    Args:
        signed: The names of the fields that it signs, tag `h=`.
        message: The message.
        shown: The fields that must be covered. An unsigned Reply-To leaves a signature valid:
            `find_covered_fields` says that it proves nothing.

    Returns:
        The reason in plain words; empty where every such field is covered.
    """
    names = parse_signed_names(signed)
    if len(names) > _MAX_SIGNED_NAMES:
        return "it names more than 200 fields"
    headers = message.headers
    covered = Counter(names)
    present = Counter(field.name for field in headers.fields)
    for name in shown:
        if present[name] > covered[name] or (name == "from" and not covered[name]):
            return f"it does not cover the field {name.title()}"
    content_type = headers.first("content-type") if present["content-type"] else b"text/plain"
    # A name without a field is signed as absent: the field cannot have been removed.
    if not covered["content-type"] and not content_type_is_unambiguous(content_type, message.body):
        return "it does not cover the field Content-Type"
    is_covered = covered["content-transfer-encoding"] >= max(
        1, present["content-transfer-encoding"]
    )
    if is_covered or _encoding_is_unambiguous(message, content_type):
        return ""
    return "it does not cover the field Content-Transfer-Encoding"


def _encoding_is_unambiguous(message: CanonicalMessage, content_type: bytes) -> bool:
    """Return whether an unsigned Content-Transfer-Encoding leaves a body what its sender signed.

    Decoders skip what is not in an encoding. Put on top of plain text, the field would leave only
    the lines in base64 that a stranger had his message quoted with. A body that is nothing else
    was sent in base64; quoted-printable leaves all other text as it stands.
    """
    values = message.headers.all("content-transfer-encoding")[:10]
    encoding = find_transfer_encoding([unfold(value[:200]) for value in values])
    if encoding not in {"base64", "uuencode"}:
        return True
    boundary = get_parameter(content_type, "boundary").encode("utf-8", "replace")
    is_multipart = parse_media_type(content_type).startswith("multipart/")
    if is_multipart and boundary and message.body.lstrip().startswith(b"--" + boundary):
        return True  # the encoding of a multipart is not used
    return encoding == "base64" and _ENCODED_BODY.fullmatch(message.body) is not None


def find_covered_fields(signed: str, message: CanonicalMessage) -> tuple[str, ...]:
    """Return the names of the message's fields of which a signature covers every instance.

    Args:
        signed: The names of the fields that it signs, tag `h=`: each covers one more instance, from
            the bottom up (RFC 6376 section 5.4.2).
        message: The message.
    """
    covered = Counter(parse_signed_names(signed))
    present = Counter(field.name for field in message.headers.fields)
    return tuple(sorted(name for name, count in present.items() if covered[name] >= count))


def content_type_is_unambiguous(content_type: bytes, body: bytes) -> bool:
    """Return whether a body can be shown in no other way than its Content-Type says.

    Large senders do not sign Content-Type, so an intermediary could replace it and have another
    part of the signed body shown. That is impossible where the body is plain text and nothing
    else, or where it begins and ends with the delimiters of its multipart boundary (RFC 2046
    section 5.1.1), so that no other boundary fits.

    Args:
        content_type: The field's value; `text/plain` where there is no such field.
        body: The signed body.
    """
    kind, _, subtype = content_type.partition(b";")[0].strip().lower().partition(b"/")
    if kind == b"text" and subtype == b"plain":
        return get_parameter(content_type, "charset").lower() in _PLAIN_CHARSETS and _is_text(body)
    boundary = get_parameter(content_type, "boundary").encode("utf-8", "replace")
    if kind != b"multipart" or subtype.decode("latin-1") not in _MULTIPART_KINDS or not boundary:
        return False
    first = body.lstrip(b"\r\n").partition(b"\n")[0].rstrip()
    return first == b"--" + boundary and body.rstrip().endswith(b"--" + boundary + b"--")


def _is_text(body: bytes) -> bool:
    """Return whether a body can only be plain text: neither multipart nor HTML.

    Shown as text, the source of either would show what its sender had hidden from readers.
    """
    lines = {line.rstrip() for line in _DELIMITER.findall(body)}
    is_multipart = any(line.endswith(b"--") and line[:-2] in lines for line in lines)
    has_part = _DASHES_BEFORE_PART.search(body) is not None
    return not is_multipart and not has_part and _MARKUP.match(body) is None


def _check_identity(tags: dict[str, str]) -> None:
    """Check that the agent or user in tag `i=` belongs to the signing domain, tag `d=`."""
    if "i" not in tags:
        return
    domain, identity = tags["d"].lower(), tags["i"].lower()
    if not identity.endswith((f"@{domain}", f".{domain}")):
        raise VerificationError("the signature is malformed")


def _key_policy_failure(signature: Signature, key: dict[str, str]) -> str:
    flags = parse_flags(key)
    if "y" in flags:
        return "the domain only tests its key"
    if "h" in key and "sha256" not in parse_list(key["h"]):
        return "the key does not allow SHA-256"
    identity = signature.tags.get("i", "").rpartition("@")[2]
    if "s" in flags and identity and ascii_domain(identity) != signature.domain:
        return "the key forbids signing for a subdomain"
    return ""
