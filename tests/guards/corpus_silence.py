"""DNS failures give no credit to a sender."""

from __future__ import annotations

from collections.abc import Iterator

from tests.guards.corpus_case import (
    BANK,
    CLUB,
    EVIL,
    ORDER,
    REFUSAL,
    SHOP,
    SILENCE,
    Case,
    Record,
    keys,
    letter,
    own,
)
from tests.guards.corpus_signing import signature, signed


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _silence()
    yield from _exhaustion()
    yield from _signed_in_silence()


def _silence() -> Iterator[Case]:
    """Yield what DNS did not tell: `unknown` only where the answer could have mattered."""
    silent = ("DNS did not answer",)
    for kind, text in (("silence", SILENCE), ("refusal", REFUSAL)):
        domain = f"{kind}.example"
        yield Case(
            f"{kind} about the policy",
            letter(From=f"ceo@{domain}"),
            "unknown",
            silent,
            records=((f"_dmarc.{domain}", text),),
            number=17,
        )
        key = ((f"{kind}._domainkey.{BANK}", text),)
        yield Case(
            f"{kind} about the key",
            signed(letter(), BANK, selector=kind),
            "unknown",
            silent,
            records=key,
            number=17,
        )
    domain = "route.example"
    yield Case(
        "refusal about the route",
        letter(From=f"ceo@{domain}"),
        "unknown",
        silent,
        mail_from=f"ceo@{domain}",
        number=17,
        records=((domain, REFUSAL), (f"_dmarc.{domain}", "v=DMARC1; p=reject")),
    )
    alien = "alien.example"
    yield Case(
        "refusal about a stranger's route",
        letter(),
        "failed",
        (f"policy of {BANK}",),
        mail_from=f"x@{alien}",
        records=((alien, REFUSAL),),
    )
    stranger = ((f"refusal._domainkey.{EVIL}", REFUSAL),)
    yield Case(
        "refusal about a stranger's key",
        signed(letter(), EVIL, selector="refusal"),
        "failed",
        (f"policy of {BANK}",),
        records=stranger,
    )
    missing = letter(f"{ORDER}\r\n", From=None)
    yield Case(
        "refusal, and no From",
        signed(missing, EVIL, selector="refusal"),
        "failed",
        ("no From",),
        records=stranger,
    )


def _exhaustion() -> Iterator[Case]:
    """Yield forgers who have so much looked up that the bank's policy might go unasked."""
    many = range(10)
    source = " ".join(f"include:i{n}.{EVIL}" for n in many)
    wide: tuple[Record, ...] = (
        (f"wide.{EVIL}", f"v=spf1 {source} -all"),
        *((f"i{n}.{EVIL}", f"v=spf1 a mx a:a.{EVIL} mx:b.{EVIL} -all") for n in many),
    )
    chain = tuple(f"c{n}._domainkey.{EVIL}. IN CNAME c{n + 1}._domainkey.{EVIL}." for n in many)
    deep = letter(From=f"ceo@a.b.c.{BANK}")
    absent = b"".join(signature(deep, f"m{n}.{EVIL}", selector="absent") for n in range(8))
    circle = b"".join(signature(deep, EVIL, selector=f"c{n}") for n in range(8))
    mute = b"".join(signature(deep, EVIL, selector=f"mute{n}") for n in range(8))
    texts = [SILENCE, SILENCE, *[REFUSAL] * 6]
    silent = tuple((f"mute{n}._domainkey.{EVIL}", text) for n, text in enumerate(texts))
    for name, raw, records in (
        ("keys that are not there", absent + deep, wide),
        ("keys behind aliases", circle + deep, (*wide, *chain)),
        ("keys of silent servers", mute + deep, (*wide, *silent)),
    ):
        says = (f"policy of {BANK} is reject",)
        sender = f"x@wide.{EVIL}"
        yield Case(f"eight {name}", raw, "failed", says, records=records, mail_from=sender)


def _signed_in_silence() -> Iterator[Case]:
    told = (f"signed by {SHOP}",)
    raw = letter("Hello.", From=f"ann@{SHOP}")
    both = signature(raw, SHOP, selector="refusal") + signed(raw, SHOP)
    records: tuple[Record, ...] = ((f"refusal._domainkey.{SHOP}", REFUSAL),)
    yield Case(
        "a good key beside one of which DNS is silent",
        both,
        "authenticated",
        told,
        records=records,
        hostile=False,
    )
    records = ((f"_dmarc.{CLUB}", REFUSAL),)
    good = own(CLUB, "Hello.")
    yield Case(
        "signed by the very domain, its policy unknown",
        good,
        "authenticated",
        (f"signed by {CLUB}",),
        records=records,
        hostile=False,
    )
    below = signed(letter(From=f"ann@{CLUB}"), f"m.{CLUB}")
    yield Case(
        "signed by a subdomain, whether that may be is unknown",
        below,
        "unknown",
        ("DNS did not answer",),
        records=(*records, *keys(f"m.{CLUB}")),
    )
