"""DNS resolvers by dnspython: a zone file, or the live network."""

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

from .dns import DnsUnavailableError, HostKind, Resolver

_MAX_ALIASES = 8


def zone_resolver(path: Path) -> Resolver:
    """Return a resolver that knows a master file and nothing else.

    Args:
        path: An RFC 1035 section 5 master file with absolute names of any number of domains.
            A name that is not in it does not exist. `$TTL` may be left out.

    Raises:
        ValueError: The file cannot be read or is not a master file; the message says why.
    """
    try:
        zone = dns.zone.from_text(
            "$TTL 300\n" + path.read_text("utf-8"),
            origin=dns.name.root,
            relativize=False,
            check_origin=False,
            filename=str(path),
        )
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"The zone file {path} cannot be read: {reason}.") from error
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(f"{path} is not a DNS master file: {error}") from error
    return _ZoneResolver(zone)


def live_resolver(timeout: float = 3.0, *, server: tuple[str, int] | None = None) -> Resolver:
    """Return a resolver that asks the system's name servers.

    Args:
        timeout: Seconds that one lookup may take in all.
        server: The address and port of a name server to ask instead.
    """
    return _LiveResolver(timeout, server)


def _parse_name(name: str) -> dns.name.Name | None:
    try:
        return dns.name.from_text(name)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None  # no such name can exist


def _to_texts(records: Iterable[dns.rdata.Rdata]) -> list[bytes]:
    return [b"".join(record.strings) for record in records if isinstance(record, TXT)]


def _to_hosts(records: Iterable[dns.rdata.Rdata]) -> list[str]:
    hosts = (record.exchange if isinstance(record, MX) else record for record in records)
    return [str(host).removesuffix(".") for host in hosts]


class _ZoneResolver:
    def __init__(self, zone: dns.zone.Zone) -> None:
        self._zone = zone

    def txt(self, name: str) -> list[bytes]:
        return _to_texts(self._look_up(name, dns.rdatatype.TXT))

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        return _to_hosts(self._look_up(name, dns.rdatatype.from_text(kind)))

    def exists(self, name: str) -> bool:
        owner = _parse_name(name)
        return owner is not None and any(node.is_subdomain(owner) for node in self._zone.nodes)

    def _look_up(self, name: str, kind: dns.rdatatype.RdataType) -> Iterable[dns.rdata.Rdata]:
        owner = _parse_name(name)
        for _ in range(_MAX_ALIASES):
            if owner is None:
                return []
            records = self._zone.get_rdataset(owner, kind)
            if records is not None:
                return records
            alias = self._zone.get_rdataset(owner, dns.rdatatype.CNAME)
            owner = None if alias is None else _parse_name(str(alias[0]))
        return []


class _LiveResolver:
    def __init__(self, timeout: float, server: tuple[str, int] | None) -> None:
        self._timeout = timeout
        self._server = server
        self._resolver: dns.resolver.Resolver | None = None

    def txt(self, name: str) -> list[bytes]:
        return _to_texts(self._look_up(name, dns.rdatatype.TXT))

    def hosts(self, name: str, kind: HostKind) -> list[str]:
        return _to_hosts(self._look_up(name, dns.rdatatype.from_text(kind)))

    def exists(self, name: str) -> bool:
        owner = _parse_name(name)
        if owner is None:
            return False
        try:
            self._ask(owner, dns.rdatatype.A)
        except dns.resolver.NXDOMAIN as error:
            # Of an alias that leads nowhere, only the end does not exist.
            return bool(error.canonical_name != owner)
        except (dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            pass
        return True

    def _look_up(self, name: str, kind: dns.rdatatype.RdataType) -> Iterable[dns.rdata.Rdata]:
        owner = _parse_name(name)
        if owner is None:
            return []
        try:
            return self._ask(owner, kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []

    def _ask(self, owner: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
        try:
            return self._get().resolve(owner, kind, lifetime=self._timeout, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            raise
        except (dns.exception.DNSException, OSError) as error:
            raise DnsUnavailableError("DNS did not answer") from error

    def _get(self) -> dns.resolver.Resolver:
        """Return the library's resolver, created at the first lookup: it reads system files."""
        if self._resolver is None:
            resolver = dns.resolver.Resolver(configure=self._server is None)
            if self._server is not None:
                resolver.nameservers, resolver.port = [self._server[0]], self._server[1]
            self._resolver = resolver
        return self._resolver
