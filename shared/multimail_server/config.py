"""The server's configuration. A setting is declared here once: type, default and description.

The options of `multimail serve`, their help, the pytest marker and the tables in the docs derive
from these declarations. The module imports nothing heavy, since the command line reads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args, get_type_hints

from .clock import Clock, Ids, SystemClock
from .oversight import Mode

MAX_HTTP_CONNECTIONS = 1000
MAX_SMTP_CONNECTIONS = 100
MAX_SMTP_CONNECTIONS_PER_MINUTE = 1200
MAX_MESSAGE_BYTES = 25 * 1024 * 1024
WEBHOOK_TIMEOUT = 15.0

Network = IPv4Network | IPv6Network

_MAX_PORT = 65_535
_MAX_PENDING_TTL = 10 * 365 * 24 * 3600
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?/?")


class LogFormat(StrEnum):
    """How a line of the log is written."""

    TEXT = "text"
    JSON = "json"


class ServerStartError(Exception):
    """The server cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The description of one field of `ServerConfig`.

    Attributes:
        help: What the setting does, in a sentence or two.
        name: Its name on the command line and in the pytest marker; default the field's name.
        metavar: What stands for the value in the option's help.
        env: The environment variable that the option falls back to; default `MULTIMAIL_` and its
            name.
        default: The default in words, where its value does not say it.
        minimum: The smallest value; of a duration, in seconds.
        maximum: The largest value; of a duration, in seconds.
        choices: The values that it can have.
        option: Whether `multimail serve` has an option for it.
    """

    help: str
    name: str = ""
    metavar: str | None = None
    env: str | None = None
    default: str = ""
    minimum: int | None = None
    maximum: int | None = None
    choices: type[StrEnum] | None = None
    option: bool = True


LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Hosts that name this machine; no one else reads what is sent to them."""


