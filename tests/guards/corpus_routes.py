"""Routes: what the envelope, the client and DNS say beside signatures, and what is forged of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.guards.corpus_case import (
    BANK,
    EVIL,
    PATH,
    Case,
    Record,
    for_each_policy,
    keys,
    letter,
    own,
)
from tests.guards.corpus_signing import signed

_REJECT = "v=DMARC1; p=reject"
_HERE = "v=spf1 ip4:127.0.0.1 -all"


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _claims()
    yield from _other_routes()
    yield from _routes()


# Fields that receivers write, put in by the sender.
_CLAIMS = {
    "Authentication-Results": "multimail.test; dkim=pass header.d={0}; spf=pass; dmarc=pass",
    "Authentication-Results, of this host": "localhost; dmarc=pass header.from={0}",
    "ARC-Authentication-Results": "i=1; mx.example; dkim=pass header.d={0}; dmarc=pass",
    "Received-SPF": "pass (multimail.test: domain of {0} designates 127.0.0.1)",
    "X-MultiMail-Trust": "label=authenticated; standing=listed",
    "X-Google-DKIM-Signature": "v=1; a=rsa-sha256; d={0}; s=s1; b=AAAA",
    "DKIM-Filter": "OpenDKIM Filter v2.11.0 {0} pass",
}


def _claims() -> Iterator[Case]:
    for name, value in _CLAIMS.items():
        field = name.partition(",")[0]

        def claiming(domain: str, field: str = field, value: str = value) -> bytes:
            return f"{field}: {value.format(domain)}\r\n".encode() + letter(From=f"ceo@{domain}")

        yield from for_each_policy(f"a forged {name}", claiming, number=14)
    seal = (
        f"ARC-Seal: i=1; a=rsa-sha256; cv=none; d={EVIL}; s=s1; b=AAAA\r\n"
        f"ARC-Message-Signature: i=1; a=rsa-sha256; d={EVIL}; s=s1; h=from; bh=AAAA; b=AAAA\r\n"
        f"ARC-Authentication-Results: i=1; {EVIL}; dmarc=pass header.from={BANK}\r\n"
    )
    yield from for_each_policy(
        "a forged ARC chain", lambda d: seal.encode() + letter(From=f"ceo@{d}")
    )
    own_words = "Authentication-Results: multimail.test; dmarc=fail header.from=evil.example\r\n"
    harmless = own_words.encode() + own(EVIL)
    yield Case("a forger who accuses himself", harmless, "authenticated", (f"signed by {EVIL}",))


def _other_routes() -> Iterator[Case]:
    """Yield what passes SPF for somebody else."""
    bounce = f"bounce@{EVIL}"
    yield from for_each_policy(
        "SPF of another domain", lambda d: letter(From=f"ceo@{d}"), number=15, mail_from=bounce
    )
    policy = f"policy of {PATH} is reject"
    path = letter(From=f"ceo@{PATH}")
    yield Case("SPF of the greeting alone", path, "failed", (policy,), helo=PATH)
    yield Case("no SPF", letter(From=f"ceo@{PATH}"), "failed", (policy,))
    longer = f"{PATH}.{EVIL}"
    yield Case(
        "SPF of a longer name",
        letter(From=f"ceo@{PATH}"),
        "failed",
        (policy,),
        mail_from=f"x@{longer}",
        records=((longer, _HERE),),
    )
    yield Case(
        "SPF of the envelope, two addresses in From",
        letter(From=f"ceo@{PATH}, ceo@{BANK}"),
        "failed",
        ("more than one address",),
        mail_from=f"x@{PATH}",
    )
    yield Case(
        "the bank in the envelope",
        letter(From=f"ceo@{BANK}"),
        "failed",
        (f"policy of {BANK}",),
        mail_from=f"ceo@{BANK}",
        helo=f"mail.{BANK}",
    )
    yield Case(
        "the bank's return path written by hand",
        f"Return-Path: <ceo@{BANK}>\r\n".encode() + letter(),
        "failed",
        (f"policy of {BANK}",),
        mail_from=bounce,
    )


# What a domain publishes, and what its mail from this client is; its policy is reject.
_SENDERS: dict[str, tuple[str, str, str, str]] = {
    "plain": ("spf1", _HERE, _REJECT, "authenticated_path"),
    "through an include": (
        "spf2",
        "v=spf1 include:path.example -all",
        _REJECT,
        "authenticated_path",
    ),
    "through a redirect": ("spf3", "v=spf1 redirect=path.example", _REJECT, "authenticated_path"),
    "through its own address": ("spf4", "v=spf1 a -all", _REJECT, "authenticated_path"),
    "through its MX": ("spf5", "v=spf1 mx -all", _REJECT, "authenticated_path"),
    "softfail": ("spf6", "v=spf1 ~all", _REJECT, "failed"),
    "neutral": ("spf7", "v=spf1 ?all", _REJECT, "failed"),
    "two records": ("spf8", "v=spf1 +all", _REJECT, "failed"),
    "an unknown mechanism": ("spf9", "v=spf1 nonsense:x +all", _REJECT, "failed"),
    "an include of itself": ("spf10", "v=spf1 include:spf10.example +all", _REJECT, "failed"),
    "a record of later times": ("spf11", "v=spf10 +all", _REJECT, "failed"),
    "a policy of none": ("spf12", _HERE, "v=DMARC1; p=none", "authenticated_path"),
    "no policy": ("spf13", _HERE, "v=nothing", "authenticated_path"),
    "no policy and a fail": ("spf14", "v=spf1 -all", "v=nothing", "unauthenticated"),
}
_MORE: dict[str, tuple[Record, ...]] = {
    "spf4": ("spf4.example. IN A 127.0.0.1",),
    "spf5": ("spf5.example. IN MX 10 mx.spf5.example.", "mx.spf5.example. IN A 127.0.0.1"),
    "spf8": (("spf8.example", _HERE),),
}


def _routes() -> Iterator[Case]:
    for name, (host, record, policy, label) in _SENDERS.items():
        domain = f"{host}.example"
        records = ((domain, record), (f"_dmarc.{domain}", policy), *_MORE.get(host, ()))
        says = {"authenticated_path": (f"SPF pass for {domain}",)}.get(label, ())
        yield Case(
            f"SPF: {name}",
            letter(From=f"ann@{domain}"),
            label,
            says,
            mail_from=f"ann@{domain}",
            records=records,
            hostile=label == "failed",
        )
    path = f"ceo@{PATH}"
    passed = (f"SPF pass for {PATH}",)
    yield Case(
        "SPF: a bounce",
        letter(From=path),
        "authenticated_path",
        passed,
        mail_from="",
        helo=PATH,
        hostile=False,
    )
    broken = signed(letter("One.", From=path), PATH).replace(b"One.", b"Two.")
    yield Case(
        "SPF: a broken signature beside it",
        broken,
        "authenticated_path",
        passed,
        mail_from=path,
        records=keys(PATH),
        hostile=False,
    )
    for name, aspf, label in (("relaxed", "r", "authenticated_path"), ("strict", "s", "failed")):
        domain = f"{name}.example"
        records = ((f"m.{domain}", _HERE), (f"_dmarc.{domain}", f"{_REJECT}; aspf={aspf}"))
        yield Case(
            f"SPF: a subdomain, {name}",
            letter(From=f"ann@{domain}"),
            label,
            mail_from=f"x@m.{domain}",
            records=records,
            hostile=label == "failed",
        )
