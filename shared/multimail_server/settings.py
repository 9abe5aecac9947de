"""Settings: how a server is set up, and what is wrong with a setting."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from .api.app import MAX_MESSAGE_BYTES
from .clock import Clock, Ids, SystemClock
from .mail.addresses import problem_with
from .oversight import Mode
from .services.context import discard_line
from .smtp.listener import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_MINUTE
from .workers.webhooks import TIMEOUT_SECONDS

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?")


class ServerStartError(Exception):
    """The server cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is set up.

    Attributes:
        host: The address to listen on, for HTTP and SMTP.
        port: Of the HTTP API; 0 picks a free one.
        smtp_port: 0 picks a free one.
        data: The file that keeps everything; None keeps nothing after `stop`.
        database: The URL of the PostgreSQL database that keeps everything instead, such as
            `postgresql://user@host:5432/name`; several servers may share it.
        dns_zone: An RFC 1035 master file used instead of live DNS.
        relay: Where live keys' mail goes, such as `smtp://relay.example:587`; None for nowhere.
        domain: The mail domain of new mailboxes.
        mailbox_address: Of the first mailbox; `agent@<domain>` when not given.
        oversight_mode: Of the first mailbox.
        live: Whether the first three keys are live keys.
        pending_ttl: How long a send waits for its decision before it expires.
        webhook_timeout: Seconds that a webhook's endpoint has to answer.
        public_url: Where a proxy shows this server to people, such as `https://mail.example.com`;
            None where they open it by its address.
        approval_codes: Whether making keys, webhooks and mailboxes asks for an approval code.
        tell_human: Shows a line, with one-time codes in it, to whoever runs the server.
        clock: The server's time.
        ids: The generator of ids; made from `clock` when not given.
        seed: Makes ids the same in each run, for tests; the data file must be new.
        seeded_keys: Whether the seed makes the keys too. Who knows it can then guess them.
        seed_mail: Mail to begin with, .eml, mbox or JSON; read when the data file is new.
        requests_per_minute: Of each key; None for no limit.
        sends_per_day: Of the account, from 00:00 UTC on; None for no limit.
        smtp_connections: Open at once, of all peers.
        smtp_per_minute: New SMTP connections of one peer.
        message_bytes: The largest message, by SMTP and by the API.
    """

    host: str = "127.0.0.1"
    port: int = 8025
    smtp_port: int = 2525
    data: Path | None = None
    database: str | None = field(default=None, repr=False)
    dns_zone: Path | None = None
    relay: str | None = field(default=None, repr=False)
    domain: str = "multimail.test"
    mailbox_address: str | None = None
    oversight_mode: str = "gated_send"
    live: bool = False
    pending_ttl: timedelta = timedelta(hours=72)
    webhook_timeout: float = TIMEOUT_SECONDS
    public_url: str | None = None
    approval_codes: bool = False
    notify_operator: Callable[[str], None] = field(default=discard_line, repr=False)
    clock: Clock = field(default_factory=SystemClock)
    ids: Ids | None = None
    seed: int | None = None
    seeded_keys: bool = False
    seed_mail: Path | None = None
    requests_per_minute: int | None = None
    sends_per_day: int | None = None
    smtp_connections: int = MAX_CONNECTIONS
    smtp_per_minute: int = MAX_CONNECTIONS_PER_MINUTE
    message_bytes: int = MAX_MESSAGE_BYTES


def checked(config: ServerConfig) -> tuple[Mode, str]:
    """Return the first mailbox's mode and address, once all settings are found to be usable.

    Raises:
        ServerStartError: One is not; it says which.
    """
    if config.oversight_mode not in {mode.value for mode in Mode}:
        raise ServerStartError(
            f"There is no oversight mode {config.oversight_mode!r}; take one of {', '.join(Mode)}."
        )
    address = (config.mailbox_address or f"agent@{config.domain}").lower()
    problem = problem_with(address)
    if problem is not None:
        raise ServerStartError(f"The first mailbox's address {address!r} {problem}.")
    if config.data is not None and config.database is not None:
        raise ServerStartError("Data is kept in a file or in a database, not in both. Give one.")
    if config.public_url is not None and not _PUBLIC_URL.fullmatch(config.public_url):
        raise ServerStartError(
            f"--public-url {config.public_url!r} is not an address such as "
            "https://mail.example.com, without a path."
        )
    if config.pending_ttl <= timedelta(0):
        raise ServerStartError("The time that a send may wait for approval must be positive.")
    limits = (config.requests_per_minute, config.sends_per_day, config.message_bytes,
              config.smtp_connections, config.smtp_per_minute)  # fmt: skip
    if any(limit is not None and limit < 1 for limit in limits):
        raise ServerStartError("A limit must be positive; leave it out for none.")
    return Mode(config.oversight_mode), address
