"""DMARC policies: what the domain in From asks receivers of its mail to do (RFC 7489)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .alignment import get_organisational_domain
from .dkim_crypto import parse_tag_list
from .dns import DnsUnavailableError, Resolver

_VERSION = re.compile(rb"\s*v\s*=\s*DMARC1\s*(?:;|$)")
_POLICIES = frozenset({"none", "quarantine", "reject"})
_MAX_RECORD = 4096


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """The policy of a domain.

    Attributes:
        policy: `none`, `quarantine` or `reject`; empty if there is no record.
        strict_dkim: Whether DKIM domains must equal the one in From; None if DNS did not answer.
        strict_spf: The same for SPF.
        dns_failure: Why DNS did not answer; empty if it did.
    """

    policy: str = ""
    strict_dkim: bool | None = False
    strict_spf: bool | None = False
    dns_failure: str = ""


def look_up_policy(domain: str, resolver: Resolver) -> DmarcRecord:
    """Return the DMARC record for a domain in From (RFC 7489 section 6.6.3).

    The whole policy is reported even where `pct` asks to apply it to a share of the mail.

    Args:
        domain: In lower case and A-labels.
        resolver: Looks up the record.
    """
    organisation = get_organisational_domain(domain)
    try:
        for name in dict.fromkeys((domain, organisation)):
            records = [text for text in resolver.txt(f"_dmarc.{name}") if _VERSION.match(text)]
            if len(records) > 1:
                break  # section 6.6.3: several records count as none
            if records:
                return _parse_record(records[0], is_subdomain=name != domain)
    except DnsUnavailableError as error:
        return DmarcRecord(strict_dkim=None, strict_spf=None, dns_failure=str(error))
    return DmarcRecord()


def _parse_record(record: bytes, *, is_subdomain: bool) -> DmarcRecord:
    try:
        tags = parse_tag_list(record[:_MAX_RECORD])
    except ValueError:
        return DmarcRecord()
    policy = tags.get("p", "").lower()
    subdomain_policy = tags.get("sp", policy).lower()
    if policy not in _POLICIES or subdomain_policy not in _POLICIES:
        policy = subdomain_policy = "none" if "rua" in tags else ""
    return DmarcRecord(
        policy=subdomain_policy if is_subdomain else policy,
        strict_dkim=bool(policy) and tags.get("adkim", "r").lower() == "s",
        strict_spf=bool(policy) and tags.get("aspf", "r").lower() == "s",
    )
