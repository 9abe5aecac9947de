"""SPF: whether the domain of the return path lets the client send for it (RFC 7208)."""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from multimail.trust.evidence import AuthResult, SpfEvidence

from ..addresses import ascii_domain
from ..envelope import SmtpEnvelope
from .dns import DnsUnavailable, HostKind, Resolver

_MAX_LOCAL = 64
_NOBODY = {4: "240.0.0.1", 6: "100::1"}
"""Addresses that no client can have (RFC 6890): where they may send, anybody may."""
_REASONS = {
    AuthResult.FAIL: "the domain does not let this client send for it",
    AuthResult.SOFTFAIL: "the domain says that this client should not send for it",
    AuthResult.NEUTRAL: "the domain says neither yes nor no to this client",
    AuthResult.NONE: "the domain publishes no SPF record",
    AuthResult.POLICY: "the domain lets anybody send for it",
    AuthResult.PERMERROR: "the SPF record of the domain is broken, or asks for too many look-ups",
}


@dataclass(frozen=True, slots=True)
class _Sender:
    """The identity that is checked: MAIL FROM, or HELO where that is empty (section 2.4)."""

    local: str
    domain: str


def envelope_domain(envelope: SmtpEnvelope) -> str:
    """Return the domain that SPF asks; empty where the envelope names none that is usable."""
    identity = _identity(envelope)
    return identity.domain if identity else ""


def check_envelope(
    envelope: SmtpEnvelope,
    resolver: Resolver,
    strangers: Resolver | None = None,
    *,
    aligned: bool | None,
) -> SpfEvidence | None:
    """Return what SPF says of the client that handed a message over.

    A pass that anybody would get, as by `+all`, is `policy`: such a domain vouches for nobody.

    Args:
        envelope: The SMTP envelope.
        resolver: Where records are looked up.
        strangers: Where the client's own names are looked up; None for `resolver`.
        aligned: Whether the domain is aligned with From; it is told on.

    Returns:
        None where there was no client, because the message did not come by SMTP.

    Source: RFC 7208 sections 2.4, 4 and 5.
    """
    peer, identity = _address(envelope.peer), _identity(envelope)
    if peer is None:
        return None
    if identity is None:
        reason = "the return path has no usable domain"
        return SpfEvidence(result=AuthResult.NONE, aligned=False, reason=reason)
    sender = f"{identity.local}@{identity.domain}"
    helo = ascii_domain(envelope.helo) or "unknown"

    def ask(client: str) -> tuple[AuthResult, str]:
        return check_host(sender, helo, client, resolver, strangers)

    result, silence = ask(str(peer))
    if result is AuthResult.PASS and ask(_NOBODY[peer.version])[0] is AuthResult.PASS:
        result = AuthResult.POLICY
    return SpfEvidence(
        result=result,
        domain=identity.domain,
        aligned=aligned,
        reason=_REASONS.get(result, silence),
    )


def _address(peer: str) -> Address | None:
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _identity(envelope: SmtpEnvelope) -> _Sender | None:
    if not envelope.mail_from:
        domain = ascii_domain(envelope.helo)
        return _Sender("postmaster", domain) if domain else None
    local, at, host = envelope.mail_from.rpartition("@")
    domain = ascii_domain(host)
    # A second @ would be read as the end of the local part, and another domain would be asked.
    if not at or not domain or "@" in local or len(local) > _MAX_LOCAL:
        return None
    return _Sender(local or "postmaster", domain)


with warnings.catch_warnings():
    # Newer Pythons warn of escapes in its source, each time that it is compiled.
    warnings.simplefilter("ignore")
    import spf

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_RECORD = 8192
_MAX_TERM = 512
"""pyspf's patterns take quadratic time in the length of a term."""
_MAX_POINTERS = 10


def check_host(
    sender: str, helo: str, peer: str, resolver: Resolver, strangers: Resolver | None = None
) -> tuple[AuthResult, str]:
    """Check whether `peer` may send mail from `sender`, RFC 7208 section 4.

    Args:
        sender: An address; its domain is the one that is asked.
        helo: The client's name, for macros.
        peer: The client's IP address.
        resolver: Where records are looked up.
        strangers: Where the names are looked up that the client's own network gives him.

    Returns:
        The result, and for `temperror` why DNS did not answer.
    """
    try:
        query: Any = spf.query(i=peer, s=sender, h=helo)
        silence = _connect(query, resolver, strangers or resolver)
        word: str = query.check()[0]
    except Exception:
        # pyspf raises more than its own exceptions on hostile records.
        return AuthResult.PERMERROR, ""
    result = AuthResult(word)
    return result, silence[-1] if silence and result is AuthResult.TEMPERROR else ""


def _connect(query: Any, resolver: Resolver, strangers: Resolver) -> list[str]:
    """Let a query look things up here; return the list in which it notes silence of DNS.

    Its methods are replaced one by one on the object, because its own way of choosing a resolver
    is a variable of its module, which all threads share.
    """
    silence: list[str] = []
    published: Callable[[str], str | None] = query.dns_spf

    def look_up(name: str, kind: str, cnames: object = None, ignore_void: bool = False) -> Any:
        del cnames  # the resolver follows aliases
        try:
            found = _records(resolver, name, kind)
        except DnsUnavailable as error:
            silence.append(str(error))
            raise spf.TempError(str(error)) from error
        query.void_lookups += not found and not ignore_void
        if query.void_lookups > spf.MAX_VOID_LOOKUPS:
            raise spf.PermError("too many look-ups found nothing")
        return found

    def record_of(domain: str) -> str | None:
        record = published(domain)
        if record and (len(record) > _MAX_RECORD or max(map(len, record.split(" "))) > _MAX_TERM):
            raise spf.PermError("the record is too long")
        return record

    query.dns = look_up
    query.dns_spf = record_of
    query.validated_ptrs = lambda: _validated_names(query.ipaddr, strangers)
    query.get_explanation = lambda _spec: None
    return silence


def _records(resolver: Resolver, name: str, kind: str) -> list[Any]:
    """Return records in the shape that pyspf wants."""
    if kind == "TXT":
        return [(text,) for text in resolver.txt(name)]
    hosts = resolver.hosts(name, cast("HostKind", kind))
    return [(0, host) for host in hosts] if kind == "MX" else list(hosts)


def _validated_names(peer: Address, resolver: Resolver) -> list[str]:
    """Return the names of the client that point back to it, RFC 7208 section 5.5.

    Whoever owns the address publishes these names: that they cannot be resolved must not excuse
    him, so silence of DNS counts as no name.
    """
    try:
        names = resolver.hosts(peer.reverse_pointer, "PTR")
    except DnsUnavailable:
        return []
    return [name.lower() for name in names[:_MAX_POINTERS] if _points_back(name, peer, resolver)]


def _points_back(name: str, peer: Address, resolver: Resolver) -> bool:
    try:
        found = resolver.hosts(name, "AAAA" if peer.version == 6 else "A")
    except DnsUnavailable:
        return False
    return peer in map(ipaddress.ip_address, found)
