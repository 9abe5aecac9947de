"""The large providers: their hosts, what they do to mail, and the form of their own result.

A provider's result (`Authentication-Results`, RFC 8601) counts only in the form and the place that
are pinned here, and only as a failure; see `mail.auth.imap_evidence`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .account import AccountError, AccountOptions, Host

_APP_LOGIN = "an app password"


@dataclass(frozen=True, slots=True)
class Provider:
    """A mail provider.

    Attributes:
        name: As docs/connect.md calls it.
        domains: The domains of its addresses.
        imap: Where mail is read.
        smtp: Where mail is submitted.
        wants: What it takes as a password; empty where it takes none.
        authserv: The authserv-id of its own result: a pattern; empty where its result has none;
            None where no form is pinned.
        received_by: The pattern of the `by` hosts of its own `Received` fields.
        page: What to open for the password.
    """

    name: str
    domains: tuple[str, ...]
    imap: Host
    smtp: Host
    wants: str = _APP_LOGIN
    authserv: re.Pattern[str] | None = None
    received_by: re.Pattern[str] | None = None
    page: str = ""


def _build(
    name: str, domains: str, imap: str, smtp: str, smtp_port: int, **more: object
) -> Provider:
    provider = Provider(name, tuple(domains.split()), Host(imap, 993), Host(smtp, smtp_port))
    return replace(provider, **more)  # type: ignore[arg-type]


PROVIDERS = (
    _build(
        "gmail", "gmail.com googlemail.com", "imap.gmail.com", "smtp.gmail.com", 465,
        authserv=re.compile(r"mx\.google\.com"),
        received_by=re.compile(r"(?:[\w.-]+\.)?google\.com|2002:[0-9a-f:]+"),
        page="https://myaccount.google.com/apppasswords",
    ),
    _build(
        "microsoft", "outlook.com hotmail.com live.com msn.com", "outlook.office365.com",
        "smtp.office365.com", 587, wants="", authserv=re.compile(""),
        received_by=re.compile(r"[\w.-]+\.(?:outlook|office365)\.com"),
    ),
    _build(
        "fastmail", "fastmail.com fastmail.fm messagingengine.com", "imap.fastmail.com",
        "smtp.fastmail.com", 465, authserv=re.compile(r"[\w-]+\.messagingengine\.com"),
        received_by=re.compile(r"(?:[\w.-]+\.)?(?:messagingengine\.com|internal)"),
        page="https://app.fastmail.com/settings/security/apps",
    ),
    _build(
        "icloud", "icloud.com me.com mac.com", "imap.mail.me.com", "smtp.mail.me.com", 587,
        page="https://account.apple.com/account/manage",
    ),
    _build(
        "yahoo", "yahoo.com yahoo.de yahoo.co.uk ymail.com aol.com", "imap.mail.yahoo.com",
        "smtp.mail.yahoo.com", 465, page="https://login.yahoo.com/account/security",
    ),
    _build(
        "gmx", "gmx.net gmx.de gmx.at gmx.ch", "imap.gmx.net", "mail.gmx.net", 465,
        wants="your password, once IMAP is switched on in GMX's settings",
    ),
    _build(
        "web.de", "web.de", "imap.web.de", "smtp.web.de", 465,
        wants="your password, once IMAP is switched on in WEB.DE's settings",
    ),
    _build("mailbox.org", "mailbox.org", "imap.mailbox.org", "smtp.mailbox.org", 465),
    _build("posteo", "posteo.de posteo.net", "posteo.de", "posteo.de", 465,
           wants="your password"),
    _build("zoho", "zoho.com zohomail.com", "imap.zoho.com", "smtp.zoho.com", 465),
    _build("yandex", "yandex.com yandex.ru", "imap.yandex.com", "smtp.yandex.com", 465),
    _build("seznam", "seznam.cz email.cz", "imap.seznam.cz", "smtp.seznam.cz", 465,
           wants="your password"),
)  # fmt: skip


def find_provider(domain: str, imap_host: str = "") -> Provider | None:
    """Return the provider of a mail domain, or of an IMAP host; None if it is not in the table."""
    for provider in PROVIDERS:
        if domain.lower() in provider.domains or imap_host.lower() == provider.imap.name:
            return provider
    return None


def get_provider(name: str) -> Provider | None:
    """Return the provider with a name; None if there is none."""
    return next((provider for provider in PROVIDERS if provider.name == name), None)


def discover_hosts(domain: str) -> tuple[Host, Host] | None:
    """Return the IMAP and submission hosts that a domain publishes (RFC 6186, RFC 8314)."""
    imap = _look_up("_imaps._tcp", domain, 993) or _look_up("_imap._tcp", domain, 143)
    smtp = _look_up("_submissions._tcp", domain, 465) or _look_up("_submission._tcp", domain, 587)
    return (imap, smtp) if imap and smtp else None


def _look_up(service: str, domain: str, usual_port: int) -> Host | None:
    import dns.exception
    import dns.resolver

    try:
        answer = dns.resolver.resolve(f"{service}.{domain}", "SRV", lifetime=10)
    except dns.exception.DNSException:
        return None
    rows = sorted((row.priority, -row.weight, str(row.target).rstrip("."), row.port)
                  for row in answer)  # fmt: skip
    _, _, target, port = rows[0]
    if not target:  # The service is not offered (RFC 2782).
        return None
    implicit = usual_port in (465, 993)
    return Host(target, port, "required" if implicit else "starttls")


def complete_hosts(address: str, imap: Host | None, smtp: Host | None) -> AccountOptions:
    """Return the options of an address: as given, else of the table, else as its domain says.

    Raises:
        AccountError: The hosts are not known.
    """
    domain = address.rpartition("@")[2]
    provider = find_provider(domain, imap.name if imap else "")
    if provider and not (imap and smtp):
        imap, smtp = imap or provider.imap, smtp or provider.smtp
    if not (imap and smtp):
        found = discover_hosts(domain)
        if found is not None:
            imap, smtp = imap or found[0], smtp or found[1]
    if not (imap and smtp):
        raise AccountError(
            f"The mail servers of {domain} are not known. Name them: --imap HOST:PORT "
            "--smtp HOST:PORT."
        )
    return AccountOptions(imap, smtp, provider.name if provider else "")
