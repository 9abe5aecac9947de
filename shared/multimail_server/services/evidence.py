"""The evidence of a message in short, as listings and the messages that answer it show it."""

from __future__ import annotations

from typing import Any

from ..oversight import Direction
from ..store.records import Message

_FIELDS = ("result", "domain", "aligned", "policy", "sealer")


def shorten_evidence(evidence: dict[str, Any]) -> dict[str, Any]:
    """Return the evidence that decides a trust label, without selectors and reasons."""
    short: dict[str, Any] = {"dkim": [_shorten(part) for part in evidence.get("dkim") or []]}
    for method in ("spf", "dmarc", "arc"):
        if evidence.get(method):
            short[method] = _shorten(evidence[method])
    short.update({name: evidence[name] for name in ("structure", "flags") if evidence.get(name)})
    return short


def _shorten(method: dict[str, Any]) -> dict[str, Any]:
    return {name: method[name] for name in _FIELDS if method.get(name) is not None}


def describe_answered(original: Message) -> dict[str, Any]:
    """Return what a reply keeps of the inbound message that its subject and quotes come from.

    Args:
        original: The message that it answers. Of an outbound one, the same as that keeps: its
            subject came from there.
    """
    if original.direction is Direction.OUTBOUND:
        return original.answers
    return {
        "id": original.id,
        "from": original.from_address,
        "authentication": shorten_evidence(original.authentication),
    }
