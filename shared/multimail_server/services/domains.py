"""Custom domains: their DKIM keys, the DNS records to publish, and verification."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from multimail.trust.addresses import ascii_domain

from ..auth import Principal, require_account_wide
from ..config import LOOPBACK_HOSTS
from ..errors import conflict, invalid, not_found
from ..mail.auth.alignment import is_public_suffix
from ..store.protocol import Reader, Tx
from ..store.records import Domain
from .context import AppContext

if TYPE_CHECKING:
    from ..mail.auth.dns import Resolver

FOUND, OTHER, MISSING, UNKNOWN = "found", "other", "missing", "unknown"


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A DNS record to publish, with its status at the last check.

    Attributes:
        purpose: dkim_rsa, dkim_ed25519, spf, dmarc or mx.
        kind: TXT or MX.
        name: Its owner name, absolute, without the final dot.
        value: The value to publish.
        required: Whether verification needs it.
        status: found, other (another value is published), missing, or unknown.
    """

    purpose: str
    kind: str
    name: str
    value: str
    required: bool
    status: str


def build_dns_records(context: AppContext, domain: Domain) -> list[DnsRecord]:
    """Return the DNS records that a domain should publish."""
    name, keys = domain.name, f"_domainkey.{domain.name}"
    relay = "" if context.relay_host in (None, *LOOPBACK_HOSTS) else f" a:{context.relay_host}"
    rows = (
        ("dkim_rsa", "TXT", f"{domain.selector}r.{keys}", domain.rsa_record, True),
        ("dkim_ed25519", "TXT", f"{domain.selector}e.{keys}", domain.ed25519_record, False),
        ("spf", "TXT", name, f"v=spf1 mx{relay} ~all", False),
        ("dmarc", "TXT", f"_dmarc.{name}", "v=DMARC1; p=quarantine", False),
        ("mx", "MX", name, f"10 {_mail_host(context)}", False),
    )
    return [DnsRecord(*row, status=domain.seen.get(row[0], UNKNOWN)) for row in rows]


def require_mailbox_domain(tx: Reader, context: AppContext, account_id: str, name: str) -> None:
    """Require that an account can have mailboxes in a domain.

    Raises:
        ApiError: The domain is unknown (400) or not verified (409).
    """
    if name == context.domain:
        return
    domain = tx.domain_by_name(name)
    if domain is None or domain.account_id != account_id:
        raise invalid(
            f"`address` is in {name[:80]}, which is neither {context.domain} nor one of your "
            "domains. Add it with POST /v1/domains.",
            "unknown_domain",
        )
    if domain.verified_at is None:
        raise conflict(
            "domain_not_verified",
            f"{name} is not verified. Publish its DNS records, then call POST "
            f"/v1/domains/{domain.id}/verify.",
        )


