"""Sealed mail: an intermediary says what it saw (RFC 8617). It counts if the operator lists it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.guards.corpus_case import BANK, EVIL, FIRM, MARK, ORDER, PATH, Case, keys, letter, own
from tests.guards.corpus_signing import rsa_key, sealed

LISTS = "lists.example"
"""A mailing list's host, which a policy may list as a sealer."""
BELIEVED, UNBELIEVED = "ARC, and a good chain", "ARC, but not so"
"""How the names begin of what a policy that lists `LISTS` lets pass, and of what it does not."""
_RESULTS = "dkim=pass; dmarc=pass header.from={}"


def cases() -> Iterator[Case]:
    """Return the cases. Without a list of sealers all of them are failed."""
    for name, raw, domain in _messages():
        yield Case(name, raw, "failed", (f"policy of {domain}",), records=keys(LISTS))
    two = sealed(letter(From=f"ceo@{BANK}, x@{LISTS}"), LISTS, _RESULTS.format(BANK), rsa_key())
    says = ("more than one address",)
    yield Case(f"{UNBELIEVED}: two addresses", two, "failed", says, records=keys(LISTS))


def _messages() -> Iterator[tuple[str, bytes, str]]:
    for domain in (BANK, FIRM):
        changed = own(domain).replace(b"Subject: ", b"Subject: [talk] ", 1) + b"Footer\r\n"
        yield f"{BELIEVED} [{domain}]", _by(LISTS, changed, domain), domain
    unsigned = letter(From=f"ceo@{PATH}")
    yield f"{BELIEVED}, unsigned", _by(LISTS, unsigned, PATH), PATH
    forged = letter()
    yield f"{UNBELIEVED}: sealed by the forger", _by(EVIL, forged, BANK), BANK
    longer = _by(LISTS, letter("Hello."), BANK) + f"{ORDER}\r\n".encode()
    yield f"{UNBELIEVED}: text appended", longer, BANK
    subject = _by(LISTS, letter(), BANK).replace(b"Subject: ", f"Subject: {MARK} ".encode(), 1)
    yield f"{UNBELIEVED}: another subject", subject, BANK
    results = _by(LISTS, letter(), EVIL).replace(f"header.from={EVIL}".encode(), b"header.from=a.b")
    yield f"{UNBELIEVED}: other results", results, BANK
    failed = sealed(letter(), LISTS, _RESULTS.format(BANK), rsa_key(), cv="fail")
    yield f"{UNBELIEVED}: a chain that failed", failed, BANK
    named = _by(EVIL, letter(), BANK).replace(f"d={EVIL}".encode(), f"d={LISTS}".encode())
    yield f"{UNBELIEVED}: another sealer's name", named, BANK
    gap = _by(LISTS, letter(), BANK).replace(b" i=1; ", b" i=2; ")
    yield f"{UNBELIEVED}: a second set without a first", gap, BANK


def _by(sealer: str, raw: bytes, domain: str) -> bytes:
    return sealed(raw, sealer, _RESULTS.format(domain), rsa_key())
