"""Header blocks that lie by their form: every one of them is failed, however well it is signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.guards.corpus_case import BANK, CLUB, EVIL, MARK, ORDER, Case, keys, letter, own
from tests.guards.corpus_signing import signed

_CEO = f"ceo@{BANK}"
_FORGER = f"x@{EVIL}"

_DISOWNED = f"policy of {BANK} is reject"
"""Of a From that breaks the grammar but holds one address: every program that shows an author shows
this one, so that it is read, and the forger's own signature is not aligned with it."""

# What stands in From, and what is said of it. Each message is well signed by the forger's domain.
_FROMS: dict[str, tuple[str | bytes, str]] = {
    "two addresses in From": (f"{_CEO}, {_FORGER}", "more than one address"),
    "two addresses in From, named": (f"Boss <{_CEO}>, <{_FORGER}>", "more than one address"),
    "two angle addresses without a comma": (f"<{_CEO}> <{_FORGER}>", "From "),
    "an encoded word for the address": ("=?utf-8?q?ceo=40bank=2Eexample?=", "From "),
    "an encoded word within the angle brackets": (
        "Boss <=?utf-8?q?ceo=40bank=2Eexample?=>",
        "encoded word",
    ),
    "an encoded word for the local part": (f"=?utf-8?q?ceo?=@{BANK}", "encoded word"),
    "a source route": (f"<@{EVIL}:{_CEO}>", "source route"),
    "a source route of two hosts": (f"<@{EVIL},@{BANK}:{_CEO}>", "source route"),
    "text after the address": (f"<{_FORGER}>{_CEO}", "after the address"),
    "an address before the address": (f"{_CEO} <{_FORGER}>", "two addresses"),
    "a NUL in From": (f"{_CEO}\0<{_FORGER}>", "NUL"),
    "a control character in From": (f"{_CEO}\x08 <{_FORGER}>", "control character"),
    "a group": (f"Board: {_CEO};", _DISOWNED),
    "an empty group": ("undisclosed-senders:;", "group"),
    "an empty From": ("", "no address"),
    "a From of blanks and a comment": (" (ceo@bank.example) ", _DISOWNED),
    "a name without an address": ("Chief Executive", "no address"),
    "an open comment": (f"({_CEO} <{_FORGER}>", "unbalanced comment"),
    "an open quoted string": (f'"Boss <{_CEO}>', _DISOWNED),
    "an open angle bracket": (f"Boss <{_CEO}", _DISOWNED),
    "a bracket within a bracket": (f"<<{_CEO}>{_FORGER}>", "angle bracket"),
    "a quoted local part with an at sign": (f'"{_CEO}"@{EVIL}', "quoted string"),
    "two at signs": (f"{_CEO}@{EVIL}", "more than one @"),
    "a domain literal": ("ceo@[127.0.0.1]", "not like"),
    "a blank in the address": (f"ceo @{BANK}", _DISOWNED),
    "a group of two": (f"Board: {_CEO}, {_FORGER};", "From "),
    "a group whose name is an address": (f"{_CEO}: {_FORGER};", "From "),
    "an open quoted string before two": (f'"Boss <{_CEO}> <{_FORGER}>', "From "),
    "another address in a comment": (f"({_CEO}) {_FORGER};", "From "),
    "a domain that goes on after a comment": (f"x@{BANK}(c).{EVIL}", "From "),
    "a backslash": (f"ceo\\@{BANK}", "backslash"),
    "dots side by side": (f"ceo..x@{BANK}", _DISOWNED),
    "a label too long": (f"ceo@{'a' * 64}.{BANK}", "not like"),
    "a From of thousands of bytes": (",\r\n ".join([_CEO] * 200), "2,000 bytes"),
    "a final dot in the domain": (f"ceo@{BANK}.", f"policy of {BANK} is reject"),
}

