"""The embedded server: assembles the store, the services, the workers, HTTP and SMTP.

with EmbeddedServer(ServerConfig(port=0, smtp_port=0)) as server:
    httpx.get(server.url + "/health")
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import uvicorn

from .api.app import RequestLimits, make_app
from .api.connections import ConnectionLimits, limit_connections
from .api.event_stream import EventStreams
from .config import (
    LOOPBACK_HOSTS,
    ServerConfig,
    ServerStartError,
    split_list,
    split_networks,
    validate_config,
)
from .errors import ApiError
from .extension import ServerExtension
from .mail.auth.dns import LazyResolver
from .mail.envelope import SmtpEnvelope
from .oversight import Mode
from .pages.sessions import Origins
from .services import Services
from .services.connecting import get_source
from .services.context import AppContext
from .services.drafts import OutboundHeaders, load_outbound_headers
from .services.event_log import EventRetention
from .services.retention import Retention
from .smtp.listener import CertificateFiles, InboundSmtp, SmtpLimits
from .sources.account import SecretBox
from .store.protocol import Reader, Store, StoreUnavailableError, get_or_create_setting
from .store.records import Mailbox
from .store.sqlite import SqliteStore
from .wakeups import CommitSignal, Wakeup, WakeupGroup
from .webhook_targets import LOOPBACK, WebhookTargets
from .workers.imap import ConnectedAccounts
from .workers.notification_mail import NotificationMail
from .workers.outbox import Outbox
from .workers.relay import Relay, parse_relay_url
from .workers.scheduler import PeriodicJobs
from .workers.webhooks import WebhookDispatcher

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from .mail.auth.dns import Resolver

_log = logging.getLogger(__name__)
_STARTUP_TIMEOUT = 15.0
_MANY_FILES = 1_000_000


@dataclass(frozen=True, slots=True)
class FirstMailbox:
    """The first mailbox."""

    id: str
    address: str


@dataclass(frozen=True, slots=True)
class FirstKeys:
    """The raw API keys of a new account, which are stored nowhere."""

    agent: str = field(repr=False)
    reviewer: str = field(repr=False)
    admin: str = field(repr=False)


class EmbeddedServer:
    """A MultiMail server in this process. Use it as a context manager, or `start` and `stop` it.

    Args:
        config: The configuration; the defaults if not given.
        extension: Replaceable parts, such as `multimail_server.testing.TestSupport`.

    Attributes:
        config: The configuration.
        mailbox: The first mailbox.
    """

    def __init__(
        self, config: ServerConfig | None = None, extension: ServerExtension | None = None
    ) -> None:
        self.config = config or ServerConfig()
        self._extension = extension or ServerExtension()
        self.mailbox = FirstMailbox("", "")
        self._keys: FirstKeys | None = None
        self._url = self._smtp = ""
        self._cleanup: list[Any] = []
        self._services: Services | None = None

    @property
    def keys(self) -> FirstKeys | None:
        """The keys of the first start; None if the data existed before."""
        return self._keys

    @property
    def url(self) -> str:
        """The base URL of the API, such as `http://127.0.0.1:8025`."""
        return self._url

    @property
    def smtp(self) -> str:
        """The address of the SMTP listener, such as `127.0.0.1:2525`."""
        return self._smtp

    @property
    def services(self) -> Services:
        """The services, for code in the same process."""
        if self._services is None:
            raise RuntimeError("The server is not running; call start() first.")
        return self._services

    def start(self) -> Self:
        """Start everything; return when HTTP requests and mail are accepted.

        Raises:
            ServerStartError: A port is taken, the data cannot be opened, or a setting is invalid.
        """
        if self._services is not None:
            raise ServerStartError("This server is already running.")
        try:
            self._assemble()
        except (OSError, StoreUnavailableError, ValueError, ApiError) as error:
            self.stop()
            raise ServerStartError(f"The server cannot start: {error}") from error
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop accepting requests, finish those in progress, and release ports and files."""
        while self._cleanup:
            cleanup = self._cleanup.pop()
            try:
                cleanup()
            except Exception:
                _log.exception("A part of the server did not stop cleanly")
        self._services = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def ready(self) -> dict[str, Any]:
        """Return the URLs, the first mailbox and, after the first start, its keys."""
        keys = self._keys
        return {
            "url": self.url,
            "smtp": self.smtp,
            "mailbox": {"id": self.mailbox.id, "address": self.mailbox.address},
            "mailboxes": [
                {"address": box.address, "source": get_source(box)}
                for box in self.services.context.store.read(_list_mailboxes)
            ],
            "keys": None
            if keys is None
            else {"agent": keys.agent, "reviewer": keys.reviewer, "admin": keys.admin},
        }

    def _assemble(self) -> None:
        config = self.config
        mode, address = validate_config(config)
        http = _bind(config.host, config.port, "--port")
        self._cleanup.append(http.close)
        try:
            relay = parse_relay_url(config.relay) if config.relay else None
        except ValueError as error:
            message = f"--relay (or MULTIMAIL_RELAY) cannot be used: {error}."
            raise ServerStartError(message) from None
        resolver = _build_resolver(config.dns_zone)
        self._extension.configure(config)
        store = self._open_store()
        self._url = f"http://{_format_address(config.host, http.getsockname()[1])}"
        outbound_headers = load_outbound_headers(
            store, (config.public_url or self._url).rstrip("/")
        )
        services = self._build_services(store, resolver, relay, outbound_headers)
        self._bootstrap_account(services, address, mode)
        secret = _get_link_secret(store)
        self._start_smtp(services)
        self._start_http(services, secret, http)
        self._services = services

    def _open_store(self) -> Store:
        if self.config.database is not None:
            return self._open_database(self.config.database)
        path = self.config.data
        if path is None:
            folder = tempfile.TemporaryDirectory(prefix="multimail-")
            self._cleanup.append(folder.cleanup)
            path = Path(folder.name) / "multimail.db"
        store = SqliteStore(path)
        self._cleanup.append(store.close)
        return store

    def _open_database(self, url: str) -> Store:
        try:
            from .store.postgres import PostgresStore
        except ImportError as error:
            raise ServerStartError(
                f"PostgreSQL needs the extra `postgres` ({error}): "
                'pip install "multimail[server,postgres]"'
            ) from error
        store = PostgresStore(url)
        self._cleanup.append(store.close)
        return store

    def _build_services(
        self,
        store: Store,
        resolver: Resolver,
        relay: Relay | None,
        outbound_headers: OutboundHeaders,
    ) -> Services:
        config = self.config
        for_outbox, for_jobs, for_accounts = Wakeup(), Wakeup(), Wakeup()
        context = AppContext(
            store=store,
            clock=config.clock,
            ids=config.ids or self._extension.build_ids(config),
            resolver=resolver,
            commits=CommitSignal(),
            domain=config.domain.lower(),
            pending_ttl=config.pending_ttl,
            undo_window=timedelta(seconds=config.undo_seconds),
            has_relay=relay is not None,
            outbound_headers=outbound_headers,
            relay_host=urlsplit(config.relay).hostname if config.relay else None,
            generate_key=self._extension.generate_key,
            wakeups=WakeupGroup(for_outbox, for_jobs, for_accounts),
            notify_operator=config.notify_operator,
            webhook_targets=_build_webhook_targets(config),
            approval_codes=config.approval_codes,
            sends_per_day=config.sends_per_day,
            secrets=SecretBox(config.data, in_memory=config.data is None and not config.database),
        )
        outbox = Outbox(context, relay, for_outbox, self._extension.get_test_relay)
        outbox.start()
        self._cleanup.append(outbox.stop)
        periodic_jobs = PeriodicJobs(
            context,
            (Retention(context), NotificationMail(context, relay), EventRetention(context)),
            for_jobs,
        )
        periodic_jobs.start()
        self._cleanup.append(periodic_jobs.stop)
        dispatcher = WebhookDispatcher(context, config.webhook_timeout)
        self._cleanup.append(dispatcher.stop)
        dispatcher.start()
        accounts = ConnectedAccounts(context, for_accounts)
        accounts.start()
        self._cleanup.append(accounts.stop)
        store.on_remote_commit(context.on_remote_commit)
        return self._extension.build_services(context, (outbox, periodic_jobs, dispatcher))

    def _bootstrap_account(self, services: Services, address: str, mode: Mode) -> None:
        created = services.accounts.create_first(address, mode, live=self.config.live)
        if created is not None:
            mailbox, keys = created
            self._keys = FirstKeys(**keys)
        else:
            mailbox = services.context.store.read(_get_first_mailbox)
            self._keys = None
        self.mailbox = FirstMailbox(mailbox.id, mailbox.address)
        self._extension.receive_first_mail(services, mailbox.account_id, is_new=created is not None)

    def _start_smtp(self, services: Services) -> None:
        config = self.config

        def receive(envelope: SmtpEnvelope, raw: bytes) -> bool:
            return all(row.is_repeat for row in services.receiving.receive(envelope, raw))

        smtp = InboundSmtp(
            config.host,
            config.smtp_port,
            knows_recipient=services.receiving.has_mailbox,
            receive=receive,
            fault=self._extension.get_smtp_reply,
            max_bytes=config.message_bytes,
            limits=SmtpLimits(
                min(config.smtp_connections, _count_files() // 4), config.smtp_per_minute
            ),
            recipient_lookup_is_fast=config.database is None,
            certificate=CertificateFiles(config.smtp_tls_cert, config.smtp_tls_key)
            if config.smtp_tls_cert and config.smtp_tls_key
            else None,
            fronts=split_networks(config.smtp_fronts, "--smtp-fronts"),
        )
        try:
            port = smtp.start()
        except OSError as error:
            raise ServerStartError(
                _describe_bind_error(config.host, config.smtp_port, "--smtp-port", error)
            ) from (error)
        self._cleanup.append(smtp.stop)
        self._smtp = _format_address(config.host, port)

    def _start_http(self, services: Services, secret: str, listener: socket.socket) -> None:
        limits = RequestLimits(self.config.requests_per_minute, self.config.message_bytes)
        proxies = split_list(self.config.trusted_proxies)
        connections = ConnectionLimits(
            min(self.config.http_connections, _count_files() // 2),
            split_networks(self.config.trusted_proxies, "--trusted-proxies"),
        )
        streams = EventStreams(services)
        runner = _Http(
            uvicorn.Config(
                make_app(
                    services,
                    secret,
                    self._build_origins(),
                    limits,
                    streams=streams,
                    routes=self._extension.get_routes(),
                    middleware=[self._extension.wrap_endpoint],
                ),
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),
                lifespan="off",
                access_log=False,
                log_level="warning",
                log_config=None,
                server_header=False,
                timeout_graceful_shutdown=3,
                ws="none",
                http=limit_connections(self._extension.get_http_protocol(), connections),
            )
        )
        thread = threading.Thread(
            target=runner.run, args=([listener],), name="multimail-http", daemon=True
        )
        thread.start()

        def stop() -> None:
            streams.close()
            runner.should_exit = True
            thread.join()

        self._cleanup.append(stop)
        if not runner.ready.wait(_STARTUP_TIMEOUT):
            raise ServerStartError("The HTTP server did not start; its log says why.")

    def _build_origins(self) -> Origins:
        config = self.config
        own = config.host
        if own in _WILDCARDS:  # No client can open it.
            own = _WILDCARDS[own]
        port = urlsplit(self._url).port or config.port
        hosts = frozenset({config.host.lower(), *split_list(config.allowed_hosts)})
        return Origins(f"http://{_format_address(own, port)}", config.public_url, hosts)


_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class _Http(uvicorn.Server):
    """uvicorn's server with an event that signals that it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start serving, then set `ready`."""
        await super().startup(sockets)
        if self.started:
            self.ready.set()


def _build_resolver(zone: Path | None) -> Resolver:
    if zone is None:
        return LazyResolver()
    from .mail.auth.resolvers import zone_resolver

    return zone_resolver(zone)


def _build_webhook_targets(config: ServerConfig) -> WebhookTargets:
    if config.webhook_networks is not None:
        return WebhookTargets(split_networks(config.webhook_networks, "--webhook-networks"))
    # A server that only this machine reaches posts to programs on this machine, as tests do.
    is_local = config.host in LOOPBACK_HOSTS and not config.live
    return WebhookTargets(LOOPBACK if is_local else ())


def _count_files() -> int:
    """Return how many files this process may have open at once."""
    if sys.platform == "win32":
        return _MANY_FILES
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MANY_FILES if soft == resource.RLIM_INFINITY else soft


def _bind(host: str, port: int, option: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off (40 ms an answer) only where the protocol is named.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ServerStartError(_describe_bind_error(host, port, option, error)) from error
    return listener


def _describe_bind_error(host: str, port: int, option: str, error: OSError) -> str:
    reason = os.strerror(error.errno).lower() if error.errno else error
    return (
        f"Cannot listen on {_format_address(host, port)}: {reason}. "
        f"Choose another {option}; 0 picks a free port."
    )


def _format_address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _get_first_mailbox(tx: Reader) -> Mailbox:
    account = tx.first_account()
    mailboxes = tx.mailboxes(account.id) if account else []
    if not mailboxes:
        raise ServerStartError(
            "The account in the data file is closed or has no mailbox. Use another data file."
        )
    return mailboxes[0]


def _get_link_secret(store: Store) -> str:
    """Return the secret that signs attachment links, which the store keeps."""
    return get_or_create_setting(store, "link_secret", lambda: secrets.token_urlsafe(32))


def _list_mailboxes(tx: Reader) -> list[Mailbox]:
    account = tx.first_account()
    return tx.mailboxes(account.id) if account else []
