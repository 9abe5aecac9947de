"""Honest mail: what people and their programs send every day. None of it is a forgery."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.guards.corpus_case import (
    BANK,
    CLUB,
    FIRM,
    PATH,
    SHOP,
    Case,
    Record,
    keys,
    letter,
    multipart,
    own,
    part,
)
from tests.guards.corpus_signing import ED25519, rsa_key, signature, signed

_SERVICE = "service.example"
"""A sender for others: it signs what it sends with its own name too."""
HELLO = "Hello,\r\n\r\nshall we meet at noon?\r\n\r\nAnn"
ANN = f"ann@{BANK}"
_FORMS = ("relaxed/relaxed", "simple/simple", "relaxed/simple", "simple/relaxed", "relaxed")


def good(name: str, raw: bytes, domain: str = BANK, *shows: str, **more: Any) -> Case:
    """Return a case that its domain has signed."""
    says = (f"signed by {domain}",)
    return Case(name, raw, "authenticated", says, shows, hostile=False, **more)


def plain(name: str, raw: bytes, says: str, *shows: str, **more: Any) -> Case:
    """Return a case without authentication."""
    return Case(name, raw, "unauthenticated", (says,), shows, hostile=False, **more)


def ann(body: str | bytes = HELLO, **fields: str | bytes | None) -> bytes:
    """Return a letter of Ann's at the bank, signed well."""
    return own(BANK, body, **{"From": ANN, **fields})


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _signatures()
    yield from _several()
    yield from _lists()
    yield from _unsigned()
    yield from _keys()


def _signatures() -> Iterator[Case]:
    raw = letter(HELLO, From=ANN)
    for selector, key in (("s1", ED25519), ("r1", rsa_key())):
        for c in _FORMS:
            message = signed(raw, BANK, selector=selector, key=key, c=c)
            yield good(f"signed with {key.kind}, {c}", message, BANK, "at noon", sender=ANN)
    yield good("signed, c= left out", signed(raw, BANK, c="simple/simple", tags={"c": ""}))
    more = {
        "i": f"ann@mail.{BANK}",
        "q": "dns/txt",
        "t": "1700000000",
        "x": "4102444800",
        "z": "From:a",
    }
    yield good("signed, with every tag", signed(raw, BANK, tags=more))
    few = ["mime-version", "references", "from", "date", "message-id", "subject", "to", "reply-to"]
    yield good("signed as Workspace does", signed(raw, BANK, headers=few))
    kind, body = multipart("alternative", part("Hello."), part("<p>Hello.</p>", "text/html"))
    two = signed(letter(body, From=ANN, Content_Type=kind), BANK, headers=few)
    yield good("signed as Workspace does, two forms", two, BANK, "Hello.")
    exchange = ["From", "Date", "Subject", "Message-ID", "Content-Type", "MIME-Version"]
    yield good("signed as Exchange does", signed(raw, BANK, headers=exchange))
    folded = signature(raw, BANK).replace(b"; bh=", b";\r\n\tbh=")
    for odd in (f"Ann: {ANN};", f'"Ann <{ANN}>', f"Ann <{ANN}", f"ann @{BANK}", f"({ANN})"):
        yield good(f"a From of one address, {odd}", own(BANK, HELLO, From=odd), sender=ANN)
    coded = letter(base64.b64encode(HELLO.encode()), From=ANN, Content_Transfer_Encoding="base64")
    yield good("signed as Workspace does, base64", signed(coded, BANK, headers=few), BANK, "noon")
    relaxed = signed(raw, BANK).replace(b"DKIM-Signature: ", b"dkim-signature:  ", 1)
    yield good("signed, the field's name in lower case", relaxed)
    yield good("signed, and folded on the way", folded + raw)


