"""Signatures that must not count: none of these messages is from the domain in its From."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

from tests.guards.corpus_case import (
    BANK,
    CLUB,
    EVIL,
    FIRM,
    MARK,
    ORDER,
    SHOP,
    Case,
    Record,
    for_each_policy,
    key_record,
    keys,
    letter,
    multipart,
    own,
    part,
)
from tests.guards.corpus_signing import ED25519, rsa_key, signature, signed

_BODY = "The figures are in.\r\n"
_MORE = f"{ORDER}\r\n".encode()


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _strangers()
    yield from _coverage()
    yield from _changes()
    yield from _keys()
    yield from _forms()
    yield from _neighbours()


def _by(domain: str, **how: Any) -> bytes:
    """Return a message of a domain, signed with the options; by default as that domain."""
    signer = how.pop("signer", domain)
    return signed(letter(From=f"ceo@{domain}"), signer, **how)


def _strangers() -> Iterator[Case]:
    unaligned = f"signed by {EVIL}, which is not the domain in From"
    yield from for_each_policy("no signature", lambda d: letter(From=f"ceo@{d}"))
    yield from for_each_policy(
        "another domain's", lambda d: _by(d, signer=EVIL), unaligned, number=9
    )
    longer = [f"{domain}.{EVIL}" for domain in (BANK, FIRM, SHOP, CLUB)]
    yield from for_each_policy(
        "a longer name's",
        lambda d: _by(d, signer=f"{d}.{EVIL}"),
        "not the domain in From",
        records=keys(*longer),
    )
    yield Case(
        "a name that ends like it",
        _by(BANK, signer=f"not{BANK}"),
        "failed",
        ("not the domain in From",),
        records=keys(f"not{BANK}"),
    )
    yield Case(
        "a stranger's with an identity of the bank's",
        _by(BANK, signer=EVIL, tags={"i": f"@{BANK}"}),
        "failed",
        (f"policy of {BANK}",),
    )
    yield Case(
        "the bank's with an identity of a stranger's",
        _by(BANK, tags={"i": f"@{EVIL}"}),
        "failed",
        (f"policy of {BANK}",),
    )
    yield Case(
        "two domains in one tag",
        _by(BANK, signer=f"{EVIL}, {BANK}"),
        "failed",
        ("malformed",),
    )


def _coverage() -> Iterator[Case]:
    partly = "only a part of the body"
    size = str(len(_BODY))
    yield from for_each_policy(
        "l= and text appended",
        lambda d: signed(letter(_BODY, From=f"ceo@{d}"), d, tags={"l": size}) + _MORE,
        partly,
        number=11,
    )
    yield Case("l=0", _by(BANK, tags={"l": "0"}, covers=0), "failed", (partly,))
    yield Case(
        "l= of the whole body", _by(BANK, tags={"l": str(len(ORDER) + 2)}), "failed", (partly,)
    )
    for name, number, field in (("From", 12, "From"), ("Subject", 13, "Subject")):
        left = [
            header
            for header in ("from", "to", "subject", "date", "content-type")
            if header != field.lower()
        ]
        yield from for_each_policy(
            f"{name} unsigned",
            lambda d, left=left: _by(d, headers=left),  # type: ignore[misc]
            f"does not cover the field {field}",
            number=number,
        )
    # The signature still proves From; that nothing proves the Reply-To is for the guard to hold.
    for domain in (BANK, FIRM, SHOP, CLUB):
        raw = _with_reply_to(domain)
        says = (f"signed by {domain}",)
        yield Case(f"a Reply-To put on top [{domain}]", raw, "authenticated", says, number=13)
    for line, body in _ENCODED_ON_TOP.items():
        raw = f"{line}\r\n".encode() + signed(letter(body), BANK, headers=_FEW_AND_TYPE)
        yield Case(f"{line} on top", raw, "failed", ("Content-Transfer-Encoding",))
    source = signed(letter("<p>Hi<!-- x --></p>"), BANK, headers=_FEW)
    yield Case("HTML shown as its source", source, "failed", ("Content-Type",))
    _, parts = multipart("alternative", part("Hi"), part("<p>x</p>"), boundary="-----")
    source = signed(letter(parts), BANK, headers=_FEW)
    yield Case("a multipart shown as its source", source, "failed", ("Content-Type",))
    yield from for_each_policy("another Content-Type", _with_type, "Content-Type", number=13)
    yield Case(
        "an unsigned boundary that another body hides behind",
        _with_boundary(),
        "failed",
        ("Content-Type",),
    )
    many = ["from"] * 201
    yield Case("a signature of 201 fields", _by(BANK, headers=many), "failed", ("200 fields",))


_FEW = ("from", "to", "subject", "date", "message-id")
_FEW_AND_TYPE = (*_FEW, "content-type")
_QUOTED = base64.b64encode(ORDER.encode()).decode()
# A stranger's words that a message quotes, and a field that would leave nothing else of it.
_ENCODED_ON_TOP = {
    "Content-Transfer-Encoding: base64": f"A guest wrote to you:\r\n\r\n{_QUOTED}\r\n",
    "Content-Transfer-Encoding: x-uuencode": "A guest wrote:\r\nbegin 644 a\r\n#0V%T\r\nend\r\n",
}


def _with_reply_to(domain: str) -> bytes:
    raw = signed(letter(_BODY, From=f"ceo@{domain}"), domain, headers=_FEW_AND_TYPE)
    return f"Reply-To: {MARK}@{EVIL}\r\n".encode() + raw


def _with_type(domain: str) -> bytes:
    html = "text/html; charset=utf-8"
    raw = signed(letter(f"<p>{ORDER}</p>", From=f"ceo@{domain}"), domain, headers=_FEW)
    return raw.replace(b"text/plain; charset=utf-8", html.encode(), 1)


def _with_boundary() -> bytes:
    kind, body = multipart("mixed", part("Fine."), part(ORDER), boundary="in")
    outer, whole = multipart("mixed", part(body, kind), boundary="out")
    raw = signed(letter(whole, Content_Type=outer), BANK, headers=_FEW)
    return raw.replace(b'boundary="out"', b'boundary="in"', 1)


def _changes() -> Iterator[Case]:
    def changed(old: bytes, new: bytes, **how: str) -> Any:
        return lambda d: signed(letter(_BODY, From=f"ceo@{d}"), d, **how).replace(old, new, 1)

    body = changed(b"The figures are in.", ORDER.encode())
    yield from for_each_policy("the body changed", body, "the body was changed")
    subject = changed(b"Quarterly figures", b"Pay at once")
    yield from for_each_policy("the subject changed", subject, "does not match")
    blank = changed(b"Subject: ", b"Subject:  ", c="simple/simple")(BANK)
    yield Case("a blank more, signed simply", blank, "failed", ("does not match",))
    yield Case("text appended", own(BANK, _BODY) + _MORE, "failed", ("the body was changed",))
    alien = signature(letter(_BODY, From=f"ceo@{BANK}"), BANK)
    yield Case("another message's signature", alien + letter(), "failed", ("the body was changed",))
    other = signature(letter(Subject="Hi"), BANK) + letter()
    yield Case("a signature of other fields", other, "failed", ("does not match",))
    yield Case(
        "a mailbox of the same domain put in",
        own(BANK).replace(b"From: ceo@", b"From: cfo@", 1),
        "failed",
        ("does not match",),
    )


def _keys() -> Iterator[Case]:
    def under(selector: str, **how: Any) -> Any:
        return lambda d: _by(d, selector=selector, **how)

    rsa = rsa_key()
    yield from for_each_policy("a revoked key", under("revoked"), "was revoked", number=16)
    yield from for_each_policy("a testing key", under("testing"), "only tests", number=16)
    sha1 = under("r1", key=rsa, algorithm="sha1")
    yield from for_each_policy("rsa-sha1", sha1, "SHA-1", number=16)
    for name, selector, says in (
        ("a testing key that is exact", "testing-rsa", "only tests"),
        ("a key for sha1", "old", "does not allow SHA-256"),
        ("a key for reports", "tlsrpt", "not for mail"),
        ("a key without a record", "absent", "no such key"),
        ("two keys under one selector", "two", "several keys"),
        ("a key said to be RSA", "misnamed", "another algorithm"),
        ("a key of a later version", "future", "no such key"),
        ("a record without a key", "noise", f"policy of {BANK}"),
    ):
        key = rsa if selector.endswith("rsa") else ED25519
        yield Case(name, under(selector, key=key)(BANK), "failed", (says,))
    stump = key_record("stump", BANK, ED25519)[0], "v=DKIM1; k=ed25519; p=AAAA"
    yield Case("a key too short", under("stump")(BANK), "failed", ("unusable",), records=(stump,))
    short = under("short", key=rsa_key(512))(BANK)
    yield Case("an RSA key of 512 bits", short, "failed", ("too short",))
    exact = under("exact", tags={"i": f"@mail.{BANK}"})(BANK)
    yield Case(
        "t=s and a subdomain's identity", exact, "failed", ("forbids signing for a subdomain",)
    )


def _forms() -> Iterator[Case]:
    for name, tags, says in (
        ("an expired signature", {"x": str(int(time.time()) - 3600)}, "expired"),
        ("an expiry in words", {"x": "never"}, "not a number"),
        ("version 2", {"v": "2"}, "unknown"),
        ("an unknown algorithm", {"a": "rsa-md5"}, "unknown"),
        ("no algorithm", {"a": ""}, "a= is missing"),
        ("a key that is not in DNS", {"q": "http/get"}, "not in DNS"),
        ("a selector that is a path", {"s": "../s1"}, "malformed"),
        (
            "a body hash of nothing",
            {"bh": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
            "changed",
        ),
    ):
        yield Case(name, _by(BANK, tags=tags), "failed", (says,))
    double = own(BANK).replace(b"v=1; ", f"v=1; d={EVIL}; ".encode(), 1)
    yield Case("a tag that stands twice", double, "failed", ("list of tags",))
    empty = own(BANK).partition(b"; b=")[0] + b"; b=\r\n" + letter()
    yield Case("an empty signature", empty, "failed", ("b= is missing",))
    good = letter()
    yield Case("three hundred signatures", signature(good, EVIL) * 300 + good, "failed", (EVIL,))


def _neighbours() -> Iterator[Case]:
    def case(name: str, sender: str, signer: str, policy: str, *more: Record) -> Case:
        at = ".".join(sender.split(".")[-3:]) if policy.endswith("up") else sender
        records = (*keys(signer), (f"_dmarc.{at}", policy.removesuffix("up")), *more)
        raw = signed(letter(From=f"ceo@{sender}"), signer)
        return Case(name, raw, "failed", ("not the domain in From",), records=records)

    reject = "v=DMARC1; p=reject"
    yield case("a domain that begins alike", "legit.co-op.com", "legit.co", reject)
    yield case("another tenant of a host", "one.github.io", "two.github.io", reject)
    yield case("a neighbour below a public suffix", "bank.co.uk", "evil.co.uk", reject)
    yield case(
        "a subdomain, exact alignment asked",
        "exact.example",
        "m.exact.example",
        f"{reject}; adkim=s",
    )
    for signer in ("com", "co.uk", "github.io"):
        sender = f"bank16.{signer}"
        raw = signed(letter(From=f"ceo@{sender}"), signer)
        records = (*keys(signer), (f"_dmarc.{sender}", reject))
        yield Case(f"d={signer}", raw, "failed", ("public suffix",), records=records, number=16)
    below = (("_dmarc.mixed.example", "v=DMARC1; p=none; sp=reject"),)
    sub = letter(From="ceo@pay.mixed.example")
    yield Case(
        "a subdomain that only the policy above disowns",
        sub,
        "failed",
        ("is reject",),
        records=below,
    )
    top = letter(From="ceo@mixed.example")
    yield Case("the domain above it", top, "unauthenticated", ("no signature",), records=below)
    policy = f"policy of {BANK} is reject"
    for name, sender in (
        ("full width", "ceo@\uff42\uff41\uff4e\uff4b.example"),
        ("an ideographic full stop", "ceo@bank\u3002example"),
        ("a soft hyphen", "ceo@ba\u00adnk.example"),
        ("upper case", "CEO@BANK.EXAMPLE"),
    ):
        spelled = signed(letter(From=sender), EVIL)
        yield Case(f"the bank in {name}", spelled, "failed", (policy,))
    invented = letter(From=f"ceo@no.such.host.{BANK}")
    yield Case("an invented host of the bank's", invented, "failed", (policy,))
    loud = (
        ("_dmarc.loud.example", "v=DMARC1;p=REJECT;pct=0"),
        key_record("s1", "loud.example", ED25519),
    )
    yield Case(
        "a policy for no share of the mail", letter(From="ceo@loud.example"), "failed", records=loud
    )
