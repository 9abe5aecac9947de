"""SPF: whether the domain of the return path lets the client send for it (RFC 7208)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from multimail.trust.evidence import AuthResult, SpfEvidence

from .address_list import ascii_domain
from .dns import Resolver
from .smtp import SmtpEnvelope
from .spf_library import Address, check_host

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
