"""Reported evidence: authentication results under any name that an API or an event gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from .evidence import Authentication

_METHODS = ("dkim", "spf", "dmarc", "arc")
_VERDICTS = tuple((name, f"{name}_valid") for name in _METHODS)
_ENVELOPES = ("data", "email", "message")
_IDS = ("message_id", "email_id", "id")
_SENDERS = ("from", "sender", "from_address")


@dataclass(frozen=True, slots=True)
class Reported:
    """What an event or a message says of where it came from.

    Attributes:
        evidence: The authentication results; None where there are none.
        sender: From, as it was told.
        message_id: The API's id; None where there is none.
    """

    evidence: Authentication | None
    sender: str
    message_id: str | None


def reported_message(event: Mapping[str, Any] | object) -> Reported:
    """Return what a webhook's event, its payload or a message of the client reports.

    Args:
        event: Decoded JSON, or an object with `authentication`, `sender` and `id`.
    """
    if not isinstance(event, Mapping):
        evidence = getattr(event, "authentication", None)
        evidence = evidence if isinstance(evidence, Authentication) else None
        return Reported(evidence, _text(event, "sender"), _text(event, "id") or None)
    inner = [event[name] for name in _ENVELOPES if isinstance(event.get(name), Mapping)]
    facts = {**event, **inner[0]} if inner else event
    found = read_authentication(facts)
    return Reported(
        Authentication.model_validate(found) if found is not None else None,
        _first(facts, _SENDERS),
        _first(facts, _IDS) or None,
    )


def _text(thing: object, name: str) -> str:
    value = getattr(thing, name, "")
    return value if isinstance(value, str) else ""


def _first(facts: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((facts[name] for name in names if isinstance(facts.get(name), str)), "")


def read_authentication(message: Mapping[str, Any]) -> Any:
    """Find the evidence under any of its names; what is missing stays unknown."""
    for name in ("authentication", "auth_results", "authentication_results"):
        if isinstance(message.get(name), Authentication):
            return message[name]
        if isinstance(message.get(name), dict):
            return _tidy(message[name])
    found = {name: message[name] for name in _METHODS if message.get(name) is not None}
    found |= {name: message[name] for _, name in _VERDICTS if name in message}
    return _tidy(found) if found else None


def _tidy(evidence: dict[str, Any]) -> Authentication | dict[str, Any]:
    tidy = {name: value for name, value in evidence.items() if value is not None}
    for name, said in _VERDICTS:
        verdict = tidy.pop(said, None)
        if isinstance(verdict, bool):
            tidy.setdefault(name, "pass" if verdict else "fail")
        if name not in tidy:
            continue
        value = _finding(tidy[name])
        tidy[name] = [value] if name == "dkim" and isinstance(value, dict) else value
    return _readable(tidy)


def _finding(value: Any) -> Any:
    if isinstance(value, dict):
        if None not in value.values():
            return value
        return {name: part for name, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_finding(one) for one in value]
    if isinstance(value, bool):
        value = "pass" if value else "fail"
    return {"result": value} if isinstance(value, str) else value


def _readable(evidence: dict[str, Any]) -> Authentication | dict[str, Any]:
    """Leave out what is of another shape: one odd result must not hide the message."""
    try:
        return Authentication.model_validate(evidence)
    except ValidationError as fault:
        odd = {error["loc"][0] for error in fault.errors(include_input=False)}
        return {name: value for name, value in evidence.items() if name not in odd}