def _several() -> Iterator[Case]:
    raw = letter(HELLO, From=ANN)
    esp = keys(_SERVICE)
    rsa = signature(raw, BANK, selector="r1", key=rsa_key())
    yield good("two kinds of signature", rsa + signed(raw, BANK))
    yield good("a service's beside it", signature(raw, _SERVICE) + signed(raw, BANK), records=esp)
    yield good("a service's below it", signature(raw, BANK) + signed(raw, _SERVICE), records=esp)
    old = signature(letter("An older text.", From=ANN), BANK, selector="r1", key=rsa_key())
    yield good("a broken one above", old + signed(raw, BANK))
    gone = signature(raw, BANK, selector="retired")
    eight = b"".join(signature(raw, _SERVICE) for _ in range(8))
    yield good("eight of a service's above it", eight + signed(raw, BANK), records=esp)
    yield good("one whose key has retired", gone + signed(raw, BANK))
    sub = f"news.{BANK}"
    yield good("a subdomain signs", signed(raw, sub), sub, records=keys(sub))
    below = signed(letter(HELLO, From=f"ann@{sub}"), BANK)
    yield good("the domain above signs", below, BANK, sender=f"ann@{sub}")
    for name, domain in (("none", SHOP), ("no record", CLUB)):
        only = signed(letter(HELLO, From=f"ann@{domain}"), _SERVICE)
        reasons = f"signed by {_SERVICE}"
        yield plain(f"only a service signs, policy {name}", only, reasons, "at noon", records=esp)


_TALK = "<talk.lists.example>"


def _lists() -> Iterator[Case]:
    for name, domain in (("none", SHOP), ("no record", CLUB)):
        raw = own(domain, HELLO, Subject="Noon")
        passed = raw.replace(b"Subject: Noon", b"Subject: [talk] Noon")
        top = f"List-Id: {_TALK}\r\nPrecedence: list\r\n".encode()
        footer = top + passed + b"_______________\r\ntalk mailing list\r\n"
        broken = f"signature of {domain}: fail"
        yield plain(f"a list that adds a footer, policy {name}", footer, broken, "at noon")
    yield good("a list that changes nothing", f"List-Id: {_TALK}\r\n".encode() + ann())
    munged = signed(
        letter(HELLO, From='"Ann via talk" <talk@lists.example>', Reply_To=ANN, List_Id=_TALK),
        "lists.example",
    )
    yield good(
        "a list that writes itself into From",
        munged,
        "lists.example",
        records=keys("lists.example"),
        sender="talk@lists.example",
    )
    yield good(
        "passed on by a server", b"Delivered-To: a@b.example\r\n" + ann(), mail_from="x@b.example"
    )


# Records of keys as domains publish them; `{}` is the key.
_RECORDS = {
    "without a version": "k=ed25519; p={}",
    "with notes": "v=DKIM1; k=ed25519; n=our key; p={}",
    "with blanks": "v=DKIM1 ; k = ed25519 ; p = {} ; ",
    "exact": "v=DKIM1; k=ed25519; t=s; p={}",
    "for mail": "v=DKIM1; k=ed25519; s=email; h=sha256; p={}",
    "of an old granularity": "v=DKIM1; k=ed25519; g=*; p={}",
}


def _keys() -> Iterator[Case]:
    raw = letter(HELLO, From=f"ann@{FIRM}")
    public = ED25519.record.rpartition("p=")[2]
    for number, (name, record) in enumerate(_RECORDS.items()):
        at = f"k{number}._domainkey.{FIRM}"
        yield good(
            f"a key {name}",
            signed(raw, FIRM, selector=f"k{number}"),
            FIRM,
            records=((at, record.format(public)),),
        )
    alias: tuple[Record, ...] = (f"alias._domainkey.{FIRM}. IN CNAME s1._domainkey.{FIRM}.",)
    yield good("a key behind an alias", signed(raw, FIRM, selector="alias"), FIRM, records=alias)
    long = rsa_key(2048)
    two: tuple[Record, ...] = ((f"long._domainkey.{FIRM}", long.record),)
    yield good(
        "an RSA key of 2,048 bits", signed(raw, FIRM, selector="long", key=long), FIRM, records=two
    )
    beside: tuple[Record, ...] = (
        (f"wild._domainkey.{FIRM}", "v=spf1 -all"),
        (f"wild._domainkey.{FIRM}", ED25519.record),
    )
    yield good(
        "a record of another kind beside it",
        signed(raw, FIRM, selector="wild"),
        FIRM,
        records=beside,
    )


def _unsigned() -> Iterator[Case]:
    unsigned = letter(HELLO, From=f"ann@{CLUB}")
    yield plain("unsigned, no policy", unsigned, "no signature", "at noon")
    sender = f"ann@{PATH}"
    routed = plain("by its own route", letter(HELLO, From=sender), f"SPF pass for {PATH}")
    yield replace(routed, label="authenticated_path", mail_from=sender)
