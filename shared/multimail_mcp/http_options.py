"""Options of the streamable HTTP endpoint: its address, its names and its access rules."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from multimail._config import Secret
from multimail.errors import ConfigurationError

MIN_TOKEN_LENGTH = 20


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Where the endpoint listens, and which requests it accepts.

    Args:
        host: The address to listen on. An address that is not loopback needs a `token`.
        port: The port; 0 picks a free one.
        token: The token that clients send as `Authorization: Bearer …`, at least 20 characters.
        allowed_hosts: Host names that clients use, `name` or `name:port`. Any other Host header is
            rejected, which prevents DNS rebinding.
        allowed_origins: Origins of web pages that are allowed, such as `https://app.example.com`.
        stateless: Keep no protocol sessions, so that any worker can answer any request.

    Raises:
        ConfigurationError: Other machines could reach the endpoint without a token, the token is
            too short, or no allowed host name leads to the endpoint.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: Secret | None = field(default=None, repr=False)
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    stateless: bool = False

    def __post_init__(self) -> None:
        if self.token is not None and len(self.token.reveal()) < MIN_TOKEN_LENGTH:
            raise ConfigurationError(
                f"The endpoint's token has fewer than {MIN_TOKEN_LENGTH} characters.",
                remedy="Create one: openssl rand -hex 32",
            )
        if self.is_open and self.token is None:
            raise ConfigurationError(
                f"On {self.host} other machines can reach the endpoint, and it has no token.",
                remedy="Set a token for the endpoint, or listen on 127.0.0.1.",
            )
        if _is_any(self.host) and not self.allowed_hosts:
            raise ConfigurationError(
                f"On {self.host} the endpoint does not know the host name that clients use.",
                remedy="Give the name as an allowed host.",
            )

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach the endpoint."""
        return self.host != "localhost" and not _is_loopback(self.host)

    def host_names(self) -> list[str]:
        """Return the Host headers that are accepted; `:*` is any port."""
        own = ["127.0.0.1", "localhost", "[::1]"]
        if not _is_any(self.host):
            own.append(f"[{self.host}]" if ":" in self.host else self.host)
        return [form for name in (*own, *self.allowed_hosts) for form in _with_ports(name)]

    def origins(self) -> list[str]:
        """Return the Origin headers that are accepted."""
        own = [f"http://{name}:*" for name in ("127.0.0.1", "localhost", "[::1]")]
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
