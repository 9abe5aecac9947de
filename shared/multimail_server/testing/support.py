"""Test support for a server: virtual time, seeded ids, keys and mail, and faults."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ipaddress
import random
import threading
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from ..auth import SecretKey, build_secret_key, generate_key
from ..clock import RANDOM_BITS, Clock, Ids, id_text
from ..config import ServerConfig, ServerStartError
from ..extension import ServerExtension, Worker
from ..services import AppContext, Principal, Services
from .clock import VirtualClock
from .faults import RELAY, SMTP, FakeRelay, Faults
from .service import TestService, TestServices, get_test_service

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from ..api.routing import Route
    from ..store.records import Message, OutboxRow
    from ..workers.relay import Relay
    from .seeding import Seed

    Endpoint = Callable[[Request], Awaitable[Response]]

_FIRST = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
_KEY_BYTES = 24


class TestSupport(ServerExtension):
    """Plugs virtual time, seeds, faults and the routes /v1/test/… into one server.

    Attributes:
        faults: The faults to inject.
        clock: The virtual clock, if the server has one.
    """

    __test__ = False

    def __init__(self) -> None:
        self.faults = Faults()
        self.clock: VirtualClock | None = None
        self._disabled_reason: str | None = None
        self._keys: SeededKeys | None = None
        self._seeds: list[Seed] = []
        self._is_seeded = False

    def configure(self, config: ServerConfig) -> None:
        """Take the settings for tests from the configuration.

        Raises:
            ValueError: Seeded keys were requested for a server that others can reach.
            SeedError: The seed mail cannot be read.
        """
        self.clock = config.clock if isinstance(config.clock, VirtualClock) else None
        self._disabled_reason = _get_disabled_reason(config.host, live=config.live)
        self._is_seeded = config.seed is not None
        if config.seeded_keys:
            if config.seed is None:
                raise ValueError("seeded keys need a seed; give --seed too")
            if self._disabled_reason or config.relay:
                raise ValueError(
                    "seeded keys can be guessed, so they need a server on a loopback address, "
                    "with test keys and without a relay"
                )
            self._keys = SeededKeys(config.seed)
        if config.seed_mail is not None:
            from .seeding import read_seeds

            self._seeds = read_seeds(config.seed_mail)

    def get_http_protocol(self) -> type[asyncio.Protocol] | Literal["auto"]:
        """Return uvicorn's HTTP protocol, with connection resets where faults are allowed."""
        from .faults import resettable_http_protocol

        return resettable_http_protocol() if self._disabled_reason is None else "auto"

    def build_ids(self, config: ServerConfig) -> Ids:
        """Return the generator of ids, repeatable for a seed."""
        return Ids(config.clock) if config.seed is None else SeededIds(config.clock, config.seed)

    def generate_key(self, *, live: bool) -> SecretKey:
        """Return a new API key: repeatable if requested, and never if it is live."""
        if live or self._keys is None:
            return generate_key(live=live)
        return self._keys.generate()

    def get_routes(self) -> Sequence[Route]:
        """Return the routes /v1/test/…."""
        from .routes import TEST_ROUTES

        return TEST_ROUTES

    def wrap_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint that injects faults."""
        from ..api.app import build_error_response
        from .faults import inject_faults

        return inject_faults(endpoint, self.faults, build_error_response)

    def get_smtp_reply(self, recipient: str) -> str | None:
        """Return the SMTP reply of an injected fault."""
        fault = self.faults.take_at(SMTP, recipient)
        if fault is None:
            return None
        code = fault.status or 451
        return f"{code} {code // 100}.0.0 Injected fault"

    def get_test_relay(self, message: Message, row: OutboxRow) -> Relay | None:
        """Return a fake relay for a message that a fault concerns, now or in an earlier attempt."""
        is_faulty = bool(message.delivery) or self.faults.at(RELAY, row.remaining)
        return FakeRelay(self.faults) if is_faulty else None

    def build_services(self, context: AppContext, workers: Sequence[Worker]) -> Services:
        """Return the services with test support."""
        testing = TestService(context, self.faults, self.clock, workers, self._disabled_reason)
        testing.resume()
        return TestServices(context, testing)

    def receive_first_mail(self, services: Services, account_id: str, *, is_new: bool) -> None:
        """Receive the seed mail, if the data is new.

        Raises:
            ServerStartError: Seeded ids would repeat the ids that the data file has.
        """
        if self._is_seeded and not is_new:
            raise ServerStartError(
                "Seeded ids would repeat the ids in the data file. Leave out --seed, or use a new "
                "file."
            )
        if is_new:
            testing = get_test_service(services)
            for seed in self._seeds:
                testing.seed(Principal.system(account_id), seed)


def _get_disabled_reason(host: str, *, live: bool) -> str | None:
    """Return why the server accepts no faults and no reset; None if it does."""
    if live:
        return "its keys are live"
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    return None if loopback else f"it listens on {host}, which others can reach"


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

    def new(self, prefix: str, *, above: str | None = None) -> str:
        """Return the next id of this prefix; they strictly increase.

        Args:
            prefix: Without the underscore.
            above: Is ignored: no other generator's ids are in such a database.
        """
        del above
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