class DomainService:
    """API: /v1/domains."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def list_domains(self, principal: Principal) -> list[Domain]:
        """Return the account's domains, oldest first."""
        return self._context.store.read(lambda tx: tx.domains(principal.account_id))

    def get(self, principal: Principal, id_or_name: str) -> Domain:
        """Return a domain by id or name."""
        return self._context.store.read(lambda tx: _find(tx, principal, id_or_name))

    def add(self, principal: Principal, name: str) -> Domain:
        """Add an unverified domain with a new RSA 2048 and a new Ed25519 key.

        Raises:
            ApiError: It is not a registrable domain (400), or is taken (409).
        """
        require_account_wide(principal)
        host = ascii_domain(name)
        if host is None or "." not in host or is_public_suffix(host):
            raise invalid(f"`domain` {name[:80]!r} is not a domain like example.com.")
        if self._context.store.read(lambda tx: tx.domain_by_name(host)) is not None:
            raise _taken(host)
        domain = self._build_domain(principal, host)

        def work(tx: Tx) -> Domain:
            if tx.domain_by_name(host) is not None:
                raise _taken(host)
            tx.put(domain)
            self._context.audit(tx, principal, "domain.create", ("domain", domain.id), domain=host)
            return domain

        return self._context.write(work)

    def verify(self, principal: Principal, id_or_name: str) -> Domain:
        """Look up every record and store its status.

        A domain is verified while DNS publishes its RSA key, which only its owner can do. A failed
        lookup changes nothing.
        """
        domain, context = self.get(principal, id_or_name), self._context
        statuses = {
            record.purpose: _look_up(context.resolver, record)
            for record in build_dns_records(context, domain)
        }

        def work(tx: Tx) -> Domain:
            current, now, seen = _find(tx, principal, domain.id), context.now(), dict(statuses)
            verified = current.verified_at
            if seen["dkim_rsa"] == UNKNOWN:
                seen["dkim_rsa"] = current.seen.get("dkim_rsa", UNKNOWN)
            else:
                verified = (verified or now) if seen["dkim_rsa"] == FOUND else None
            checked = replace(current, seen=seen, checked_at=now, verified_at=verified)
            tx.put(checked)
            resource = ("domain", current.id)
            context.audit(tx, principal, "domain.verify", resource, verified=verified is not None)
            return checked

        return context.write(work)

    def remove(self, principal: Principal, id_or_name: str) -> Domain:
        """Remove a domain and its keys.

        Raises:
            ApiError: It still has a mailbox (409).
        """
        require_account_wide(principal)

        def work(tx: Tx) -> Domain:
            domain = _find(tx, principal, id_or_name)
            used_by = [box for box in tx.mailboxes(principal.account_id)
                      if box.address.endswith(f"@{domain.name}")]  # fmt: skip
            if used_by and domain.name != self._context.domain:
                raise conflict(
                    "domain_in_use",
                    f"{domain.name} has {len(used_by)} mailboxes, such as {used_by[0].address}. "
                    "Delete them first.",
                )
            tx.remove_domain(domain.id)
            resource = ("domain", domain.id)
            self._context.audit(tx, principal, "domain.delete", resource, domain=domain.name)
            return domain

        return self._context.write(work)

    def _build_domain(self, principal: Principal, host: str) -> Domain:
        from ..mail.signing import generate_key, generate_rsa_key

        (rsa_key, rsa_record), (ed_key, ed_record) = generate_rsa_key(), generate_key()
        return Domain(
            id=self._context.ids.new("dom"),
            account_id=principal.account_id,
            name=host,
            selector=f"mm{secrets.token_hex(4)}",
            rsa_key=rsa_key.decode("ascii"),
            rsa_record=rsa_record,
            ed25519_key=ed_key.decode("ascii"),
            ed25519_record=ed_record,
            created_at=self._context.now(),
        )


def _look_up(resolver: Resolver, record: DnsRecord) -> str:
    from ..mail.auth.dns import DnsUnavailableError

    try:
        if record.kind == "MX":
            return _get_status(resolver.hosts(record.name, "MX"), _same_host(record.value))
        published = [text.decode("utf-8", "replace") for text in resolver.txt(record.name)]
    except DnsUnavailableError:
        return UNKNOWN
    if record.purpose.startswith("dkim"):
        return _get_status(published, _same_key(record.value))
    version = record.value.replace(";", " ").split()[0].lower()
    ours = [text for text in published if text.lower().startswith(version)]
    # Any DMARC policy is accepted; SPF must be the proposed one to cover the relay.
    return _get_status(ours, lambda text: record.purpose == "dmarc" or text == record.value)


def _get_status(published: list[str], is_expected: Callable[[str], bool]) -> str:
    if any(map(is_expected, published)):
        return FOUND
    return OTHER if published else MISSING


def _same_host(value: str) -> Callable[[str], bool]:
    expected = value.partition(" ")[2].lower()
    return lambda host: host.lower() == expected


def _same_key(value: str) -> Callable[[str], bool]:
    from ..mail.auth.dkim_crypto import parse_tag_list

    expected = parse_tag_list(value.encode())

    def is_expected(text: str) -> bool:
        try:
            tags = parse_tag_list(text.encode("utf-8", "replace"))
        except ValueError:
            return False
        key = "".join(tags.get("p", "").split())
        usable = "y" not in tags.get("t", "") and tags.get("k", "rsa") == expected["k"]
        return usable and key == expected["p"]

    return is_expected


def _mail_host(context: AppContext) -> str:
    host = urlsplit(context.outbound_headers.public_url).hostname or ""
    named = ascii_domain(host) is not None and not host.replace(".", "").isdigit()
    return host if named and host not in LOOPBACK_HOSTS else f"mail.{context.domain}"


def _find(tx: Reader, principal: Principal, id_or_name: str) -> Domain:
    by_name = "." in id_or_name
    domain = tx.domain_by_name(id_or_name.lower()) if by_name else tx.domain(id_or_name)
    if domain is None or domain.account_id != principal.account_id:
        raise not_found("domain", id_or_name)
    return domain


def _taken(host: str) -> Exception:
    return conflict("domain_taken", f"{host} was already added to this server.")
