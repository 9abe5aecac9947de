"""Proxies: which one a request goes through, by the environment, and which hosts are never proxied.

httpx rejects forms of `NO_PROXY` that other programs accept, and sends a request to this machine
through a proxy. So the client decides, and passes the proxy of each route to httpx.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from .errors import ConfigurationError

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_SCHEMES = ("http", "https", "socks5", "socks5h")
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
_SYSTEM = "the system's proxy setting"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that a setting names.

    Attributes:
        url: Scheme, host and port, without credentials.
        auth: User name and password, or None.
        variable: The environment variable that names it.
    """

    url: str
    auth: tuple[str, str] | None = field(default=None, repr=False)
    variable: str = ""

    @property
    def location(self) -> str:
        """Its host and port, for messages."""
        return self.url.partition("://")[2]


def is_loopback(host: str) -> bool:
    """Whether a host name or address is of this machine: 127.0.0.0/8, ::1, localhost (RFC 6761)."""
    name = host.strip("[]").rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _parse_address(name)
    return address is not None and address.is_loopback


def get_location(url: str) -> str:
    """Return the host and the port of a URL, for messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def find_proxy(url: str) -> Proxy | None:
    """Return the proxy that requests to a URL go through, or None for a direct connection.

    Reads `HTTPS_PROXY` or `HTTP_PROXY`, by the URL's scheme, then `ALL_PROXY`, and `NO_PROXY`; each
    in lower case first. This machine is always asked directly.

    Raises:
        ConfigurationError: The variable that applies is not the URL of a proxy.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    if not host or is_loopback(host):
        return None
    variable, value = _find_setting(parts.scheme, host)
    if not value or is_bypassed(host, port, _get_variable("no_proxy")[1]):
        return None
    return _parse_proxy(variable, value)


def _find_setting(scheme: str, host: str) -> tuple[str, str]:
    """Return the name and the value of the setting for a scheme; empty if there is none."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable, value = _get_variable(name)
        if value:
            return variable, value
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies, proxy_bypass

        if not proxy_bypass(host):
            return _SYSTEM, getproxies().get(scheme, "")
    return "", ""


def _get_variable(name: str) -> tuple[str, str]:
    """Return the name and the value of an environment variable, in lower or in upper case."""
    if name in os.environ:
        return name, os.environ[name].strip()
    upper = name.upper()
    if upper == "HTTP_PROXY" and "REQUEST_METHOD" in os.environ:
        return upper, ""  # under CGI it is a header that the client of the web server chose
    return upper, os.environ.get(upper, "").strip()


def is_bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Return whether `NO_PROXY` names a host.

    Args:
        host: A host name or an address.
        port: The port of the URL.
        no_proxy: Entries between commas or blanks: `*`, a name (with all below it), `.name`,
            `*.name` (only what is below it), an address, a network such as `10.0.0.0/8`, each also
            with `:port`; IPv6 addresses in brackets or not. What is none of these names no host.
    """
    name = host.strip("[]").rstrip(".").casefold()
    address = _parse_address(name)
    entries = re.split(r"[\s,;]+", no_proxy.casefold())
    return any(_matches(entry, name, address, port) for entry in entries if entry)


def _matches(entry: str, name: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    pattern, entry_port = _split_port(entry.rpartition("://")[2].rstrip("/"))
    if entry_port and entry_port != str(port):
        return False
    pattern = pattern.rstrip(".")
    if "/" in pattern:
        return address is not None and _is_in_network(address, pattern)
    own = _parse_address(pattern)
    if own is not None or address is not None:
        return own == address if own is not None else fnmatchcase(name, pattern)
    if pattern == "<local>":
        return "." not in name
    if "*" in pattern:
        return fnmatchcase(name, pattern)
    domain = pattern.lstrip(".")
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _split_port(entry: str) -> tuple[str, str]:
    """Split an entry into host and port; an IPv6 address without brackets has no port."""
    if entry.startswith("["):
        host, _, rest = entry[1:].partition("]")
        if rest.startswith("/"):
            return host + rest, ""
        return host, rest.lstrip(":")
    if entry.count(":") == 1:
        host, _, port = entry.partition(":")
        return host, port
    return entry, ""


def _parse_address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in_network(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _parse_proxy(variable: str, value: str) -> Proxy:
    parts = _split_proxy(value if "://" in value else f"http://{value}")
    if parts is None:
        # The value is not shown: it may hold a password.
        raise ConfigurationError(
            f"{variable} is not the URL of a proxy.",
            remedy=f"Write it as http://host:port ({', '.join(_SCHEMES)}), or unset {variable}.",
        )
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    credentials = None
    if parts.username is not None:
        credentials = unquote(parts.username), unquote(parts.password or "")
    return Proxy(f"{parts.scheme}://{host}:{port}", credentials, variable)


def _split_proxy(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_url = bool(parts.hostname) and parts.port != 0 and parts.scheme in _SCHEMES
        is_url = is_url and re.fullmatch(r"[\w.:%-]+", parts.hostname or "") is not None
    except ValueError:
        return None
    return parts if is_url and not re.search(r"[\s\\]", url) else None
