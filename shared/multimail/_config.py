"""Client configuration, from arguments first and environment variables second."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from ._proxies import is_loopback
from .errors import ConfigurationError

if TYPE_CHECKING:
    from ._http import Timeout

DEFAULT_BASE_URL = "https://api.multimail.dev"


class Secret:
    """A string that is shown only by `reveal()`: not in reprs, logs or pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('…')"

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError("A secret can't be pickled. Build the client again where it is needed.")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


_PARTS = ("connect", "read", "write", "pool")
_SECONDS, _SECONDS_TO_CONNECT = 30.0, 10.0


@dataclass(frozen=True, slots=True)
class Config:
    """The API's URL, the key and the default mailbox.

    Attributes:
        api_key: The key; its repr doesn't show it.
        base_url: Scheme, host and optional path prefix of the API, without `/` or `/v1` at its end.
        mailbox: The default mailbox, an address or an id; None for the account's only mailbox.
    """

    api_key: Secret = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    mailbox: str | None = None


def load_config(
    api_key: str | None = None, base_url: str | None = None, mailbox: str | None = None
) -> Config:
    """Return the configuration; missing arguments come from the environment.

    Reads `MULTIMAIL_API_KEY`, `MULTIMAIL_API_URL`, `MULTIMAIL_MAILBOX` and
    `MULTIMAIL_MAILBOX_ID`.

    Args:
        api_key: A `mm_live_…` or `mm_test_…` key.
        base_url: An http(s) URL; plain http is accepted for this machine only, unless
            `MULTIMAIL_ALLOW_HTTP=1`.
        mailbox: An address or an id.

    Raises:
        ConfigurationError: There is no key, or the key or URL is not usable.
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
            "The API key contains a character that no key has (a space, a line break, a quote?).",
            remedy="Copy the key again.",
        )
    name = mailbox or os.environ.get("MULTIMAIL_MAILBOX") or os.environ.get("MULTIMAIL_MAILBOX_ID")
    url = base_url or os.environ.get("MULTIMAIL_API_URL") or DEFAULT_BASE_URL
    return Config(Secret(key), _check_url(url), (name or "").strip() or None)


def read_timeouts(timeout: float | Timeout | None) -> dict[str, float | None]:
    """Return the seconds for each part of a request; None for no limit.

    Args:
        timeout: Seconds for each part, or those of a `Timeout`; None for the default.

    Raises:
        ConfigurationError: It is no number of seconds above zero, and no `Timeout`.
    """
    if timeout is None:
        return {**read_timeouts(_SECONDS), "connect": _SECONDS_TO_CONNECT}
    missing = object()
    values: dict[str, Any] = {part: getattr(timeout, part, missing) for part in _PARTS}
    if isinstance(timeout, int | float) and not isinstance(timeout, bool):
        values = dict.fromkeys(_PARTS, float(timeout))
    for seconds in values.values():
        if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < inf):
            raise ConfigurationError(
                f"timeout={timeout!r:.80} is no number of seconds.",
                remedy="Pass seconds, such as timeout=30, or a Timeout of httpx or httpx2.",
            )
    return values


def _check_url(url: str) -> str:
    parts = _split_url(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"The base URL {url!r} is not an http(s) URL.",
            remedy="Write https://host, or http://127.0.0.1:8025 for a server on this machine.",
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            "The base URL contains a user name or password.", remedy="Pass the key as api_key=."
        )
    allowed = is_loopback(parts.hostname) or os.environ.get("MULTIMAIL_ALLOW_HTTP") == "1"
    if parts.scheme == "http" and not allowed:
        raise ConfigurationError(
            f"The base URL of {parts.hostname} is plain http: the key would travel unencrypted.",
            remedy="Use https, or set MULTIMAIL_ALLOW_HTTP=1 on a network that you trust.",
        )
    # The operations have the version in their paths.
    return url.strip().rstrip("/").removesuffix("/v1")


def _split_url(url: str) -> SplitResult | None:
    stripped = url.strip()
    try:
        parts = urlsplit(stripped)
        port_is_valid = parts.port != 0
    except ValueError:
        return None
    is_plain = stripped.isprintable() and " " not in stripped
    is_base = not parts.query and not parts.fragment
    return parts if port_is_valid and is_plain and is_base else None
