"""Domain alignment by the public suffix list (RFC 7489 section 3.1)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@cache
def _get_public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    # Bundled with the library; its private section keeps tenants of github.io apart.
    return PublicSuffixList()


def get_organisational_domain(domain: str) -> str:
    """Return the domain that one organisation registered; `domain` itself if it is a suffix."""
    registered = _get_public_suffixes().privatesuffix(domain)
    return registered if isinstance(registered, str) and registered else domain


def is_public_suffix(domain: str) -> bool:
    """Return whether anyone can register names directly under `domain`."""
    return _get_public_suffixes().privatesuffix(domain) is None


def is_aligned(domain: str, sender: str, *, strict: bool | None) -> bool | None:
    """Return whether `domain` speaks for `sender`, the domain in From.

    Args:
        domain: The domain of a DKIM signature or of the return path; lower case, A-labels.
        sender: The domain in From, likewise.
        strict: Whether the sender's policy demands equality; None if DNS did not answer.

    Returns:
        None if it depends on the policy for which DNS did not answer.
    """
    if not sender:
        return False
    if domain == sender:
        return True
    if strict or get_organisational_domain(domain) != get_organisational_domain(sender):
        return False
    return None if strict is None else True
