"""ARC: who vouches that a message was authentic when they forwarded it (RFC 8617).

A pass proves that the sealer says so, and nothing about the sealer. It counts only for sealers
that the operator trusts.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import datetime

from multimail.trust.addresses import ascii_domain
from multimail.trust.evidence import ArcEvidence, AuthResult

from ..headers import Field
from .dkim import find_uncovered_field, has_expired, is_oversized, look_up_key
from .dkim_crypto import (
    CanonicalMessage,
    PublicKey,
    VerificationError,
    decode_base64,
    load_public_key,
    parse_signed_names,
    parse_tag_list,
    relaxed_field,
    verify_digest,
    verify_signature,
    without_signature,
)
from .dns import DnsUnavailableError, Resolver

MAX_SETS = 50
_RESULTS, _SIGNATURE, _SEAL = "arc-authentication-results", "arc-message-signature", "arc-seal"
_NAMES = (_RESULTS, _SIGNATURE, _SEAL)
"""The fields of one set, in the order in which a seal covers them (section 5.1.1)."""
_SHOWN_FIELDS = ("from", "subject", "reply-to")
_SIGNATURE_TAGS = ("i", "a", "b", "bh", "d", "h", "s")
_SEAL_TAGS = ("i", "a", "b", "cv", "d", "s")
_RESULTS_INSTANCE = re.compile(rb"\s{0,20}i[ \t]{0,20}=[ \t]{0,20}([1-9][0-9]?)[ \t]{0,20};")
_INSTANCE = re.compile(r"[1-9][0-9]?")
_NUMBER = re.compile(r"\d{1,12}")

ArcSet = dict[str, Field]


class _BrokenChainError(Exception):
    """The chain proves nothing; the message says why."""


def check_arc(message: CanonicalMessage, resolver: Resolver, now: datetime) -> ArcEvidence | None:
    """Return what an ARC chain is worth; None where the message has none. It never raises.

    A chain passes if it has at most 50 complete sets, every seal verifies, none says that the
    chain was broken before, and the newest message signature verifies and covers what a reader
    sees.

    Args:
        message: The message, whose header block has no faults.
        resolver: Looks up keys.
        now: The time by which the message signature expires.

    Source: RFC 8617 sections 4.2.1 and 5.2.
    """
    fields = [field for field in message.headers.fields if field.name in _NAMES]
    if not fields:
        return None
    sealer = ""
    try:
        sets = _read_sets(fields)
        sealer = ascii_domain(_parse_tags(sets[-1][_SEAL]).get("d", "")) or ""
        _verify_message_signature(sets[-1][_SIGNATURE], message, resolver, now)
        _verify_seals(sets, resolver)
    except DnsUnavailableError as error:
        return _evidence(AuthResult.TEMPERROR, sealer, f"no key was found: {error}")
    except (_BrokenChainError, VerificationError, ValueError) as error:
        return _evidence(AuthResult.FAIL, sealer, str(error))
    return _evidence(AuthResult.PASS, sealer, "")


def _evidence(result: AuthResult, sealer: str, reason: str) -> ArcEvidence:
    return ArcEvidence.model_validate({"result": result, "sealer": sealer, "reason": reason})


def _read_sets(fields: list[Field]) -> list[ArcSet]:
    """Return the sets, oldest first, if they are complete and numbered without gaps."""
    if len(fields) > len(_NAMES) * MAX_SETS:
        raise _BrokenChainError("there are more than 50 ARC sets")
    numbered = {(field.name, _parse_instance(field)): field for field in fields}
    newest = max(number for _, number in numbered)
    count = Counter(name for name, _ in numbered)
    if len(numbered) != len(fields) or any(count[name] != newest for name in _NAMES):
        raise _BrokenChainError("an ARC set is incomplete or occurs twice")
    return [{name: numbered[name, i] for name in _NAMES} for i in range(1, newest + 1)]


def _parse_instance(field: Field) -> int:
    """Return a field's number, `i=`: a tag like any other but in the results (section 4.1)."""
    if is_oversized(field.value):
        raise _BrokenChainError("an ARC field is malformed")
    if field.name == _RESULTS:
        match = _RESULTS_INSTANCE.match(field.value.replace(b"\r\n", b""))
        number = match[1].decode() if match else ""
    else:
        number = _parse_tags(field).get("i", "")
    if not _INSTANCE.fullmatch(number):
        raise _BrokenChainError("an ARC field is malformed")
    return int(number)


def _parse_tags(field: Field, required: tuple[str, ...] = ()) -> dict[str, str]:
    try:
        tags = parse_tag_list(field.value)
    except ValueError:
        raise _BrokenChainError("an ARC field is malformed") from None
    if not all(tags.get(name) for name in required):
        raise _BrokenChainError("an ARC field is malformed")
    if required and tags["a"] != "rsa-sha256":
        raise _BrokenChainError("an ARC field is not signed with rsa-sha256")
    return tags


def _verify_message_signature(
    field: Field, message: CanonicalMessage, resolver: Resolver, now: datetime
) -> None:
    tags = _parse_tags(field, _SIGNATURE_TAGS)
    if "l" in tags:
        raise _BrokenChainError("the ARC signature covers only a part of the body (l=)")
    if "x" in tags and (not _NUMBER.fullmatch(tags["x"]) or has_expired(tags, now)):
        raise _BrokenChainError("the ARC signature has expired")
    if _SEAL in parse_signed_names(tags["h"]):
        raise _BrokenChainError("the ARC signature covers a seal")
    uncovered = find_uncovered_field(tags["h"], message, _SHOWN_FIELDS)
    if uncovered:
        raise _BrokenChainError(f"the ARC signature does not count: {uncovered}")
    key = _look_up_key(tags, resolver)
    # Section 4.1.2 has only the relaxed form; some sealers leave c= out.
    verify_signature(message, field, tags, key, default_form="relaxed/relaxed")


def _verify_seals(sets: list[ArcSet], resolver: Resolver) -> None:
    """Verify every seal, newest first. A seal covers all sets up to its own (section 5.1.1)."""
    digests: list[bytes] = []
    covered = hashlib.sha256()
    for arc_set in sets:
        for name in (_RESULTS, _SIGNATURE):
            covered.update(relaxed_field(arc_set[name]))
        own = covered.copy()
        own.update(relaxed_field(without_signature(arc_set[_SEAL])).removesuffix(b"\r\n"))
        digests.append(own.digest())
        covered.update(relaxed_field(arc_set[_SEAL]))
    for number in range(len(sets), 0, -1):
        tags = _parse_tags(sets[number - 1][_SEAL], _SEAL_TAGS)
        if "h" in tags or tags["cv"] != ("none" if number == 1 else "pass"):
            raise _BrokenChainError("a seal of the ARC chain says that the chain is broken")
        signature, key = decode_base64(tags["b"]), _look_up_key(tags, resolver)
        if not verify_digest(digests[number - 1], signature, key):
            raise _BrokenChainError("a seal of the ARC chain does not verify")


def _look_up_key(tags: dict[str, str], resolver: Resolver) -> PublicKey:
    key = look_up_key(tags["s"], tags["d"], "rsa", resolver)
    return load_public_key("rsa", key["p"])
