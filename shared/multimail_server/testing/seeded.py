"""Repeatable ids and test keys: the same seed gives the same ones."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
from datetime import UTC, datetime

from ..auth import SecretKey, build_secret_key
from ..clock import RANDOM_BITS, Clock, Ids, id_text

_FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
_KEY_BYTES = 24


class SeededIds(Ids):
    """Ids that depend on the seed and on the number of earlier ids with the same prefix.

    Time and other threads don't change them.

    Args:
        clock: Used by `Ids` only.
        seed: Any number.
    """

    def __init__(self, clock: Clock, seed: int) -> None:
        super().__init__(clock, seed)
        self._seed = seed
        self._sequences: dict[str, tuple[random.Random, int]] = {}
        self._guard = threading.Lock()

    def new(self, prefix: str) -> str:
        """Return the next id of this prefix; they strictly increase."""
        with self._guard:
            source, count = self._sequences.get(prefix) or (self._source(prefix), 0)
            self._sequences[prefix] = (source, count + 1)
            number = (_FIRST + count << RANDOM_BITS) | source.getrandbits(RANDOM_BITS)
        return id_text(prefix, number)

    def _source(self, prefix: str) -> random.Random:
        return random.Random(f"{self._seed}:{prefix}")  # noqa: S311 - repeatable by request


class SeededKeys:
    """Test keys that anyone who knows the seed can generate: never for a reachable server.

    Args:
        seed: Any number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._guard = threading.Lock()

    def generate(self) -> SecretKey:
        """Return the next test key of the sequence."""
        with self._guard:
            self._count += 1
            text = f"multimail seeded key\n{self._seed}\n{self._count}"
        digest = hashlib.sha256(text.encode()).digest()[:_KEY_BYTES]
        return build_secret_key(f"mm_test_{base64.urlsafe_b64encode(digest).decode()}")
