"""Domains: names of one's own, whose mail is signed once DNS publishes the keys made here."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import conflict, forbidden, invalid, not_found
from ..mail.addresses import ascii_domain
from ..mail.auth.alignment import is_public_suffix
from ..store.protocol import Reader, Tx
from ..store.records import Domain
from .context import AppContext, Principal

if TYPE_CHECKING:
    from ..mail.auth.dns import Resolver

FOUND, OTHER, MISSING, UNKNOWN = "found", "other", "missing", "unknown"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish, and what DNS showed at the last check.

    Attributes:
        purpose: dkim_rsa, dkim_ed25519, spf, dmarc or mx.
        kind: TXT or MX.
        name: Its owner, absolute, without the last dot.
        value: What to publish.
        required: Whether the domain is unverified without it.
        status: found, other (something else stands there), missing, or unknown.
    """

    purpose: str
    kind: str
    name: str
    value: str
    required: bool
    status: str


def build_dns_records(context: AppContext, domain: Domain) -> list[DnsRecord]:
    """Return the records that a domain should publish."""
    name, keys = domain.name, f"_domainkey.{domain.name}"
    relay = "" if context.relay_host in (None, *_LOOPBACK) else f" a:{context.relay_host}"
    rows = (
        ("dkim_rsa", "TXT", f"{domain.selector}r.{keys}", domain.rsa_record, True),
        ("dkim_ed25519", "TXT", f"{domain.selector}e.{keys}", domain.ed25519_record, False),
        ("spf", "TXT", name, f"v=spf1 mx{relay} ~all", False),
        ("dmarc", "TXT", f"_dmarc.{name}", "v=DMARC1; p=quarantine", False),
        ("mx", "MX", name, f"10 {_mail_host(context)}", False),
    )
    return [DnsRecord(*row, status=domain.seen.get(row[0], UNKNOWN)) for row in rows]


def check_mailbox_domain(tx: Reader, context: AppContext, account_id: str, name: str) -> None:
    """Raise unless an account may have mailboxes in a domain.

    Raises:
        ApiError: It is not this server's (400), or not verified yet (409).
    """
    if name == context.domain:
        return
    domain = tx.domain_by_name(name)
    if domain is None or domain.account_id != account_id:
        raise invalid(
            f"`address` is in {name[:80]}, which is neither this server's domain, "
            f"{context.domain}, nor one of yours. Add it with POST /v1/domains.",
            "unknown_domain",
        )
    if domain.verified_at is None:
        raise conflict(
            "domain_not_verified",
            f"{name} is not verified yet: publish its DNS records, then call POST "
            f"/v1/domains/{domain.id}/verify.",
        )


