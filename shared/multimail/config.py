"""Configuration: what a client needs to know, from arguments first and the environment second."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from .errors import ConfigurationError

DEFAULT_BASE_URL = "https://api.multimail.dev"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Secret:
    """A string that shows itself only to code that asks by `reveal()`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("A secret is not pickled. Build the client again where it is needed.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Config:
    """Where the API is and who calls it.

    Attributes:
        api_key: The key, wrapped so that it never prints.
        base_url: Scheme, host and optional path prefix of the API, without a trailing slash.
        mailbox: The default mailbox, an address or an id; None if the account's only one.
    """

    api_key: Secret = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    mailbox: str | None = None


def load_config(
    api_key: str | None = None, base_url: str | None = None, mailbox: str | None = None
) -> Config:
    """Fill what is not given from the environment.

    Reads `MULTIMAIL_API_KEY`, `MULTIMAIL_API_URL`, `MULTIMAIL_MAILBOX` and
    `MULTIMAIL_MAILBOX_ID`.

    Args:
        api_key: A `mm_live_…` or `mm_test_…` key.
        base_url: An http(s) URL; plain http is accepted for this machine only, unless
            `MULTIMAIL_ALLOW_HTTP=1`.
        mailbox: An address or an id.

    Raises:
        ConfigurationError: No key is given, or the URL is not usable.
    """
    key = (api_key or os.environ.get("MULTIMAIL_API_KEY") or "").strip()
    if not key:
        raise ConfigurationError(
            "No API key.",
            remedy="Pass api_key= or set MULTIMAIL_API_KEY; "
            "`multimail serve` prints one for a server on this machine.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "The API key holds a character that no key has (a space, a line break, a quote?).",
            remedy="Copy the key again.",
        )
    box = mailbox or os.environ.get("MULTIMAIL_MAILBOX") or os.environ.get("MULTIMAIL_MAILBOX_ID")
    url = base_url or os.environ.get("MULTIMAIL_API_URL") or DEFAULT_BASE_URL
    return Config(Secret(key), _checked_url(url), (box or "").strip() or None)


def _checked_url(url: str) -> str:
    parts = _parts(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"The base URL {url!r} is not an http(s) URL.", remedy="Write https://host."
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            "The base URL carries a user name or password.", remedy="Give the key as api_key=."
        )
    allowed = parts.hostname in LOOPBACK or os.environ.get("MULTIMAIL_ALLOW_HTTP") == "1"
    if parts.scheme == "http" and not allowed:
        raise ConfigurationError(
            f"The base URL of {parts.hostname} is plain http: the key would travel unencrypted.",
            remedy="Use https, or set MULTIMAIL_ALLOW_HTTP=1 on a network that you trust.",
        )
    return url.strip().rstrip("/")


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip())
        port_is_a_number = parts.port != 0
    except ValueError:
        return None
    plain = url.strip().isprintable() and " " not in url.strip()
    return parts if port_is_a_number and plain and not parts.query and not parts.fragment else None
