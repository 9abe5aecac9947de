"""DMARC records: what the domain in From asks of those who receive its mail (RFC 7489)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .alignment import organisational_domain
from .dkim_crypto import read_tags
from .dns import DnsUnavailable, Resolver

_VERSION = re.compile(rb"\s*v\s*=\s*DMARC1\s*(?:;|$)")
_POLICIES = frozenset({"none", "quarantine", "reject"})
_MAX_RECORD = 4096


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """What was found for a domain.

    Attributes:
        policy: `none`, `quarantine` or `reject`; empty for no record.
        strict_dkim: Whether alignment of DKIM must be exact; None when DNS did not say.
        strict_spf: The same for SPF.
        silence: Why DNS did not say; empty when it did.
    """

    policy: str = ""
    strict_dkim: bool | None = False
    strict_spf: bool | None = False
    silence: str = ""


def find_record(domain: str, resolver: Resolver) -> DmarcRecord:
    """Return the DMARC record for a domain in From, RFC 7489 section 6.6.3.

    The whole policy is reported even where `pct` asks to apply it to a share of the mail.

    Args:
        domain: In lower case and A-labels.
        resolver: Where to ask.
    """
    organisation = organisational_domain(domain)
    try:
        for name in dict.fromkeys((domain, organisation)):
            found = [r for r in resolver.txt(f"_dmarc.{name}") if _VERSION.match(r)]
            if len(found) > 1:
                break  # several records are none
            if found:
                return _read(found[0], subdomain=name != domain)
    except DnsUnavailable as error:
        return DmarcRecord(strict_dkim=None, strict_spf=None, silence=str(error))
    return DmarcRecord()


def _read(record: bytes, *, subdomain: bool) -> DmarcRecord:
    try:
        tags = read_tags(record[:_MAX_RECORD])
    except ValueError:
        return DmarcRecord()
    policy = tags.get("p", "").lower()
    below = tags.get("sp", policy).lower()
    if policy not in _POLICIES or below not in _POLICIES:
        policy = below = "none" if "rua" in tags else ""
    return DmarcRecord(
        policy=below if subdomain else policy,
        strict_dkim=bool(policy) and tags.get("adkim", "r").lower() == "s",
        strict_spf=bool(policy) and tags.get("aspf", "r").lower() == "s",
    )
