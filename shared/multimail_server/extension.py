"""The seam through which test support plugs into a server.

The server imports nothing of `multimail_server.testing` outside of that package; the code that
starts it, such as `multimail serve`, passes the extension.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from .auth import SecretKey, generate_key
from .clock import Ids

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from .api.routing import Route
    from .config import ServerConfig
    from .services import AppContext, Services
    from .store.records import Message, OutboxRow
    from .workers.relay import Relay

    Endpoint = Callable[[Request], Awaitable[Response]]


class Worker(Protocol):
    """A thread that runs work when it falls due."""

    def next_due(self) -> datetime | None:
        """Return when the next work falls due; None if none waits."""
        ...

    def drain(self, seconds: float) -> bool:
        """Run all work that is due by now; return whether it ended in time."""
        ...


class ServerExtension:
    """The replaceable parts of a server. This base class replaces nothing."""

    def configure(self, config: ServerConfig) -> None:
        """Check the configuration before anything starts.

        Raises:
            ValueError: A setting needs an extension that this one is not.
        """
        if config.seed is not None or config.seeded_keys or config.seed_mail is not None:
            raise ValueError(
                "seed, seeded_keys and seed_mail need test support: "
                "EmbeddedServer(config, TestSupport())"
            )

    def build_ids(self, config: ServerConfig) -> Ids:
        """Return the generator of ids."""
        return Ids(config.clock)

    def generate_key(self, *, live: bool) -> SecretKey:
        """Return a new API key."""
        return generate_key(live=live)

    def get_http_protocol(self) -> type[asyncio.Protocol] | Literal["auto"]:
        """Return uvicorn's HTTP protocol."""
        return "auto"

    def get_routes(self) -> Sequence[Route]:
        """Return more routes of the API."""
        return ()

    def wrap_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Return an endpoint, wrapped."""
        return endpoint

    def get_smtp_reply(self, recipient: str) -> str | None:
        """Return the SMTP reply to a recipient; None for the server's own. It must not block."""
        del recipient
        return None

    def get_test_relay(self, message: Message, row: OutboxRow) -> Relay | None:
        """Return the relay for a test key's message; None delivers it to the test outbox."""
        del message, row
        return None

    def build_services(self, context: AppContext, workers: Sequence[Worker]) -> Services:
        """Return the services, once the workers are running."""
        from .services import Services

        del workers
        return Services(context)

    def receive_first_mail(self, services: Services, account_id: str, *, is_new: bool) -> None:
        """Receive the mail that a new server begins with.

        Args:
            services: The services.
            account_id: The first account.
            is_new: Whether it was created by this start.
        """
