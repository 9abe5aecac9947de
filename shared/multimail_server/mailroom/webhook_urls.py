"""Webhook URLs: where events may be posted to."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from ..refusals import Refusal, invalid

_LONGEST = 2000


def checked_url(url: str, field: str = "url") -> str:
    """Return `url` if events may be posted to it: https, or http on this machine.

    Args:
        url: As it was given.
        field: How the request calls it.
    Raises:
        Refusal: It is another kind of URL; it is not repeated, since a URL can hold a password.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong(field, "its host or its port is malformed") from None
    if len(url) > _LONGEST or not url.isascii() or not url.isprintable() or " " in url:
        raise _wrong(field, f"it must be printable ASCII without spaces, up to {_LONGEST:,}")
    if parts.scheme not in {"http", "https"} or not host:
        raise _wrong(field, "it is not like https://example.com/hooks")
    if "@" in parts.netloc or parts.fragment:
        raise _wrong(field, "it must have no user, no password and no fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise _wrong(field, "events leave this machine by https only")
    return url


def host_of(url: str) -> str:
    """Return the host and port of a URL that was checked."""
    return urlsplit(url).netloc


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _wrong(field: str, why: str) -> Refusal:
    return invalid(f"`{field}` is not a URL for events: {why}.", "invalid_webhook_url")
