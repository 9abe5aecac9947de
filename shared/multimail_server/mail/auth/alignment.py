"""Domain alignment: whether one domain speaks for another (RFC 9989 section 4.4).

Where the domain in From publishes no DMARC record, the public suffix list says where its
organisation ends. Where it does, the list and the tree walk must both say so: the list knows
tenants that publish nothing, and the walk suffixes that are on no list.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from multimail.trust.evidence import AuthResult

from .dmarc import DmarcPolicy, find_organisation
from .dns import DnsUnavailableError, Resolver

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


@cache
def _get_public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList

    # Bundled with the library; its private section keeps tenants of github.io apart.
    return PublicSuffixList()


def get_registered_domain(domain: str) -> str:
    """Return the domain that one organisation registered; `domain` itself if it is a suffix."""
    registered = _get_public_suffixes().privatesuffix(domain)
    return registered if isinstance(registered, str) and registered else domain


def is_public_suffix(domain: str) -> bool:
    """Return whether anyone can register names directly under `domain`."""
    return _get_public_suffixes().privatesuffix(domain) is None


class Alignment:
    """Whether domains speak for the domain in From.

    Args:
        sender: The domain in From, in lower case and A-labels.
        policy: Its policy.
        resolver: Looks up records.
    """

    def __init__(self, sender: str, policy: DmarcPolicy, resolver: Resolver) -> None:
        self._sender = sender
        self._policy = policy
        self._resolver = resolver

    def is_possible(self, domain: str, *, strict: bool | None) -> bool | None:
        """Return whether a domain is aligned, as far as the list and the policy say.

        Args:
            domain: Of a DKIM signature or of the return path; lower case, A-labels.
            strict: Whether the policy demands equality; None if DNS did not answer.

        Returns:
            None if it depends on the policy for which DNS did not answer.
        """
        if domain == self._sender:
            return True
        if strict or get_registered_domain(domain) != get_registered_domain(self._sender):
            return False
        return None if strict is None else True

    def confirm(self, domain: str, possible: bool | None, result: AuthResult) -> bool | None:
        """Return whether a domain is aligned, now that its method has a result.

        The tree walk is only asked about domains that passed, or that could not be checked: a
        message chooses whose name servers it asks.

        Args:
            domain: The domain.
            possible: What `is_possible` said.
            result: Of the domain's signature or SPF check.

        Returns:
            None if DNS did not answer.
        """
        matters = result in (AuthResult.PASS, AuthResult.TEMPERROR)
        if not possible or not matters or not self._policy.is_published or domain == self._sender:
            return possible
        try:
            organisation = find_organisation(self._sender, self._resolver)
            if not f".{domain}".endswith(f".{organisation}"):
                return False
            return find_organisation(domain, self._resolver) == organisation
        except DnsUnavailableError:
            return None

    def get_organisation(self) -> str:
        """Return the organisational domain of From: the narrower of the list's and the walk's.

        Where DNS did not answer, it is the domain in From itself.
        """
        registered = get_registered_domain(self._sender)
        if not self._policy.is_published:
            return self._sender if self._policy.dns_failure else registered
        try:
            return max(registered, find_organisation(self._sender, self._resolver), key=len)
        except DnsUnavailableError:
            return self._sender
