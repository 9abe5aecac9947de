"""Evidence: the authentication results of a message, before they are judged.

The embedded server fills these models from the raw message and DNS; the client parses them from
any of the names that an API or an event uses. Labels are assigned in `labels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class AuthResult(StrEnum):
    """The result of one authentication method, as RFC 8601 section 2.7 names it.

    `UNKNOWN` is ours: no result was reported, or one that RFC 8601 does not define. It is
    never treated as a pass.
    """

    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    NEUTRAL = "neutral"
    POLICY = "policy"
    NONE = "none"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> AuthResult:
        if isinstance(value, str) and value.lower() in cls._value2member_map_:
            return cls(value.lower())
        return cls.UNKNOWN


class _Evidence(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)


class DkimEvidence(_Evidence):
    """One DKIM signature (RFC 6376)."""

    domain: str = ""
    """The signing domain, tag `d=`."""
    selector: str = ""
    result: AuthResult = AuthResult.UNKNOWN
    aligned: bool | None = None
    """Whether `domain` is aligned with From by DMARC's rules; None when not reported."""
    reason: str = ""
    """Why the result is not a pass, in a few plain words."""
    covers: tuple[str, ...] = ()
    """The header fields of which it covers every instance, in lower case; empty if unreported."""


class SpfEvidence(_Evidence):
    """The SPF check of the SMTP envelope (RFC 7208)."""

    result: AuthResult = AuthResult.UNKNOWN
    domain: str = ""
    """The domain of MAIL FROM, or of HELO where MAIL FROM is empty."""
    aligned: bool | None = None
    reason: str = ""


class DmarcEvidence(_Evidence):
    """The DMARC check (RFC 9989): whether an aligned method passed for the domain in From."""

    result: AuthResult = AuthResult.UNKNOWN
    domain: str = ""
    """The organizational domain of From, by the public suffix list and, if a record exists, the
    tree walk: the narrower of the two."""
    policy: str = ""
    """What applies to From: `none`, `quarantine`, `reject`, or empty for none. In a test (`t=y`) it
    is one step milder than what is published."""
    reason: str = ""


class ArcEvidence(_Evidence):
    """The ARC chain (RFC 8617). A pass means only that an intermediary signed what it received."""

    result: AuthResult = AuthResult.UNKNOWN
    sealer: str = ""
    """The domain of the latest seal."""
    reason: str = ""


class Authentication(_Evidence):
    """All the evidence about one message. A missing method is unknown, never a pass."""

    dkim: tuple[DkimEvidence, ...] = ()
    spf: SpfEvidence | None = None
    dmarc: DmarcEvidence | None = None
    arc: ArcEvidence | None = None
    structure: tuple[str, ...] = Field(default=())
    """Faults of the header block that make From unreliable (RFC 5322 section 3.6), in words."""
    flags: tuple[str, ...] = ()
    """What a reader should know and that decides nothing, such as a repeated, signed field."""


_METHODS = ("dkim", "spf", "dmarc", "arc")
_VERDICT_NAMES = tuple((name, f"{name}_valid") for name in _METHODS)
_ENVELOPE_NAMES = ("data", "email", "message")
_ID_NAMES = ("message_id", "email_id", "id")
_SENDER_NAMES = ("from", "sender", "from_address")


@dataclass(frozen=True, slots=True)
class ParsedEvidence:
    """What an event or a message reports of its origin.

    Attributes:
        evidence: The authentication results; None where there are none.
        sender: From, as reported.
        message_id: The API's id; None where there is none.
    """

    evidence: Authentication | None
    sender: str
    message_id: str | None


def parse_event(event: Mapping[str, Any] | object) -> ParsedEvidence:
    """Return the evidence, sender and id in a webhook event, its payload or a message.

    Args:
        event: Decoded JSON, or an object with `authentication`, `sender` and `id`.
    """
    if not isinstance(event, Mapping):
        evidence = getattr(event, "authentication", None)
        evidence = evidence if isinstance(evidence, Authentication) else None
        return ParsedEvidence(evidence, _get_text(event, "sender"), _get_text(event, "id") or None)
    payloads = [event[name] for name in _ENVELOPE_NAMES if isinstance(event.get(name), Mapping)]
    facts = {**event, **payloads[0]} if payloads else event
    results = parse_authentication(facts)
    return ParsedEvidence(
        Authentication.model_validate(results) if results is not None else None,
        _first_text(facts, _SENDER_NAMES),
        _first_text(facts, _ID_NAMES) or None,
    )


def _get_text(thing: object, name: str) -> str:
    value = getattr(thing, name, "")
    return value if isinstance(value, str) else ""


def _first_text(facts: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((facts[name] for name in names if isinstance(facts.get(name), str)), "")


def parse_authentication(message: Mapping[str, Any]) -> Any:
    """Return a message's authentication results, under any of the names that APIs use.

    Args:
        message: Decoded JSON.

    Returns:
        An `Authentication`, or what validates as one; None where nothing is reported.
    """
    for name in ("authentication", "auth_results", "authentication_results"):
        if isinstance(message.get(name), Authentication):
            return message[name]
        if isinstance(message.get(name), dict):
            return _normalize_results(message[name])
    results = {name: message[name] for name in _METHODS if message.get(name) is not None}
    results |= {name: message[name] for _, name in _VERDICT_NAMES if name in message}
    return _normalize_results(results) if results else None


def _normalize_results(results: dict[str, Any]) -> Authentication | dict[str, Any]:
    if _is_normal(results):
        return _drop_invalid(results)
    normalized = {name: value for name, value in results.items() if value is not None}
    for name, verdict_name in _VERDICT_NAMES:
        verdict = normalized.pop(verdict_name, None)
        if isinstance(verdict, bool):
            normalized.setdefault(name, "pass" if verdict else "fail")
        if name not in normalized:
            continue
        value = _normalize_result(normalized[name])
        normalized[name] = [value] if name == "dkim" and isinstance(value, dict) else value
    return _drop_invalid(normalized)


def _is_normal(results: dict[str, Any]) -> bool:
    """Whether results are as the embedded server reports them, so that nothing has to change."""
    if not results.keys() <= Authentication.model_fields.keys():
        return False
    signatures = results.get("dkim", [])
    methods = [part for name in _METHODS[1:] if (part := results.get(name)) is not None]
    return type(signatures) is list and all(
        type(part) is dict and None not in part.values() for part in (*signatures, *methods)
    )


def _normalize_result(value: Any) -> Any:
    if isinstance(value, dict):
        if None not in value.values():
            return value
        return {name: part for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_normalize_result(item) for item in value]
    if isinstance(value, bool):
        value = "pass" if value else "fail"
    return {"result": value} if isinstance(value, str) else value


def _drop_invalid(results: dict[str, Any]) -> Authentication | dict[str, Any]:
    """Leave out results of an unexpected shape: one must not make the message unreadable."""
    try:
        return Authentication.model_validate(results)
    except ValidationError as fault:
        invalid = {error["loc"][0] for error in fault.errors(include_input=False)}
        return {name: value for name, value in results.items() if name not in invalid}