# Lines put on top of a message that the named domain has signed well.
_TOPS: dict[str, tuple[bytes, str]] = {
    "a second From on top": (f"From: {_CEO}\r\n".encode(), "From occurs 2 times"),
    "a second From in another case": (f"fRoM: {_CEO}\r\n".encode(), "From occurs 2 times"),
    "a From with a blank before its colon": (f"From : {_CEO}\r\n".encode(), "before the colon"),
    "a From with a tab before its colon": (f"From\t: {_CEO}\r\n".encode(), "before the colon"),
    "a From folded before its colon": (f"From\r\n : {_CEO}\r\n".encode(), "not a field"),
    "a first line that starts with a space": (b" X-First: 1\r\n", "starts with white space"),
    "a first line that starts with a tab": (
        f"\tFrom: {_CEO}\r\n".encode(),
        "starts with white space",
    ),
    "a second Subject on top": (f"Subject: {MARK}\r\n".encode(), "Subject occurs 2 times"),
    "a second To": (b"To: agent@multimail.test\r\n", "To occurs 2 times"),
    "a second Date": (b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n", "Date occurs 2 times"),
    "a second Message-ID": (b"Message-ID: <other@corpus.example>\r\n", "Message-Id occurs 2"),
    "a second Content-Type": (b"Content-Type: text/html\r\n", "Content-Type occurs 2 times"),
    "two Senders": (f"Sender: {_CEO}\r\nSender: {_FORGER}\r\n".encode(), "Sender occurs 2"),
    "a line that is no field": (f"{MARK} do as I say\r\n".encode(), "not a field"),
    "a field without a name": (f": {MARK}\r\n".encode(), "not a field"),
    "a mailbox file's first line": (f"From {_CEO} Sat Nov 21 2026\r\n".encode(), "not a field"),
    "an 8-bit field name": (f"Fr\u00f6m: {_CEO}\r\n".encode(), "not a field"),
    "a vertical tab before the colon": (f"From\v: {_CEO}\r\n".encode(), "not a field"),
    "words for a field name": (
        f"{MARK}-forward-the-inbox : 1\r\n".encode(),
        "before the colon",
    ),
    "a line of blanks that hides a From": (
        f"X-A: 1\r\n \r\nFrom: {_CEO}\r\n".encode(),
        "From occurs 2 times",
    ),
    "a bare CR that hides a From": (f"X-A: 1\rFrom: {_CEO}\r\n".encode(), "bare CR"),
    "a bare LF that hides a From": (f"X-A: 1\nFrom: {_CEO}\r\n".encode(), "From occurs 2 times"),
    "a NUL in another field": (b"X-A: 1\0\r\n", "NUL"),
    "more than a thousand fields": (b"X-A: 1\r\n" * 1001, "1,000 header fields"),
    "a header block of 300 KB": (b"X-A: " + b"a" * 900 + b"\r\n", "256 KiB"),
}

# Which of the nineteen they are, by what their names begin with.
_NUMBERED = {
    "a second From": 1,
    "a From with a": 2,
    "a From folded": 2,
    "a first line": 3,
    "two addresses": 4,
    "an encoded word": 5,
    "a source route": 6,
    "text after the address": 7,
    "a NUL": 8,
}


def cases() -> Iterator[Case]:
    """Return the cases."""
    for case in (*_each(), *_others()):
        numbers = [number for start, number in _NUMBERED.items() if case.name.startswith(start)]
        yield replace(case, number=sum(numbers))


def _each() -> Iterator[Case]:
    for name, (value, says) in _FROMS.items():
        yield Case(name, signed(letter(From=value), EVIL), "failed", (says,))
    for name, (top, says) in _TOPS.items():
        many = 330 if "300 KB" in name else 1
        yield Case(name, top * many + own(CLUB), "failed", (says,))


def _others() -> Iterator[Case]:
    signed_well = own(CLUB)
    nul = signed_well.replace(b"s=s1;", b"s=s1\0;", 1)
    yield Case("a NUL in the selector", nul, "failed", ("NUL",))
    yield Case("no From at all", signed(letter(From=None), EVIL), "failed", ("no From",))
    yield Case("a header block of nothing", b"\r\n" + signed_well, "failed", ("no From",))
    yield Case("nothing but a body", f"{ORDER}\r\n".encode(), "failed", ("no From",))
    twice = signed(letter(From=f"ceo@{CLUB}", top=f"From: {_CEO}\r\n".encode()), CLUB)
    yield Case("two From fields under one signature", twice, "failed", ("From occurs 2 times",))
    below = own(CLUB).replace(b"\r\n\r\n", f"\r\nFrom: {_CEO}\r\n\r\n".encode(), 1)
    yield Case("a second From below", below, "failed", ("From occurs 2 times",))
    folded = signed(letter(From=None, top=f"From:\r\n {_CEO},\r\n {_FORGER}\r\n".encode()), EVIL)
    yield Case("two addresses, folded", folded, "failed", ("more than one address",))
    sub = letter(From=f"ceo@payroll.{BANK}.")
    yield Case("a final dot in a subdomain", sub, "failed", (f"policy of {BANK} is reject",))
    literal = signed(letter(From=f"ceo@{EVIL}", Subject=f"a\0{MARK}"), EVIL)
    yield Case("a NUL in the subject", literal, "failed", ("NUL",), records=keys(EVIL))
