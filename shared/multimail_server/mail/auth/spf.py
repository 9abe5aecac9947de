"""SPF: whether the domain of the return path lets the client send for it (RFC 7208)."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from multimail.trust.addresses import ascii_domain
from multimail.trust.evidence import AuthResult, SpfEvidence

from ..envelope import SmtpEnvelope
from .dns import DnsUnavailableError, HostKind, Resolver

with warnings.catch_warnings():
    # Newer Pythons warn of escapes in its source, each time that it is compiled.
    warnings.simplefilter("ignore")
    import spf

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_LOCAL_PART = 64
_MAX_RECORD = 8192
_MAX_TERM = 512
"""pyspf's patterns take quadratic time in the length of a term."""
_MAX_POINTERS = 10
_UNUSED_ADDRESSES = {4: "240.0.0.1", 6: "100::1"}
"""Addresses that no client can have (RFC 6890): a domain that allows them allows everybody."""
_REASONS = {
    AuthResult.FAIL: "the domain does not let this client send for it",
    AuthResult.SOFTFAIL: "the domain says that this client should not send for it",
    AuthResult.NEUTRAL: "the domain says neither yes nor no to this client",
    AuthResult.NONE: "the domain publishes no SPF record",
    AuthResult.POLICY: "the domain lets anybody send for it",
    AuthResult.PERMERROR: "the SPF record of the domain is broken, or asks for too many look-ups",
}


@dataclass(frozen=True, slots=True)
class _Identity:
    """The identity that is checked: MAIL FROM, or HELO where that is empty (section 2.4)."""

    local_part: str
    domain: str


def get_spf_domain(envelope: SmtpEnvelope) -> str:
    """Return the domain that SPF checks; empty where the envelope has no usable domain."""
    identity = _get_identity(envelope)
    return identity.domain if identity else ""


def check_spf(
    envelope: SmtpEnvelope,
    resolver: Resolver,
    client_resolver: Resolver | None = None,
    *,
    aligned: bool | None,
) -> SpfEvidence | None:
    """Return the SPF result for the client that delivered a message.

    A pass that any client would get, as by `+all`, is `policy`: it says nothing about the sender.

    Args:
        envelope: The SMTP envelope.
        resolver: Looks up records.
        client_resolver: Looks up the client's own names; None for `resolver`.
        aligned: Whether the domain is aligned with From; passed on to the evidence.

    Returns:
        None where there was no client, because the message did not come by SMTP.

    Source: RFC 7208 sections 2.4, 4 and 5.
    """
    peer, identity = _parse_peer(envelope.peer), _get_identity(envelope)
    if peer is None:
        return None
    if identity is None:
        reason = "the return path has no usable domain"
        return SpfEvidence(result=AuthResult.NONE, aligned=False, reason=reason)
    sender = f"{identity.local_part}@{identity.domain}"
    helo = ascii_domain(envelope.helo) or "unknown"

    def check(client: str) -> tuple[AuthResult, str]:
        return check_host(sender, helo, client, resolver, client_resolver)

    result, dns_failure = check(str(peer))
    if result is AuthResult.PASS and check(_UNUSED_ADDRESSES[peer.version])[0] is AuthResult.PASS:
        result = AuthResult.POLICY
    return SpfEvidence(
        result=result,
        domain=identity.domain,
        aligned=aligned,
        reason=_REASONS.get(result, dns_failure),
    )


def _parse_peer(peer: str) -> IpAddress | None:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _get_identity(envelope: SmtpEnvelope) -> _Identity | None:
    if not envelope.mail_from:
        domain = ascii_domain(envelope.helo)
        return _Identity("postmaster", domain) if domain else None
    local_part, at, host = envelope.mail_from.rpartition("@")
    domain = ascii_domain(host)
    # With a second @, the local part would seem to end there, and another domain would be asked.
    if not at or not domain or "@" in local_part or len(local_part) > _MAX_LOCAL_PART:
        return None
    return _Identity(local_part or "postmaster", domain)


def check_host(
    sender: str,
    helo: str,
    peer: str,
    resolver: Resolver,
    client_resolver: Resolver | None = None,
) -> tuple[AuthResult, str]:
    """Return whether `peer` may send mail from `sender`, by pyspf (RFC 7208 section 4).

    Args:
        sender: An address; SPF checks its domain.
        helo: The client's name, for macros.
        peer: The client's IP address.
        resolver: Looks up records.
        client_resolver: Looks up the names that the client's own network gives it.

    Returns:
        The result, and for `temperror` why DNS did not answer.
    """
    try:
        query: Any = spf.query(i=peer, s=sender, h=helo)
        dns_failures = _use_resolver(query, resolver, client_resolver or resolver)
        word: str = query.check()[0]
    except Exception:
        # pyspf raises more than its own exceptions on hostile records.
        return AuthResult.PERMERROR, ""
    result = AuthResult(word)
    is_unanswered = dns_failures and result is AuthResult.TEMPERROR
    return result, dns_failures[-1] if is_unanswered else ""


def _use_resolver(query: Any, resolver: Resolver, client_resolver: Resolver) -> list[str]:
    """Let a query of pyspf do its lookups here; return the list that collects DNS failures.

    The methods are replaced on the object because pyspf's own way to choose a resolver is a
    variable of its module, which all threads share.
    """
    dns_failures: list[str] = []
    get_record: Callable[[str], str | None] = query.dns_spf

    def look_up(name: str, kind: str, cnames: object = None, ignore_void: bool = False) -> Any:
        del cnames  # the resolver follows aliases
        try:
            records = _look_up_records(resolver, name, kind)
        except DnsUnavailableError as error:
            dns_failures.append(str(error))
            raise spf.TempError(str(error)) from error
        query.void_lookups += not records and not ignore_void
        if query.void_lookups > spf.MAX_VOID_LOOKUPS:
            raise spf.PermError("too many look-ups found nothing")
        return records

    def get_limited_record(domain: str) -> str | None:
        record = get_record(domain)
        if record and (len(record) > _MAX_RECORD or max(map(len, record.split(" "))) > _MAX_TERM):
            raise spf.PermError("the record is too long")
        return record

    query.dns = look_up
    query.dns_spf = get_limited_record
    query.validated_ptrs = lambda: _get_validated_names(query.ipaddr, client_resolver)
    query.get_explanation = lambda _spec: None
    return dns_failures


def _look_up_records(resolver: Resolver, name: str, kind: str) -> list[Any]:
    """Return records in the shape that pyspf expects."""
    if kind == "TXT":
        return [(text,) for text in resolver.txt(name)]
    hosts = resolver.hosts(name, cast("HostKind", kind))
    return [(0, host) for host in hosts] if kind == "MX" else list(hosts)


def _get_validated_names(peer: IpAddress, resolver: Resolver) -> list[str]:
    """Return the names of the client that point back to it (RFC 7208 section 5.5).

    The owner of the address publishes these names. That they can't be resolved must be no excuse
    for the client, so a DNS failure counts as no name.
    """
    try:
        names = resolver.hosts(peer.reverse_pointer, "PTR")
    except DnsUnavailableError:
        return []
    return [name.lower() for name in names[:_MAX_POINTERS] if _points_back(name, peer, resolver)]


def _points_back(name: str, peer: IpAddress, resolver: Resolver) -> bool:
    try:
        addresses = resolver.hosts(name, "AAAA" if peer.version == 6 else "A")
    except DnsUnavailableError:
        return False
    return peer in map(ipaddress.ip_address, addresses)
