"""Daily caps: how much mail one address and one organisation get without a human.

The server counts for a client's guard where it can; elsewhere the guard counts in its store.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .addresses import normalize_addresses, strip_tag
from .providers import PUBLIC_PROVIDERS
from .reasons import CAP_PER_ADDRESS, CAP_PER_ORGANISATION


class Counted(NamedTuple):
    """What a message counts for.

    Attributes:
        name: An address without its tag, or `@` and an organisational domain.
        cap: How many messages it may get.
        code: The code of a hold where it got as many.
    """

    name: str
    cap: int
    code: str


@dataclass(frozen=True, slots=True)
class DailyCaps:
    """How many messages may leave without a human within 24 hours.

    Attributes:
        per_address: To one address; `+tags` are stripped.
        per_organisation: To one organisational domain, public mail providers excepted.
        exempt: Normalized recipients without a cap.
        public_providers: Domains that are no organisation.
    """

    per_address: int
    per_organisation: int
    exempt: Collection[str] = frozenset()
    public_providers: Collection[str] = PUBLIC_PROVIDERS

    def list_counted(
        self, recipients: Iterable[str], get_organisation: Callable[[str], str]
    ) -> Iterator[Counted]:
        """Yield what a message to these recipients counts for, each once.

        Args:
            recipients: All of its recipients.
            get_organisation: Returns the organisational domain of a domain.
        """
        addresses = normalize_addresses(recipients)
        counted = sorted({strip_tag(to) for to in addresses if to not in self.exempt})
        for address in counted:
            yield Counted(address, self.per_address, CAP_PER_ADDRESS)
        for domain in sorted({get_organisation(to.rpartition("@")[2]) for to in counted}):
            if domain not in self.public_providers:
                yield Counted(f"@{domain}", self.per_organisation, CAP_PER_ORGANISATION)


_SECOND_LEVELS = frozenset(
    """
    ac asn com co ed edu go gob gouv gov gv id info ltd me mil mod ne net nhs nom or org plc police
    sch web
    """.split()  # noqa: SIM905
)


def guess_organisation(domain: str) -> str:
    """Return the domain that an organisation probably registered.

    This needs no public suffix list, which the server has. Where it is wrong, two organisations
    share one count.
    """
    labels = domain.split(".")
    is_below_country = len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS
    return ".".join(labels[-3 if is_below_country else -2 :])
