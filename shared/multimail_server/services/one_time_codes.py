"""One-time codes: made for the human, told to the human, compared in constant time.

The store keeps a digest. The text itself lives in this process's memory, where only the reviewer's
side reads it, and is gone when the server ends: then the code has to be asked for again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ..store.records import OneTimeCode

LIFETIME = timedelta(hours=24)
HOUR = timedelta(hours=1)
MAX_TRIES = 5
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 16
_GROUP = 4
_MAX_TEXTS = 1000
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class PlaintextCode:
    """A code as the human reads it, and what it is about."""

    text: str = field(repr=False)
    about: dict[str, Any] = field(default_factory=dict)


class CodeCache:
    """The texts of the codes that this process has made. Safe to use from many threads."""

    def __init__(self) -> None:
        self._texts: dict[str, PlaintextCode] = {}
        self._lock = threading.Lock()

    def remember(self, code_id: str, text: PlaintextCode) -> None:
        """Keep the text of a code."""
        with self._lock:
            self._texts[code_id] = text
            while len(self._texts) > _MAX_TEXTS:
                del self._texts[next(iter(self._texts))]

    def look_up(self, code_id: str) -> PlaintextCode | None:
        """Return the text of a code; None when another process has made it."""
        with self._lock:
            return self._texts.get(code_id)

    def forget(self, code_ids: Iterable[str]) -> None:
        """Drop the texts of codes that are over."""
        with self._lock:
            for code_id in code_ids:
                self._texts.pop(code_id, None)


def mint_code() -> str:
    """Return a code of 80 random bits in four groups, without letters that look alike."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def digest_code(text: str) -> str:
    """Return the SHA-256 of a code, however it was copied: case, dashes, O for 0, I or L for 1."""
    return hashlib.sha256(text.upper().translate(_READ_AS).encode("utf-8", "replace")).hexdigest()


def is_open(code: OneTimeCode, now: datetime) -> bool:
    """Return whether a code can still be redeemed."""
    return code.used_at is None and code.tries < MAX_TRIES and code.expires_at > now


def find_matching_code(codes: Iterable[OneTimeCode], text: str) -> OneTimeCode | None:
    """Return the code that `text` is, in a time that does not tell how near a guess came."""
    wanted, found = digest_code(text), None
    for code in codes:
        if hmac.compare_digest(code.sha256, wanted):
            found = code
    return found
