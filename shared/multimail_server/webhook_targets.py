"""Where webhooks may lead: to public addresses, and to networks that the operator allows."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from .config import Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1"))
_NAT64 = ip_network("64:ff9b::/96")
_NOT_FOR_THE_PUBLIC = ip_address("168.63.129.16")
"""The host of a virtual machine on Azure, at a public address."""


@dataclass(frozen=True, slots=True)
class WebhookTargets:
    """Decides to which addresses events may be posted.

    Without it, a key that may create webhooks could reach what only this machine can: a database on
    loopback, a router, the metadata service of a cloud.

    Attributes:
        networks: Networks that are allowed though they are not public.
    """

    networks: tuple[Network, ...] = ()

    def allows_address(self, address: str) -> bool:
        """Return whether an IP address may be connected to."""
        try:
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        inner = _unwrap(ip)
        if any(ip in network or inner in network for network in self.networks):
            return True
        return inner.is_global and not inner.is_multicast and inner != _NOT_FOR_THE_PUBLIC

    def allows_host(self, host: str) -> bool:
        """Return whether the host of a URL is allowed as far as that is known without DNS."""
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return any(self.allows_address(address) for address in ("127.0.0.1", "::1"))
        try:
            ip_address(name)
        except ValueError:
            return True
        return self.allows_address(name)


def _unwrap(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address leads to, if it leads to one."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else ip)
