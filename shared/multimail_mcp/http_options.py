"""Options of the streamable HTTP endpoint: where it listens, by which names, and for whom."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from multimail._config import LOOPBACK, Secret
from multimail.errors import ConfigurationError

LEAST_TOKEN = 20


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Where the endpoint listens, and who may ask.

    Args:
        host: The address to listen on. Anything but this machine's own needs a `token`.
        port: The port; 0 picks a free one.
        token: What clients have to send as `Authorization: Bearer …`, at least 20 characters.
        allowed_hosts: More names by which clients reach it, `name` or `name:port`; every other
            Host header is refused, against DNS rebinding.
        allowed_origins: Origins of web pages that may ask, such as `https://app.example.com`.
        stateless: Keep no sessions of the protocol: any worker answers any request.

    Raises:
        ConfigurationError: It would be open to others without a token, the token is too short, or
            nobody could reach it by a name that is allowed.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: Secret | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    stateless: bool = False

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token.reveal()) < LEAST_TOKEN:
            raise ConfigurationError(
                f"The endpoint's token has fewer than {LEAST_TOKEN} characters.",
                remedy="Make one: openssl rand -hex 32",
            )
        if self.is_open and self.token is None:
            raise ConfigurationError(
                f"On {self.host} others could reach the mailbox, and there is no token.",
                remedy="Set a token for the endpoint, or listen on 127.0.0.1.",
            )
        if _is_any(self.host) and not self.allowed_hosts:
            raise ConfigurationError(
                f"On {self.host} it is not known by which name clients reach it.",
                remedy="Name it as an allowed host.",
            )

    @property
    def is_open(self) -> bool:
        """Whether others than this machine can reach it."""
        return self.host not in LOOPBACK and not _is_loopback(self.host)

    def host_names(self) -> list[str]:
        """Return the Host headers that are accepted; `:*` is any port."""
        own = ["127.0.0.1", "localhost", "[::1]"]
        if not _is_any(self.host):
            own.append(f"[{self.host}]" if ":" in self.host else self.host)
        every = [*own, *self.allowed_hosts]
        return [form for one in every for form in _with_ports(one)]

    def origins(self) -> list[str]:
        """Return the Origin headers that are accepted."""
        own = [f"http://{one}:*" for one in ("127.0.0.1", "localhost", "[::1]")]
        return [*own, *self.allowed_origins]


def _with_ports(name: str) -> list[str]:
    has_port = name.rpartition("]")[2].count(":") == 1
    return [name] if has_port else [name, f"{name}:*"]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return host == ""
