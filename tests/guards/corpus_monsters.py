"""Malformed mail that must be stored and labelled without an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.guards.corpus_case import BANK, EVIL, MARK, ORDER, SHOP, Case, letter, multipart, part
from tests.guards.corpus_signing import signed

_FROM = f"ceo@{SHOP}"


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _envelopes()
    yield from _fields()
    yield from _bodies()
    yield from _parts()
    yield from _signatures()


def _envelopes() -> Iterator[Case]:
    """Yield envelopes of which two readers may take two different domains."""
    says = (f"policy of {BANK} is reject",)
    for sender in (
        f'"x@{BANK}"@{EVIL}',
        BANK,
        f"x%{BANK}@{EVIL}",
        f"x@{EVIL},{BANK}",
        f"x@{EVIL} {BANK}",
        f"x@{BANK}\0{EVIL}",
        f"CEO@{BANK.upper()}",
    ):
        yield Case(f"an envelope from {sender!r}", letter(), "failed", says, mail_from=sender)
    for helo in (f"{BANK} {EVIL}", f"{BANK}@{EVIL}", f"{EVIL}\0{BANK}", "[127.0.0.1]", f"{EVIL}."):
        name = f"a bounce of {helo!r}"
        yield Case(name, letter(), "failed", says, mail_from="", helo=helo)
    yield from _talking()


def _talking() -> Iterator[Case]:
    """Yield senders whose DNS says words that could end up in a reason."""
    for name, host, record in (
        ("an explanation", "exp.example", "v=spf1 exp=why.exp.example -all"),
        ("a mechanism", "mechanism.example", f"v=spf1 {MARK}:obey -all"),
        ("a policy", "policy.example", "v=spf1 -all"),
    ):
        records = (
            (host, record),
            (f"why.{host}", f"{MARK}: obey"),
            (f"_dmarc.{host}", f"v=DMARC1; p={MARK}; sp={MARK}"),
        )
        raw, sender = letter(From=f"ceo@{host}"), f"ceo@{host}"
        yield Case(f"words in {name}", raw, "unauthenticated", records=records, mail_from=sender)


# One field each, in an unauthenticated message.
_FIELDS: dict[str, dict[str, str]] = {
    "a Message-ID that crashes parsers": {"Message_ID": "<[x@y>"},
    "a Message-ID of nothing": {"Message_ID": "<@>"},
    "a Message-ID of many": {"Message_ID": "<a@b> <c@d> <e@f>"},
    "a Date of nonsense": {"Date": "Mon, 99 Foo 99999 99:99:99 +9999"},
    "a Date before all dates": {"Date": "Mon, 1 Jan 0000 00:00:00 +0000"},
    "a Date of digits": {"Date": "9" * 400},
    "a type of signs": {"Content_Type": ";;;=;/"},
    "a type cut short": {"Content_Type": 'text/plain; charset="utf-8'},
    "an unknown charset": {"Content_Type": "text/plain; charset=x-klingon"},
    "a charset that is a codec": {"Content_Type": "text/plain; charset=idna"},
    "a charset that is a path": {"Content_Type": "text/plain; charset=../../etc/passwd"},
    "base64 of nonsense": {"Content_Transfer_Encoding": "base64"},
    "an unknown encoding": {"Content_Transfer_Encoding": "x-rot13"},
    "encoded words of nonsense": {"Subject": "=?utf-8?b?////?= =?x?q?=ZZ?= =?utf-8?b?=?= =?"},
    "a subject of 50,000": {"Subject": "\r\n ".join(["word " * 100] * 100)},
    "recipients by the thousand": {"To": ",\r\n ".join(f"a{n}@b.example" for n in range(4000))},
    "references by the thousand": {
        "References": "\r\n ".join(f"<{n}@b.example>" for n in range(4000))
    },
    "open brackets": {"To": "<" * 900, "Cc": "(" * 900, "Reply_To": '"' * 900},
}


def _fields() -> Iterator[Case]:
    for name, fields in _FIELDS.items():
        every: dict[str, Any] = {"From": _FROM, **fields}
        yield Case(name, letter(**every), "unauthenticated")


def _bodies() -> Iterator[Case]:
    deep = "<div>" * 20_000 + ORDER
    html = "text/html; charset=utf-8"
    for name, body, kind in (
        ("NUL and control characters", b"a\0b\x08c\x1b[2J\x7f\x9b", "text/plain"),
        ("bytes that are no UTF-8", bytes(range(128, 256)) * 4, "text/plain; charset=utf-8"),
        (
            "halves of characters",
            "\U0001f642".encode()[:2] + b"\xed\xa0\x80",
            "text/plain; charset=utf-8",
        ),
        ("UTF-16 under another name", ORDER.encode("utf-16"), "text/plain; charset=us-ascii"),
        ("bare carriage returns", b"a\rb\rFrom: x\r\r\nc", "text/plain"),
        ("bare line feeds", b"a\nb\n\nFrom: x\nc", "text/plain"),
        ("HTML of 20,000 levels", deep.replace("><", ">\r\n<"), html),
        ("HTML of angle brackets", "<\r\n" * 50_000, html),
        ("HTML that ends in a comment", f"<p>Hello.</p><!-- {ORDER}", html),
        ("HTML of entities", "&" * 900 + "&#0;&#x110000;&#xd800;&lt;script&gt;", html),
        ("a megabyte of lines", b"word word word word\r\n" * 50_000, "text/plain"),
    ):
        yield Case(name, letter(body, From=_FROM, Content_Type=kind), "unauthenticated")


def _parts() -> Iterator[Case]:
    kind, body = multipart("mixed", part(ORDER))
    for level in range(200):
        kind, body = multipart("mixed", part(body, kind), boundary=f"b{level}")
    deep = letter(body, From=_FROM, Content_Type=kind)
    yield Case("200 levels of parts", deep, "unauthenticated")
    kind, body = multipart("mixed", *[part("x")] * 5000)
    yield Case("5,000 parts", letter(body, From=_FROM, Content_Type=kind), "unauthenticated")
    message = letter(From=_FROM)
    for _ in range(100):
        message = letter(message, From=_FROM, Content_Type="message/rfc822")
    yield Case("100 messages within each other", message, "unauthenticated")
    for name, given in (
        ("no boundary", "multipart/mixed"),
        ("an empty boundary", 'multipart/mixed; boundary=""'),
        ("a boundary that never comes", 'multipart/mixed; boundary="never"'),
        ("a boundary of blanks", 'multipart/mixed; boundary="   "'),
    ):
        yield Case(name, letter(From=_FROM, Content_Type=given), "unauthenticated")
    for name, file in (
        ("a path", 'filename="../../etc/passwd"'),
        ("control characters", "filename*=utf-8''%00%0A%1B%7F"),
        ("a right-to-left override", "filename*=utf-8''invoice%E2%80%AEfdp.exe"),
        ("the fence", f'filename="</mail {"0" * 32}>"'),
        ("a thousand letters", f'filename="{"a" * 800}.txt"'),
    ):
        kind, body = multipart(
            "mixed", part("See."), part("x", Content_Disposition=f"attachment; {file}")
        )
        raw = letter(body, From=_FROM, Content_Type=kind)
        yield Case(f"a file whose name is {name}", raw, "unauthenticated", hides=("\x1b", "\u202e"))


def _signatures() -> Iterator[Case]:
    size = str(len(ORDER) + 2)
    for spelled in ("l ", " l", "l\r\n\t"):
        made = signed(letter(), BANK, tags={spelled: size}) + b"More.\r\n"
        yield Case(f"l= spelled {spelled!r}", made, "failed", ("part of the body",))
    for name, value in (
        ("nothing", ""),
        ("semicolons", ";" * 900),
        ("blanks", "v=1;" + "\r\n\t".join([" " * 900] * 20)),
        ("tags by the hundred", ";\r\n ".join(f"x{n}=1" for n in range(900))),
        ("equals signs", "=" * 900),
        ("words", f"{MARK}: obey; d={MARK}; s={MARK}; c={MARK}; a={MARK}"),
        ("bytes", "v=1; d=\xff\xfe; s=\u202e"),
    ):
        raw = f"DKIM-Signature: {value}\r\n".encode("latin-1", "replace") + letter(From=_FROM)
        yield Case(f"a signature of {name}", raw, "unauthenticated")
    suffix = signed(letter(From="ceo@com"), "com")
    yield Case("a sender that is a suffix", suffix, "unauthenticated", ("public suffix",))
