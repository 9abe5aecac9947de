"""What all wire models share: the base class, and readers of loosely typed values."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict

ID = AliasChoices("id", "email_id", "message_id", "pending_id")
"""Every name of a message's id."""


class WireModel(BaseModel):
    """Base of all wire models: unknown fields are kept, instances compare by value."""

    model_config = ConfigDict(extra="allow", populate_by_name=True, defer_build=True)


def as_list(value: Any) -> Any:
    """Read one address, a list of them, or nothing as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def as_mapping(value: Any) -> Any:
    """Read labels that are only names, or nothing, as a mapping."""
    if isinstance(value, list):
        return {str(name): "true" for name in value}
    return {} if value is None else value


def only_once(reply: Any, *names: str) -> Any:
    """Keep the first of several names of one secret, so that no other one shows it."""
    if not isinstance(reply, dict):
        return reply
    found = [name for name in names if reply.get(name)]
    return {name: value for name, value in reply.items() if name not in found[1:]}
