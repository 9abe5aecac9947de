"""Authentication results, found under any of their names."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ..trust.evidence import Authentication

_METHODS = ("dkim", "spf", "dmarc", "arc")


def read_authentication(message: dict[str, Any]) -> Any:
    """Find the evidence under any of its names; what is missing stays unknown."""
    for name in ("authentication", "auth_results", "authentication_results"):
        if isinstance(message.get(name), Authentication):
            return message[name]
        if isinstance(message.get(name), dict):
            return _tidy(message[name])
    found = {name: message[name] for name in _METHODS if message.get(name) is not None}
    for name in _METHODS:
        verdict = message.get(f"{name}_valid")
        if isinstance(verdict, bool):
            found.setdefault(name, "pass" if verdict else "fail")
    return _tidy(found) if found else None


def _tidy(evidence: dict[str, Any]) -> dict[str, Any]:
    tidy = {name: value for name, value in evidence.items() if value is not None}
    for name in _METHODS:
        value = _finding(tidy.get(name))
        if name == "dkim" and isinstance(value, dict):
            value = [value]
        if value is not None:
            tidy[name] = value
    return _readable(tidy)


def _finding(value: Any) -> Any:
    if isinstance(value, bool):
        value = "pass" if value else "fail"
    if isinstance(value, str):
        return {"result": value}
    if isinstance(value, list | tuple):
        return [_finding(one) for one in value]
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if part is not None}
    return value


def _readable(evidence: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is of another shape: one odd result must not hide the message."""
    try:
        Authentication.model_validate(evidence)
    except ValidationError as fault:
        odd = {error["loc"][0] for error in fault.errors(include_input=False)}
        return {name: value for name, value in evidence.items() if name not in odd}
    return evidence
