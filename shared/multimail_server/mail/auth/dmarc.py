"""DMARC records: what domains ask receivers of their mail to do, and where they end (RFC 9989)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .dkim_crypto import split_record
from .dns import DnsUnavailableError, Resolver

MAX_WALK_QUERIES = 8
_VERSION = re.compile(rb"\s*[vV]\s*=\s*DMARC1\s*(?:;|$)")
_REPORTING_URI = re.compile(r"(?:^|,)\s*[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_POLICIES = frozenset({"none", "quarantine", "reject"})
_ONE_STEP_LESS = {"reject": "quarantine", "quarantine": "none"}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy record (section 4.7).

    Attributes:
        domain: The domain that publishes it.
        policy: For the domain itself: `none`, `quarantine` or `reject`; empty where a policy is
            invalid and no reports are asked for, so that none applies.
        subdomain_policy: The same for subdomains that exist.
        absent_policy: The same for subdomains that don't.
        psd: `y` if the domain is a public suffix, `n` if it is an organisation's; else empty.
        strict_dkim: Whether DKIM domains must equal the one in From.
        strict_spf: The same for SPF.
    """

    domain: str
    policy: str
    subdomain_policy: str
    absent_policy: str
    psd: str
    strict_dkim: bool
    strict_spf: bool


@dataclass(frozen=True, slots=True)
class DmarcPolicy:
    """What applies to a domain in From.

    Attributes:
        policy: `none`, `quarantine` or `reject`; empty if none applies.
        is_published: Whether there is a record.
        strict_dkim: Whether DKIM domains must equal the one in From; None if DNS did not answer.
        strict_spf: The same for SPF.
        dns_failure: Why DNS did not answer; empty if it did.
    """

    policy: str = ""
    is_published: bool = False
    strict_dkim: bool | None = False
    strict_spf: bool | None = False
    dns_failure: str = ""


def look_up_policy(domain: str, resolver: Resolver) -> DmarcPolicy:
    """Return the policy for a domain in From (section 4.10.1).

    It is the record's of the domain itself, else of its organisation, else of its public suffix.
    `pct` and unknown tags are ignored; `t=y` makes a policy one step milder.

    Args:
        domain: In lower case and A-labels.
        resolver: Looks up records.
    """
    try:
        record = _find_record(domain, resolver)
    except DnsUnavailableError as error:
        return DmarcPolicy(strict_dkim=None, strict_spf=None, dns_failure=str(error))
    if record is None:
        return DmarcPolicy()
    policy = dns_failure = ""
    try:
        policy = _choose_policy(record, domain, resolver)
    except DnsUnavailableError as error:
        dns_failure = str(error)
    return DmarcPolicy(
        policy=policy,
        is_published=True,
        strict_dkim=record.strict_dkim,
        strict_spf=record.strict_spf,
        dns_failure=dns_failure,
    )


def find_organisation(domain: str, resolver: Resolver) -> str:
    """Return the organisational domain of a domain by the tree walk (section 4.10.2).

    Raises:
        DnsUnavailableError: DNS gave no answer on the way.
    """
    return _select_organisation(domain, list(_walk_tree(domain, resolver)))


def _find_record(domain: str, resolver: Resolver) -> DmarcRecord | None:
    walk = _walk_tree(domain, resolver)
    nearest = next(walk, None)
    # Without the rest of the walk where it can't matter: most mail needs a single query.
    if nearest is None or nearest.domain == domain:
        return nearest
    records = [nearest, *walk]
    organisation = _select_organisation(domain, records)
    # A public suffix ends the walk, so that it is the last.
    return next((record for record in records if record.domain == organisation), records[-1])


def _choose_policy(record: DmarcRecord, domain: str, resolver: Resolver) -> str:
    if record.domain == domain:
        return record.policy
    if record.absent_policy != record.subdomain_policy and not resolver.exists(domain):
        return record.absent_policy
    return record.subdomain_policy


def _select_organisation(domain: str, records: list[DmarcRecord]) -> str:
    """Return the organisational domain, given the records on the way up from `domain`."""
    if not records:
        return domain
    last = records[-1].domain
    if records[-1].psd == "y" and last != domain:
        return ".".join(domain.split(".")[-last.count(".") - 2 :])
    return last


def _walk_tree(domain: str, resolver: Resolver) -> Iterator[DmarcRecord]:
    """Yield the records from `domain` upward, with at most 8 queries (section 4.10)."""
    labels = domain.split(".")
    shorter = labels[1:][-(MAX_WALK_QUERIES - 1) :]
    for name in (domain, *(".".join(shorter[start:]) for start in range(len(shorter)))):
        texts = [text for text in resolver.txt(f"_dmarc.{name}") if is_dmarc_record(text)]
        if len(texts) != 1:
            continue  # several records are none
        record = _parse_record(name, texts[0])
        yield record
        if record.psd:
            return


def is_dmarc_record(text: bytes) -> bool:
    """Return whether a TXT record is a DMARC record: its first tag is exactly `v=DMARC1`."""
    return _VERSION.match(text) is not None


def _parse_record(domain: str, text: bytes) -> DmarcRecord:
    tags: dict[str, set[str]] = {}
    for name, value in split_record(text):
        tags.setdefault(name.lower(), set()).add(value.lower())
    policy, subdomain_policy, absent_policy = _read_policies(tags)
    psd = _get_value(tags, "psd")
    return DmarcRecord(
        domain=domain,
        policy=policy,
        subdomain_policy=subdomain_policy,
        absent_policy=absent_policy,
        psd=psd if psd in {"y", "n"} else "",
        # Said once is said: a restriction is not lost to a tag that contradicts it.
        strict_dkim="s" in tags.get("adkim", ()),
        strict_spf="s" in tags.get("aspf", ()),
    )


def _read_policies(tags: dict[str, set[str]]) -> tuple[str, str, str]:
    policy = _get_value(tags, "p")
    subdomain_policy = _get_value(tags, "sp", policy)
    absent_policy = _get_value(tags, "np", subdomain_policy)
    policies = policy, subdomain_policy, absent_policy
    if not _POLICIES.issuperset(policies):
        # Section 4.10.1: reports are wanted, so the owner takes part.
        wants_reports = any(map(_REPORTING_URI.search, tags.get("rua", ())))
        return ("none", "none", "none") if wants_reports else ("", "", "")
    if _get_value(tags, "t") == "y":
        policy, subdomain_policy, absent_policy = (
            _ONE_STEP_LESS.get(step, step) for step in policies
        )
    return policy, subdomain_policy, absent_policy


def _get_value(tags: dict[str, set[str]], name: str, default: str = "") -> str:
    """Return a tag's value: the default without one, empty if it has several."""
    values = tags.get(name)
    if values is None:
        return default
    return next(iter(values)) if len(values) == 1 else ""