def discard_line(line: str) -> None:
    """Do nothing with a line for the operator."""


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is set up. `Setting` describes each field."""

    host: Annotated[str, Setting("The address to listen on, for HTTP and SMTP.")] = "127.0.0.1"
    port: Annotated[
        int,
        Setting("The port of the HTTP API; 0 picks a free one.", minimum=0, maximum=_MAX_PORT),
    ] = 8025
    smtp_port: Annotated[
        int,
        Setting("The port of the SMTP server; 0 picks a free one.", minimum=0, maximum=_MAX_PORT),
    ] = 2525
    data: Annotated[
        Path | None,
        Setting(
            "Keep all data in this SQLite file.",
            metavar="FILE",
            default="data is kept in memory",
        ),
    ] = None
    database: Annotated[
        str | None,
        Setting(
            "Keep all data in this PostgreSQL database, such as postgresql://user@host:5432/name; "
            "several servers can share it.",
            metavar="URL",
            env="MULTIMAIL_DATABASE_URL",
        ),
    ] = field(default=None, repr=False)
    dns_zone: Annotated[
        Path | None,
        Setting(
            "An RFC 1035 master file to use instead of live DNS.",
            metavar="FILE",
            default="live DNS",
        ),
    ] = None
    relay: Annotated[
        # The variable keeps the relay's password out of the list of processes.
        str | None,
        Setting(
            "The relay for mail of live keys: smtp://user:pass@host:port?starttls=require or "
            "smtps://…",
            metavar="URL",
            env="MULTIMAIL_RELAY",
        ),
    ] = field(default=None, repr=False)
    domain: Annotated[
        str, Setting("The mail domain of new mailboxes; the first mailbox is agent@ this domain.")
    ] = "multimail.test"
    mailbox_address: Annotated[
        str | None,
        Setting(
            "The address of the first mailbox.",
            name="mailbox",
            default="`agent@` the domain",
            option=False,
        ),
    ] = None
    oversight_mode: Annotated[
        str, Setting("The oversight mode of the first mailbox.", name="mode", choices=Mode)
    ] = "gated_send"
    public_url: Annotated[
        str | None,
        Setting(
            "The URL that people use when a proxy stands in front of this server, for pages and "
            "for approval and unsubscribe links.",
            metavar="URL",
            default="the address it listens on",
        ),
    ] = None
    allowed_hosts: Annotated[
        str | None,
        Setting(
            "More host names, with commas between them, under which clients reach this server and "
            "may be given links; besides --host, --public-url and loopback names.",
            metavar="NAMES",
            default="none",
        ),
    ] = None
    trusted_proxies: Annotated[
        str | None,
        Setting(
            "The addresses or networks of proxies, with commas between them, whose X-Forwarded-For "
            "and X-Forwarded-Proto are believed.",
            metavar="ADDRESSES",
            default="none",
        ),
    ] = None
    webhook_networks: Annotated[
        str | None,
        Setting(
            "Addresses or networks, with commas between them, to which webhooks may be posted "
            "though they are not public, such as 10.0.0.0/8.",
            metavar="NETWORKS",
            default="loopback, if the server listens on loopback and isn't live; else none",
        ),
    ] = None
    live: Annotated[
        bool,
        Setting("Make the first keys live (mm_live_), so that their mail leaves by the relay."),
    ] = False
    pending_ttl: Annotated[
        timedelta,
        Setting(
            "How long a held message waits for a decision before it expires.",
            metavar="SECONDS",
            default="72 hours",
            minimum=1,
            maximum=_MAX_PENDING_TTL,
        ),
    ] = timedelta(hours=72)
    undo_seconds: Annotated[
        int,
        Setting(
            "How long an approval on the review page can be taken back before the message leaves; "
            "0 sends at once. An approval by the API is carried out at once.",
            metavar="SECONDS",
            minimum=0,
            maximum=300,
        ),
    ] = 10
    approval_codes: Annotated[
        bool,
        Setting(
            "Ask for an approval code before keys, webhooks and mailboxes are created, as the "
            "hosted service does."
        ),
    ] = False
    requests_per_minute: Annotated[
        int | None,
        Setting(
            "The most API requests of one key in a minute; more get a 429.",
            metavar="N",
            default="no limit",
            minimum=1,
        ),
    ] = None
    sends_per_day: Annotated[
        int | None,
        Setting(
            "The most messages that the account sends in a day, from 00:00 UTC; more get a 429.",
            metavar="N",
            default="no limit",
            minimum=1,
        ),
    ] = None
    http_connections: Annotated[
        int,
        Setting(
            "The most HTTP connections open at once, half of them of one address; more get a 503. "
            "Never more than half of the files that the process may open.",
            metavar="N",
            minimum=2,
        ),
    ] = MAX_HTTP_CONNECTIONS
    smtp_connections: Annotated[
        int,
        Setting(
            "The most SMTP connections open at once; more get a 421. Never more than a quarter of "
            "the files that the process may open.",
            metavar="N",
            minimum=1,
        ),
    ] = MAX_SMTP_CONNECTIONS
    smtp_per_minute: Annotated[
        int,
        Setting(
            "The most new SMTP connections of one address in a minute; more get a 421.",
            metavar="N",
            minimum=1,
        ),
    ] = MAX_SMTP_CONNECTIONS_PER_MINUTE
    smtp_tls_cert: Annotated[
        Path | None,
        Setting(
            "Offer STARTTLS on the SMTP port with this certificate and its chain, in PEM; it is "
            "read again when it was renewed.",
            metavar="FILE",
            default="no STARTTLS",
        ),
    ] = None
    smtp_tls_key: Annotated[
        Path | None, Setting("The key of --smtp-tls-cert, in PEM.", metavar="FILE", default="none")
    ] = None
    smtp_fronts: Annotated[
        str | None,
        Setting(
            "The addresses or networks of balancers before the SMTP port, with commas between "
            "them: their connections begin with HAProxy's PROXY protocol, which names the client.",
            metavar="ADDRESSES",
            default="none",
        ),
    ] = None
    message_bytes: Annotated[
        int, Setting("The largest message, by SMTP and by the API.", minimum=1, option=False)
    ] = MAX_MESSAGE_BYTES
    webhook_timeout: Annotated[
        float, Setting("The seconds that a webhook endpoint has to answer.", option=False)
    ] = WEBHOOK_TIMEOUT
    notify_operator: Annotated[
        Callable[[str], None],
        Setting(
            "Shows a line, which can hold a one-time code, to the person who runs the server.",
            default="the line is dropped",
            option=False,
        ),
    ] = field(default=discard_line, repr=False)
    log_format: Annotated[
        str,
        Setting(
            "How the log is written to stderr: as text, or as one JSON object a line.",
            choices=LogFormat,
        ),
    ] = "text"
    clock: Annotated[
        Clock,
        Setting(
            "The clock: system, virtual, or virtual:2026-01-01T00:00:00Z; virtual time stands "
            "still until a test advances it.",
            default="system",
        ),
    ] = field(default_factory=SystemClock)
    ids: Annotated[
        Ids | None,
        Setting("The generator of ids.", default="made from the clock and the seed", option=False),
    ] = None
    seed: Annotated[
        int | None,
        Setting(
            "Make the same ids in each run, for tests; a data file must be new.",
            metavar="N",
            default="random ids",
        ),
    ] = None
    seeded_keys: Annotated[
        bool,
        Setting(
            "Make the same keys in each run too. Anybody can guess them, so this needs a seed, a "
            "loopback address, test keys and no relay.",
            name="seed_keys",
        ),
    ] = False
    seed_mail: Annotated[
        Path | None,
        Setting(
            "Mail to start with: .eml, mbox, JSON, or a directory of them; read when the data file "
            "is new.",
            metavar="PATH",
        ),
    ] = None


class DeclaredSetting(NamedTuple):
    """A setting as it is declared in `ServerConfig`."""

    field: str
    name: str
    type: Any
    value: Any
    """The default; None if there is none or it is built for each server."""
    setting: Setting

    @property
    def variable(self) -> str:
        """The environment variable that the option falls back to."""
        return self.setting.env or f"MULTIMAIL_{self.name.upper()}"


def get_settings() -> Iterator[DeclaredSetting]:
    """Yield each setting of `ServerConfig`, in the order of declaration."""
    hints = get_type_hints(ServerConfig, include_extras=True)
    for item in fields(ServerConfig):
        kind, setting = get_args(hints[item.name])
        value = item.default if item.default_factory is MISSING else None
        yield DeclaredSetting(item.name, setting.name or item.name, kind, value, setting)


def split_list(text: str | None) -> tuple[str, ...]:
    """Return the entries of a setting that has commas between them."""
    return tuple(filter(None, (part.strip().lower() for part in (text or "").split(","))))


def split_networks(text: str | None, option: str) -> tuple[Network, ...]:
    """Return the networks of a setting; an address is a network of its own.

    Raises:
        ServerStartError: An entry is neither.
    """
    try:
        return tuple(ip_network(part) for part in split_list(text))
    except ValueError as error:
        raise ServerStartError(
            f"{option} holds what is neither an address nor a network such as 10.0.0.0/8: {error}."
        ) from error


def validate_config(config: ServerConfig) -> tuple[Mode, str]:
    """Check that all settings are usable; return the mode and the address of the first mailbox.

    Raises:
        ServerStartError: A setting is wrong; the message names it.
    """
    from .mail.addresses import (
        find_address_fault,  # The command line reads this module; keep it light.
    )

    if config.oversight_mode not in {mode.value for mode in Mode}:
        raise ServerStartError(
            f"There is no oversight mode {config.oversight_mode!r}; give one of {', '.join(Mode)}."
        )
    address = (config.mailbox_address or f"agent@{config.domain}").lower()
    problem = find_address_fault(address)
    if problem is not None:
        raise ServerStartError(f"The first mailbox's address {address!r} {problem}.")
    if config.data is not None and config.database is not None:
        raise ServerStartError("Data is kept in a file or in a database, not in both. Give one.")
    if config.public_url is not None and not _PUBLIC_URL.fullmatch(config.public_url):
        raise ServerStartError(
            f"--public-url {config.public_url!r} is not a URL such as https://mail.example.com, "
            "without a path."
        )
    split_networks(config.trusted_proxies, "--trusted-proxies")
    split_networks(config.webhook_networks, "--webhook-networks")
    split_networks(config.smtp_fronts, "--smtp-fronts")
    if (config.smtp_tls_cert is None) != (config.smtp_tls_key is None):
        raise ServerStartError("--smtp-tls-cert and --smtp-tls-key go together. Give both.")
    if config.pending_ttl <= timedelta(0):
        raise ServerStartError("pending_ttl must be positive.")
    _check_limits(config)
    return Mode(config.oversight_mode), address


def _check_limits(config: ServerConfig) -> None:
    for declared in get_settings():
        value, setting = getattr(config, declared.field), declared.setting
        if not isinstance(value, int):
            continue
        if setting.minimum is not None and value < setting.minimum:
            least = setting.minimum
            raise ServerStartError(f"{declared.field} must be at least {least}, not {value}.")
        if setting.maximum is not None and value > setting.maximum:
            most = setting.maximum
            raise ServerStartError(f"{declared.field} must be at most {most}, not {value}.")
