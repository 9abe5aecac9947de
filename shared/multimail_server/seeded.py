"""Seeded ids and keys: the same run gives the same ones. For tests only."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
from datetime import UTC, datetime

from .clock import RANDOM_BITS, Clock, Ids, id_text
from .secret_keys import SecretKey, secret_key

_FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
_KEY_BYTES = 24


class SeededIds(Ids):
    """Ids that depend on the seed, and on how many of their kind came before.

    Each prefix has a sequence of its own, and time has no part in it: what another thread makes
    meanwhile, and how long anything took, does not change them.

    Args:
        clock: The server's; only `Ids` needs it.
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
    """Test keys that anybody who knows the seed can make too: never for a reachable server.

    Args:
        seed: Any number.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._guard = threading.Lock()

    def mint(self) -> SecretKey:
        """Return the next test key of the sequence."""
        with self._guard:
            self._count += 1
            text = f"multimail seeded key\n{self._seed}\n{self._count}"
        digest = hashlib.sha256(text.encode()).digest()[:_KEY_BYTES]
        return secret_key(f"mm_test_{base64.urlsafe_b64encode(digest).decode()}")
