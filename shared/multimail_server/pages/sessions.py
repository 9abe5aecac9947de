"""Browser sessions, CSRF, origin and host checks, and login throttling for the review pages.

Sessions are stored under the SHA-256 of their token, so a backup or a log contains nothing that
opens one. They and the count of wrong keys are in the database: every server of it knows them.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ..auth import digest_token
from ..errors import ApiError, forbidden
from ..store.protocol import Scope, Store, Tx
from ..store.records import BrowserSession, SignInFailure

SESSION_LIFETIME = timedelta(hours=8)
MAX_LOGIN_FAILURES = 10
LOGIN_FAILURE_WINDOW = timedelta(minutes=5)
_TOKEN_BYTES = 32
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that is signed in, and the CSRF token of its forms."""

    row: BrowserSession
    csrf: str = field(repr=False)

    @property
    def key_id(self) -> str:
        """The key that it is signed in with."""
        return self.row.key_id

    @property
    def flash(self) -> str:
        """A message that the next page shows once."""
        return self.row.flash


@dataclass(frozen=True, slots=True)
class Origins:
    """Where this server is reached.

    Attributes:
        own_url: The address that it listens on.
        public_url: Where a proxy shows it to people, such as `https://mail.example.com`.
        hosts: More host names and addresses of it, in lower case.
    """

    own_url: str
    public_url: str | None = None
    hosts: frozenset[str] = frozenset()

    def is_known(self, base_url: str, local_address: str) -> bool:
        """Return whether a link may name the host that a request named.

        Args:
            base_url: As the request named it; anybody can write any name into it.
            local_address: The address of this machine that the request reached.
        """
        host = get_host_name(base_url)
        if host is None:
            return False
        names = {local_address, get_host_name(self.own_url), *self.hosts}
        if self.public_url:
            names.add(get_host_name(self.public_url))
        return host in names or _is_loopback(host)


class SessionManager:
    """Keeps the sessions of the review pages and checks where their requests come from.

    Args:
        store: Keeps the sessions.
        now: Returns the server's time.
        secret: The server's own; CSRF tokens are derived from it.
        origins: Where this server is reached.
    """

    def __init__(
        self, store: Store, now: Callable[[], datetime], secret: str, origins: Origins
    ) -> None:
        self._store = store
        self._now = now
        self._secret = secret.encode()
        self._origins = origins
        self._public_origin = parse_origin(origins.public_url) if origins.public_url else None

    def create(self, key_id: str) -> str:
        """Create a session and return its token, which only the cookie may hold."""
        token, now = secrets.token_urlsafe(_TOKEN_BYTES), self._now()
        session = BrowserSession(digest_token(token), key_id, now + SESSION_LIFETIME)

        def work(tx: Tx) -> None:
            tx.purge_browser_sessions(now)
            tx.put(session)

        self._store.write(work, _scope_of(session.sha256))
        return token

    def get(self, token: str) -> Session | None:
        """Return the session of a token, unless it has expired."""
        row = self._store.read(lambda tx: tx.browser_session(digest_token(token)))
        if row is None or row.expires_at <= self._now():
            return None
        return Session(row, self._sign("session", token))

    def end(self, token: str) -> None:
        """End a session."""
        sha256 = digest_token(token)
        self._store.write(lambda tx: tx.remove_browser_session(sha256), _scope_of(sha256))

    def set_flash(self, session: Session, text: str) -> None:
        """Set the message that the session's next page shows; an empty one removes it."""
        sha256 = session.row.sha256

        def work(tx: Tx) -> None:
            row = tx.browser_session(sha256)
            if row is not None:  # It may have ended.
                tx.put(replace(row, flash=text))

        self._store.write(work, _scope_of(sha256))

    def check_login_rate(self, client_host: str) -> None:
        """Raise a 429 when too many wrong keys came from this address recently."""
        start = self._now() - LOGIN_FAILURE_WINDOW
        failures = self._store.read(
            lambda tx: tx.sign_in_failures(client_host, start, MAX_LOGIN_FAILURES)
        )
        if len(failures) < MAX_LOGIN_FAILURES:
            return
        wait = failures[-1].failed_at + LOGIN_FAILURE_WINDOW - self._now()
        seconds = int(wait.total_seconds()) + 1
        raise ApiError(
            429,
            "too_many_attempts",
            f"Too many wrong keys came from this address. Try again in {seconds} seconds.",
            headers={"Retry-After": str(seconds)},
        )

    def record_failure(self, client_host: str) -> None:
        """Record that a wrong key came from this address."""
        failure = SignInFailure(secrets.token_hex(_ID_BYTES), client_host, self._now())

        def work(tx: Tx) -> None:
            tx.purge_sign_in_failures(failure.failed_at - LOGIN_FAILURE_WINDOW)
            tx.insert(failure)

        self._store.write(work, _scope_of(client_host))

    def check_host(self, base_url: str) -> None:
        """Raise a 421 unless the request named a host that this server is known by.

        A web site whose name points at this machine (DNS rebinding) gets no page.
        """
        host = get_host_name(base_url) or ""
        if _is_local(host) or self._origins.is_known(base_url, ""):
            return
        raise ApiError(
            421,
            "unknown_host",
            "The pages are not served under this host name. Open them by IP address or as "
            "localhost, or start the server with --public-url and the address that people use, or "
            "with --allowed-hosts and this name.",
        )

    def check_origin(self, origin: str | None, base_url: str) -> None:
        """Raise a 403 unless the browser says that the form was on a page of this server."""
        if origin is None or origin.lower() not in {parse_origin(base_url), self._public_origin}:
            raise forbidden(
                "wrong_origin",
                "This form was not sent from a page of this server, so nothing was done. Open "
                "the page here and try again.",
            )

    def check_csrf(self, token: str, expected: str) -> None:
        """Raise a 403 unless the form carries the CSRF token of its page."""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), expected.encode()):
            raise forbidden(
                "wrong_csrf_token",
                "This form is out of date, so nothing was done. Open the page again and retry.",
            )

    def get_link_csrf(self, token: str) -> str:
        """Return the CSRF token of the form behind an approval link."""
        return self._sign("approve", token)

    def get_public_url(self, base_url: str, local_address: str) -> str:
        """Return the URL that links to the pages begin with; see `Origins.is_known`."""
        return self._public_origin or self.get_reached_url(base_url, local_address)

    def get_reached_url(self, base_url: str, local_address: str) -> str:
        """Return the URL under which a client reached this server, for links to files."""
        if self._origins.is_known(base_url, local_address):
            return base_url
        return self._public_origin or self._origins.own_url

    def is_secure(self, base_url: str) -> bool:
        """Return whether the browser reaches this server by https."""
        host = urlsplit(base_url).netloc.lower()
        return parse_origin(base_url).startswith("https:") or (
            self._public_origin == f"https://{host}"
        )

    def _sign(self, purpose: str, token: str) -> str:
        text = f"{purpose}\n{token}".encode("utf-8", "replace")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()


def _scope_of(name: str) -> Scope:
    return Scope(own=(f"page {name}",))


def parse_origin(url: str) -> str:
    """Return scheme, host and port of a URL, as an Origin header spells them."""
    parts = urlsplit(url)
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    authority = f"[{host}]" if ":" in host else host
    if port not in (None, {"http": 80, "https": 443}.get(scheme)):
        authority = f"{authority}:{port}"
    return f"{scheme}://{authority}"


def get_host_name(url: str) -> str | None:
    """Return the host of a URL, in lower case; None if it is malformed."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    """Return whether a host is localhost or an IP address, which DNS cannot point elsewhere."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
