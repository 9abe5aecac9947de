"""One-time codes: generated for the operator and compared in constant time.

The store keeps a digest. The plaintext stays in this process's memory, for reviewers to read, and
is lost when the server stops: then a new code has to be requested.
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
_CONFUSABLE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})


@dataclass(frozen=True, slots=True)
class PlaintextCode:
    """The plaintext of a code, with the request that it approves."""

    text: str = field(repr=False)
    request: dict[str, Any] = field(default_factory=dict)


class CodeCache:
    """Plaintexts of the codes that this process generated. Safe to use from many threads."""

    def __init__(self) -> None:
        self._texts: dict[str, PlaintextCode] = {}
        self._lock = threading.Lock()

    def put(self, code_id: str, text: PlaintextCode) -> None:
        """Keep the plaintext of a code."""
        with self._lock:
            self._texts[code_id] = text
            while len(self._texts) > _MAX_TEXTS:
                del self._texts[next(iter(self._texts))]

    def get(self, code_id: str) -> PlaintextCode | None:
        """Return the plaintext of a code; None if another process generated it."""
        with self._lock:
            return self._texts.get(code_id)

    def remove(self, code_ids: Iterable[str]) -> None:
        """Drop the plaintexts of codes that ended."""
        with self._lock:
            for code_id in code_ids:
                self._texts.pop(code_id, None)


def generate_code() -> str:
    """Return a code of 80 random bits in four groups, in an alphabet without look-alikes."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def digest_code(text: str) -> str:
    """Return the SHA-256 of a code; case, dashes, O for 0 and I or L for 1 make no difference."""
    return hashlib.sha256(
        text.upper().translate(_CONFUSABLE).encode("utf-8", "replace")
    ).hexdigest()


def is_open(code: OneTimeCode, now: datetime) -> bool:
    """Return whether a code can still be redeemed."""
    return code.used_at is None and code.tries < MAX_TRIES and code.expires_at > now


def find_matching_code(codes: Iterable[OneTimeCode], text: str) -> OneTimeCode | None:
    """Return the code that matches `text`, in constant time."""
    digest, matching = digest_code(text), None
    for code in codes:
        if hmac.compare_digest(code.sha256, digest):
            matching = code
    return matching
