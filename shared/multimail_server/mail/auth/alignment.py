"""Alignment: which domains belong together, by the public suffix list (RFC 7489 section 3.1)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@cache
def _list() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    # Bundled with the library; its private section keeps tenants of github.io apart.
    return PublicSuffixList()


def organisational_domain(domain: str) -> str:
    """Return the domain that one organisation registered; `domain` itself if it is a suffix."""
    found = _list().privatesuffix(domain)
    return found if isinstance(found, str) and found else domain


def is_public_suffix(domain: str) -> bool:
    """Return whether anybody may register names directly under `domain`."""
    return _list().privatesuffix(domain) is None


def is_aligned(domain: str, sender: str, *, strict: bool | None) -> bool | None:
    """Return whether `domain` speaks for `sender`, the domain in From.

    Args:
        domain: Whom a signature or an SPF pass vouches for; lower case, A-labels.
        sender: The domain in From, likewise.
        strict: Whether the sender demands equality; None when DNS did not say.

    Returns:
        None where it depends on what DNS did not say.
    """
    if not sender:
        return False
    if domain == sender:
        return True
    if strict or organisational_domain(domain) != organisational_domain(sender):
        return False
    return None if strict is None else True
