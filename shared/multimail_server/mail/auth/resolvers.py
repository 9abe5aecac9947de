"""DNS resolvers: a zone file, or the live network through dnspython."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.zone
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from .dns import DnsUnavailable, HostKind, Resolver

_MAX_ALIASES = 8


def zone_resolver(path: Path) -> Resolver:
    """Return a resolver that knows a master file and nothing else.

    Args:
        path: An RFC 1035 section 5 master file with absolute names of any number of domains.
            A name that is not in it does not exist. `$TTL` may be left out.

    Raises:
        ValueError: The file is not a master file; the message says where.
        OSError: The file cannot be read.
    """
    try:
        zone = dns.zone.from_text(
            "$TTL 300\n" + path.read_text("utf-8"),
            origin=dns.name.root,
            relativize=False,
            check_origin=False,
            filename=str(path),
        )
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{path} is not a DNS master file: {error}") from error
    return _ZoneResolver(zone)


def live_resolver(timeout: float = 3.0, *, server: tuple[str, int] | None = None) -> Resolver:
    """Return a resolver that asks the system's name servers.

    Args:
        timeout: Seconds that one look-up may take in all.
        server: The address and port of a name server to ask in their place.
    """
    return _LiveResolver(timeout, server)


def _dns_name(name: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None  # no such name can exist


def _texts(records: Iterable[dns.rdata.Rdata]) -> list[bytes]:
    return [b"".join(record.strings) for record in records if isinstance(record, TXT)]


def _hosts(records: Iterable[dns.rdata.Rdata]) -> list[str]:
    shown = (r.exchange if isinstance(r, MX) else r for r in records)
    return [str(one).removesuffix(".") for one in shown]


class _ZoneResolver:
    def __init__(self, zone: dns.zone.Zone) -> None:
        self._zone = zone

    def txt(self, name: str) -> list[bytes]:
        return _texts(self._find(name, dns.rdatatype.TXT))

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        return _hosts(self._find(name, dns.rdatatype.from_text(kind)))

    def _find(self, name: str, kind: dns.rdatatype.RdataType) -> Iterable[dns.rdata.Rdata]:
        owner = _dns_name(name)
        for _ in range(_MAX_ALIASES):
            if owner is None:
                return []
            found = self._zone.get_rdataset(owner, kind)
            if found is not None:
                return found
            alias = self._zone.get_rdataset(owner, dns.rdatatype.CNAME)
            owner = None if alias is None else _dns_name(str(alias[0]))
        return []


class _LiveResolver:
    def __init__(self, timeout: float, server: tuple[str, int] | None) -> None:
        self._timeout = timeout
        self._server = server
        self._resolver: dns.resolver.Resolver | None = None

    def txt(self, name: str) -> list[bytes]:
        return _texts(self._find(name, dns.rdatatype.TXT))

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        return _hosts(self._find(name, dns.rdatatype.from_text(kind)))

    def _find(self, name: str, kind: dns.rdatatype.RdataType) -> Iterable[dns.rdata.Rdata]:
        owner = _dns_name(name)
        if owner is None:
            return []
        try:
            return self._asker().resolve(owner, kind, lifetime=self._timeout, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise DnsUnavailable("DNS did not answer") from error

    def _asker(self) -> dns.resolver.Resolver:
        """Return the library's resolver, made at the first look-up: making it reads the system."""
        if self._resolver is None:
            asker = dns.resolver.Resolver(configure=self._server is None)
            if self._server is not None:
                asker.nameservers, asker.port = [self._server[0]], self._server[1]
            self._resolver = asker
        return self._resolver
