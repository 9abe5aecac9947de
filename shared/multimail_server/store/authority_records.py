"""Records of the account's authority: one-time codes, and notices to the human."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Purpose(StrEnum):
    """What a one-time code is for."""

    UPGRADE = "upgrade"
    """A looser oversight mode of one mailbox."""
    CHANGE = "change"
    """One sensitive request of an admin key, exactly as it was made."""


@dataclass(frozen=True, slots=True)
class OneTimeCode:
    """A code that the human was given. The code is not here: only its SHA-256."""

    id: str
    account_id: str
    purpose: Purpose
    key_id: str
    """Who asked for it."""
    sha256: str
    created_at: datetime
    expires_at: datetime
    mailbox_id: str | None = None
    from_mode: str | None = None
    """The mailbox's mode when an upgrade was asked for."""
    target_mode: str | None = None
    subject: str = ""
    """The request that a change is about, such as `POST /v1/api-keys`."""
    fingerprint: str = ""
    """Digest of that request's body."""
    tries: int = 0
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened without a decision, told to the human."""

    id: str
    account_id: str
    mailbox_id: str
    kind: str
    created_at: datetime
    message_id: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    """Who is still to get it by mail."""
    due_at: datetime | None = None
    """When the next try to mail it is made; None when there is none."""
    attempts: int = 0
    mailed_at: datetime | None = None
    error: str | None = None
