"""API keys: generation and lookup by digest. The raw key is never stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

SCOPES = ("read", "send", "oversight", "admin")
_BYTES = 24
_PREFIX_LENGTH = 12


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A raw API key with its stored parts."""

    text: str = field(repr=False)
    prefix: str
    sha256: str


def generate_key(*, live: bool) -> SecretKey:
    """Return a new key of 192 random bits: `mm_live_…` or `mm_test_…`."""
    return build_secret_key(f"mm_{'live' if live else 'test'}_{secrets.token_urlsafe(_BYTES)}")


def build_secret_key(text: str) -> SecretKey:
    """Return a raw API key with its stored parts."""
    return SecretKey(text, text[:_PREFIX_LENGTH], digest_key(text))


def digest_key(text: str) -> str:
    """Return the SHA-256 by which a key is looked up.

    A fast hash is enough: the key is random and cannot be guessed.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
