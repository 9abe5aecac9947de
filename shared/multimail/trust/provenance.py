"""Provenance: what a message names and what it proves, as the names that a taint keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from .addresses import normalize_address
from .evidence import Authentication, AuthResult
from .labels import Label, Tier
from .providers import PUBLIC_PROVIDERS


def name_sender(address: str) -> str:
    """Return the name of the address in From of a message whose domain is authenticated."""
    return f"from:{address}"


def name_organisation(domain: str) -> str:
    """Return the name of an organisation that signed a message."""
    return f"org:{domain}"


def name_unsigned(address: str) -> str:
    """Return the name of an address in a field that the sender's signature does not cover."""
    return f"unsigned:{address}"


def name_message(email_id: str) -> str:
    """Return the name of a message that was opened."""
    return f"message:{email_id}"


def name_payment(detail: str) -> str:
    """Return the name of a payment detail that mail of others named."""
    return f"payment:{detail}"


def get_signed_fields(evidence: Authentication | None) -> frozenset[str]:
    """Return the header fields, in lower case, that an aligned signature covers entirely."""
    if evidence is None:
        return frozenset()
    passing = (dkim for dkim in evidence.dkim if dkim.result is AuthResult.PASS and dkim.aligned)
    return frozenset(name.lower() for dkim in passing for name in dkim.covers)


def get_organisation(
    evidence: Authentication | None, public_providers: Collection[str] = PUBLIC_PROVIDERS
) -> str:
    """Return the organisational domain of From; empty if unreported or a public mail provider."""
    domain = evidence.dmarc.domain.lower() if evidence is not None and evidence.dmarc else ""
    return "" if domain in public_providers else domain


def is_in_organisation(address: str, organisation: str) -> bool:
    """Return whether an address is of that organisational domain or below it."""
    domain = normalize_address(address).rpartition("@")[2]
    return bool(organisation) and (domain == organisation or domain.endswith(f".{organisation}"))


def list_names(address: str) -> Iterator[str]:
    """Yield the names under which a taint may say something about a normalized address."""
    yield from (address, name_sender(address), name_unsigned(address))
    labels = address.rpartition("@")[2].split(".")
    for start in range(max(0, len(labels) - 1)):
        yield name_organisation(".".join(labels[start:]))


def is_proven(address: str, named: Mapping[str, Tier]) -> bool:
    """Return whether a reply to an authenticated message could reach this address anyway.

    The address in its From could, and every address of the organisation that signed it: its
    domain's senders could have put any of them into From.

    Args:
        address: Normalized.
        named: Of the conversation's taint.
    """
    if named.get(name_sender(address), Tier.FAILED) <= Tier.PROVEN:
        return True
    if name_unsigned(address) in named:
        return False
    domain = address.rpartition("@")[2]
    organisations = (name.partition(":")[2] for name in named if name.startswith("org:"))
    return any(is_in_organisation(f"@{domain}", organisation) for organisation in organisations)


def build_names(
    label: Label,
    sender: str,
    organisation: str,
    unsigned: Iterable[str],
) -> Iterator[str]:
    """Yield what an inbound message proves.

    Args:
        label: Of the message.
        sender: Its From.
        organisation: The organisational domain of From (`get_organisation`).
        unsigned: Addresses of its fields that the signature does not cover.
    """
    if label in (Label.AUTHENTICATED, Label.AUTHENTICATED_PATH):
        yield name_sender(normalize_address(sender))
    if label is Label.AUTHENTICATED and organisation:
        yield name_organisation(organisation)
    yield from map(name_unsigned, map(normalize_address, unsigned))
