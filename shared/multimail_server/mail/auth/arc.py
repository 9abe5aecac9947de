"""ARC: who says that a message was in order when he passed it on (RFC 8617).

A pass proves that the sealer says so, and nothing about the sealer. It counts only for sealers
that an operator believes.
"""

from __future__ import annotations

import re
from collections import Counter

from multimail.trust.evidence import ArcEvidence, AuthResult

from ..addresses import ascii_domain
from ..headers import Field, HeaderBlock
from .dkim import MAX_SIGNATURE, find_key, uncovered
from .dkim_crypto import Invalid, read_tags, verify_chain
from .dns import DnsUnavailable, Resolver

MAX_SETS = 50
_SEAL, _SIGNATURE, _RESULTS = "arc-seal", "arc-message-signature", "arc-authentication-results"
_NAMES = (_SEAL, _SIGNATURE, _RESULTS)
_INSTANCE = re.compile(rb"\s{0,20}i[ \t]{0,20}=[ \t]{0,20}([1-9][0-9]?)[ \t]{0,20};")
_LONG_BLANK = re.compile(rb"\s{101}")


class _Broken(Exception):  # noqa: N818
    """The chain is no proof; the message says why."""


def check_arc(raw: bytes, headers: HeaderBlock, resolver: Resolver) -> ArcEvidence | None:
    """Return what an ARC chain is worth; None where the message has none. It never raises.

    A chain passes if it has at most 50 complete sets, every seal verifies, none says that the
    chain was broken before, and the newest message signature verifies and covers what a reader
    sees.

    Args:
        raw: The whole message.
        headers: Its header block, free of structural faults.
        resolver: Where keys are looked up.

    Source: RFC 8617 sections 4.2.1 and 5.2.
    """
    fields = [field for field in headers.fields if field.name in _NAMES]
    if not fields:
        return None
    sealer = ""
    try:
        newest = _newest(fields)
        sealer = ascii_domain(_tags(newest[_SEAL]).get("d", "")) or ""
        _verify(raw, headers, _tags(newest[_SIGNATURE]), resolver)
    except DnsUnavailable as error:
        return _evidence(AuthResult.TEMPERROR, sealer, f"no key was found: {error}")
    except (_Broken, Invalid, ValueError) as error:
        return _evidence(AuthResult.FAIL, sealer, str(error))
    return _evidence(AuthResult.PASS, sealer, "")


def _evidence(result: AuthResult, sealer: str, reason: str) -> ArcEvidence:
    return ArcEvidence.model_validate({"result": result, "sealer": sealer, "reason": reason})


def _newest(fields: list[Field]) -> dict[str, bytes]:
    """Return the fields of the newest set, if the sets are complete and numbered without gaps."""
    if len(fields) > len(_NAMES) * MAX_SETS:
        raise _Broken("there are more than 50 ARC sets")
    numbered = {(field.name, _instance(field.value)): field.value for field in fields}
    newest = max(number for _, number in numbered)
    seen = Counter(name for name, _ in numbered)
    if len(numbered) != len(fields) or any(seen[name] != newest for name in _NAMES):
        raise _Broken("an ARC set is incomplete or stands twice")
    return {name: numbered[name, newest] for name in _NAMES}


def _instance(value: bytes) -> int:
    """Return a field's number. Where it does not stand first, readers disagree about it."""
    found = _INSTANCE.match(value.replace(b"\r\n", b""))
    if found is None or len(value) > MAX_SIGNATURE or _LONG_BLANK.search(value):
        raise _Broken("an ARC field is malformed")
    return int(found[1])


def _tags(value: bytes) -> dict[str, str]:
    try:
        return read_tags(value)
    except ValueError:
        raise _Broken("an ARC field is malformed") from None


def _verify(raw: bytes, headers: HeaderBlock, tags: dict[str, str], resolver: Resolver) -> None:
    if "l" in tags:
        raise _Broken("the ARC signature covers only a part of the body (l=)")
    objection = uncovered(tags.get("h", ""), headers, raw)
    if objection:
        raise _Broken(f"the ARC signature does not count: {objection}")

    def key_at(name: str) -> bytes:
        selector, _, domain = name.removesuffix(".").partition("._domainkey.")
        return find_key(selector, domain, resolver)

    # dkimpy takes an absent c= for relaxed.
    relaxed = tags.get("c", "relaxed/relaxed").partition("/")[2] == "relaxed"
    if not verify_chain(raw, key_at, relaxed_body=relaxed):
        raise _Broken("a seal or the newest signature of the ARC chain does not verify")
