"""The door: who is signed in, which requests come from our own pages, and how often one may knock.

Sessions live in memory and are found by the SHA-256 of their token: what a memory dump or a log
holds opens nothing. A restart signs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from ..errors import ApiError, forbidden

LIFETIME = timedelta(hours=8)
MAX_FAILURES = 10
FAILURE_WINDOW = timedelta(minutes=5)
_MAX_SESSIONS = 1000
_MAX_PEERS = 10_000
_TOKEN_BYTES = 32


@dataclass(slots=True)
class Session:
    """One browser that is signed in."""

    key_id: str
    csrf: str = field(repr=False)
    expires_at: datetime
    flash: str = ""
    """What the next page says first, once."""


class Door:
    """Keeps the sessions of the human's page.

    Args:
        now: The server's time.
        secret: The server's own; CSRF tokens of approval links are made from it.
        public_url: Where a proxy shows this server, such as `https://mail.example.com`.
    """

    def __init__(self, now: Callable[[], datetime], secret: str, public_url: str | None) -> None:
        self._now = now
        self._secret = secret.encode()
        self._public_origin = origin_of(public_url) if public_url else None
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()
        self._lock = threading.Lock()

    def admit(self, key_id: str) -> str:
        """Begin a session and return its token, for the cookie alone."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        csrf = secrets.token_urlsafe(_TOKEN_BYTES)
        with self._lock:
            self._sessions[_digest(token)] = Session(key_id, csrf, self._now() + LIFETIME)
            while len(self._sessions) > _MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return token

    def session(self, token: str) -> Session | None:
        """Return the session of a token, unless it has ended."""
        with self._lock:
            found = self._sessions.get(_digest(token))
            if found is not None and found.expires_at <= self._now():
                del self._sessions[_digest(token)]
                return None
            return found

    def leave(self, token: str) -> None:
        """End a session."""
        with self._lock:
            self._sessions.pop(_digest(token), None)

    def check_patience(self, peer: str) -> None:
        """Raise a 429 when too many wrong keys came from `peer` lately."""
        with self._lock:
            recent = self._recent(peer)
            if len(recent) < MAX_FAILURES:
                return
            wait = int((recent[0] + FAILURE_WINDOW - self._now()).total_seconds()) + 1
        raise ApiError(
            429,
            "too_many_attempts",
            f"Too many wrong keys came from here. Try again in {wait} seconds.",
            headers={"Retry-After": str(wait)},
        )

    def note_failure(self, peer: str) -> None:
        """Remember that a wrong key came from `peer`."""
        with self._lock:
            recent = self._recent(peer)
            recent.append(self._now())
            self._failures[peer] = recent
            self._failures.move_to_end(peer)
            while len(self._failures) > _MAX_PEERS:
                self._failures.popitem(last=False)

    def check_host(self, base_url: str) -> None:
        """Raise a 421 unless the request named a host that this server is known by.

        A web site whose name is pointed at this machine (DNS rebinding) gets no page.
        """
        host = urlsplit(base_url).hostname or ""
        if origin_of(base_url) == self._public_origin or _is_local_name(host):
            return
        if self._public_origin and host == urlsplit(self._public_origin).hostname:
            return
        raise ApiError(
            421,
            "unknown_host",
            "The pages are not served under this host name. Open them by IP address or as "
            "localhost, or start the server with --public-url and the address that people use.",
        )

    def check_origin(self, origin: str | None, base_url: str) -> None:
        """Raise a 403 unless a browser says that the form was on one of our own pages."""
        known = {origin_of(base_url), self._public_origin}
        if origin is None or origin.lower() not in known:
            raise forbidden(
                "wrong_origin",
                "This form was not sent from a page of this server, so nothing was done. Open "
                "the page here and try again.",
            )

    def check_csrf(self, given: str, right: str) -> None:
        """Raise a 403 unless the form carries the token of the page that it was on."""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), right.encode()):
            raise forbidden(
                "wrong_csrf_token",
                "This form is out of date, so nothing was done. Open the page again and retry.",
            )

    def link_csrf(self, token: str) -> str:
        """Return the CSRF token of the form behind an approval link."""
        text = f"approve\n{token}".encode("utf-8", "replace")
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()

    def base_url(self, request_base: str) -> str:
        """Return the URL that links to the pages begin with."""
        return self._public_origin or request_base

    def is_secure(self, request_base: str) -> bool:
        """Return whether the browser sees this server by https."""
        origin = origin_of(request_base)
        host = urlsplit(request_base).netloc.lower()
        public = self._public_origin or ""
        return origin.startswith("https:") or public == f"https://{host}"

    def _recent(self, peer: str) -> deque[datetime]:
        begin = self._now() - FAILURE_WINDOW
        return deque(moment for moment in self._failures.get(peer, ()) if moment > begin)


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, as an Origin header spells them."""
    parts = urlsplit(url)
    scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
    named = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{named}" if port in (None, usual) else f"{scheme}://{named}:{port}"


def _is_local_name(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
