"""Secret keys: how an API key is minted and recognised. Only its digest is ever kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

SCOPES = ("read", "send", "oversight", "admin")
_BYTES = 24
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A raw key and what is kept of it."""

    text: str = field(repr=False)
    prefix: str
    sha256: str


def generate_key(*, live: bool) -> SecretKey:
    """Return a new key of 192 random bits: `mm_live_…` or `mm_test_…`."""
    return secret_key(f"mm_{'live' if live else 'test'}_{secrets.token_urlsafe(_BYTES)}")


def secret_key(text: str) -> SecretKey:
    """Return a raw key with what is kept of it."""
    return SecretKey(text, text[:_SHOWN], digest_of(text))


def digest_of(text: str) -> str:
    """Return the SHA-256 by which a key is found again.

    A fast hash is right here: the key is random, not a password that could be guessed.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