class DomainService:
    """API: /v1/domains."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def all(self, principal: Principal) -> list[Domain]:
        """Return the account's domains, oldest first."""
        return self._context.store.read(lambda tx: tx.domains(principal.account_id))

    def get(self, principal: Principal, which: str) -> Domain:
        """Return one domain, by id or name."""
        return self._context.store.read(lambda tx: _find(tx, principal, which))

    def add(self, principal: Principal, name: str) -> Domain:
        """Add a domain with new keys, RSA of 2048 bits and Ed25519; verify it afterwards.

        Raises:
            ApiError: It is no domain that can be registered (400), or is taken (409).
        """
        _account_wide(principal)
        host = ascii_domain(name)
        if host is None or "." not in host or is_public_suffix(host):
            raise invalid(f"`domain` {name[:80]!r} is not a domain like example.com.")
        if self._context.store.read(lambda tx: tx.domain_by_name(host)) is not None:
            raise _taken(host)
        domain = self._made(principal, host)

        def work(tx: Tx) -> Domain:
            if tx.domain_by_name(host) is not None:
                raise _taken(host)
            tx.put_domain(domain)
            self._context.audit(tx, principal, "domain.create", ("domain", domain.id), domain=host)
            return domain

        return self._context.write(work)

    def verify(self, principal: Principal, which: str) -> Domain:
        """Look every record up and keep what was seen.

        The domain is verified when DNS publishes its RSA key, which only its owner can have put
        there. It stops being verified when that is gone, but not when DNS does not answer.
        """
        domain, context = self.get(principal, which), self._context
        found = {
            record.purpose: _look(context.resolver, record)
            for record in build_dns_records(context, domain)
        }

        def work(tx: Tx) -> Domain:
            current, now, seen = _find(tx, principal, domain.id), context.now(), dict(found)
            verified = current.verified_at
            if seen["dkim_rsa"] == UNKNOWN:
                seen["dkim_rsa"] = current.seen.get("dkim_rsa", UNKNOWN)
            else:
                verified = (verified or now) if seen["dkim_rsa"] == FOUND else None
            checked = replace(current, seen=seen, checked_at=now, verified_at=verified)
            tx.put_domain(checked)
            about = ("domain", current.id)
            context.audit(tx, principal, "domain.verify", about, verified=verified is not None)
            return checked

        return context.write(work)

    def remove(self, principal: Principal, which: str) -> Domain:
        """Forget a domain and its keys.

        Raises:
            ApiError: A mailbox is still in it (409).
        """
        _account_wide(principal)

        def work(tx: Tx) -> Domain:
            domain = _find(tx, principal, which)
            mine = self._context.domain
            inside = [box for box in tx.mailboxes(principal.account_id)
                      if box.address.endswith(f"@{domain.name}")]  # fmt: skip
            if inside and domain.name != mine:
                raise conflict(
                    "domain_in_use",
                    f"{domain.name} has {len(inside)} mailboxes, such as {inside[0].address}. "
                    "Delete them first.",
                )
            tx.remove_domain(domain.id)
            about = ("domain", domain.id)
            self._context.audit(tx, principal, "domain.delete", about, domain=domain.name)
            return domain

        return self._context.write(work)

    def _made(self, principal: Principal, host: str) -> Domain:
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


def _look(resolver: Resolver, record: DnsRecord) -> str:
    from ..mail.auth.dns import DnsUnavailable

    try:
        if record.kind == "MX":
            return _judged(resolver.hosts(record.name, "MX"), _same_host(record.value))
        found = [text.decode("utf-8", "replace") for text in resolver.txt(record.name)]
    except DnsUnavailable:
        return UNKNOWN
    if record.purpose.startswith("dkim"):
        return _judged(found, _same_key(record.value))
    version = record.value.replace(";", " ").split()[0].lower()
    ours = [text for text in found if text.lower().startswith(version)]
    # A policy of one's own is as good as the one proposed; SPF must name who really sends.
    return _judged(ours, lambda text: record.purpose == "dmarc" or text == record.value)


def _judged(found: list[str], is_right: Callable[[str], bool]) -> str:
    if any(map(is_right, found)):
        return FOUND
    return OTHER if found else MISSING


def _same_host(value: str) -> Callable[[str], bool]:
    wanted = value.partition(" ")[2].lower()
    return lambda host: host.lower() == wanted


def _same_key(value: str) -> Callable[[str], bool]:
    from ..mail.auth.dkim_crypto import read_tags

    wanted = read_tags(value.encode())

    def is_right(text: str) -> bool:
        try:
            tags = read_tags(text.encode("utf-8", "replace"))
        except ValueError:
            return False
        key = "".join(tags.get("p", "").split())
        usable = "y" not in tags.get("t", "") and tags.get("k", "rsa") == wanted["k"]
        return usable and key == wanted["p"]

    return is_right


def _mail_host(context: AppContext) -> str:
    host = urlsplit(context.outbound_headers.public_url).hostname or ""
    named = ascii_domain(host) is not None and not host.replace(".", "").isdigit()
    return host if named and host not in _LOOPBACK else f"mail.{context.domain}"


def _find(tx: Reader, principal: Principal, which: str) -> Domain:
    found = tx.domain_by_name(which.lower()) if "." in which else tx.domain(which)
    if found is None or found.account_id != principal.account_id:
        raise not_found("domain", which)
    return found


def _taken(host: str) -> Exception:
    return conflict("domain_taken", f"{host} has been added to this server already.")


def _account_wide(principal: Principal) -> None:
    if principal.mailbox_id is not None:
        raise forbidden("bound_key", "This key belongs to one mailbox; domains are the account's.")
