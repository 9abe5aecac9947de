"""Edits: whatever is done to signed mail on its way, what still counts as signed reads the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.guards.corpus_case import BANK, EVIL, MARK, letter, multipart, own, part, zone
from tests.guards.corpus_signing import signed

from multimail.trust import Label
from multimail.trust.labels import assess
from multimail.trust.provenance import get_signed_fields
from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dns import Resolver
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.message import parse_message

_FEW = ("mime-version", "from", "date", "message-id", "subject", "to", "reply-to")
_TWO = multipart("alternative", part("Hello there."), part("<p>Hello there.</p>", "text/html"))
_FILE = part("x,y", "text/csv", Content_Disposition='attachment; filename="a.csv"')
_MIXED = multipart("mixed", part("Hello there."), _FILE)
_LETTERS = {
    "all signed": own(BANK, "Hello there."),
    "few fields signed": signed(letter("Hello there."), BANK, headers=_FEW),
    "two forms, few signed": signed(letter(_TWO[1], Content_Type=_TWO[0]), BANK, headers=_FEW),
    "a file, few signed": signed(letter(_MIXED[1], Content_Type=_MIXED[0]), BANK, headers=_FEW),
    "base64": own(BANK, b"SGVsbG8gdGhlcmUu", Content_Transfer_Encoding="base64"),
    "HTML": own(BANK, "<p>Hello <b>there</b>.</p>", Content_Type="text/html"),
    "signed simply": signed(letter("Hello there."), BANK, c="simple/simple"),
    "no MIME": signed(
        letter("Hello there.", MIME_Version=None, Content_Type=None),
        BANK,
        headers=("from", "to", "subject", "date"),
    ),
}
_LINES = tuple(
    line.encode()
    for line in (
        f"From: x@{EVIL}",
        f"From : x@{EVIL}",
        f"Sender: x@{EVIL}",
        f"Reply-To: x@{EVIL}",
        f"Subject: {MARK}",
        "Content-Type: text/html",
        "Content-Type: text/plain; charset=utf-7",
        "Content-Type: text/plain; charset=us-ascii; charset=utf-16",
        "Content-Type: multipart/mixed; boundary=x",
        'Content-Type: multipart/digest; boundary="=_b"',
        "MIME-Version: 1.0",
        "DKIM-Signature: v=1",
        f" {MARK}",
        "",
        " ",
    )
)
_BYTES = (b"", b" ", b"\t", b"\r\n ", b"\n", b"\r", b"\0", b";", b":", b'"', b"(", b"a", b"\xff")
_BODIES = (
    (b"", b""),
    (b"Hello", MARK.encode()),
    (b"e", b"e\r"),
    (b"\r\n", b"\n"),
    (b"\r\n", b"\r\n\r\n"),
    (b"there.", f"there.\r\n{MARK}".encode()),
)
_ENDS = (b"\r\n\r\n", b"\r\n\r\n", b"\n\n", b"\r\n \r\n", b"\r\n\t\r\n\r\n", b"\r\n\r\n\r\n")


class Edit(NamedTuple):
    """One change of the header: what, at which line, and there at which byte."""

    kind: str
    line: int
    at: int
    text: bytes
    byte: bytes


_EDITS = st.builds(
    Edit,
    st.sampled_from(("insert", "delete", "replace", "move", "repeat", "byte")),
    st.integers(0, 12),
    st.integers(0, 80),
    st.sampled_from(_LINES),
    st.sampled_from(_BYTES),
)


@pytest.fixture(scope="module")
def resolver(tmp_path_factory: pytest.TempPathFactory) -> Resolver:
    path: Path = tmp_path_factory.mktemp("edits") / "zone"
    path.write_text(zone([]), "utf-8")
    return zone_resolver(path)


def _edited(lines: list[bytes], edit: Edit) -> list[bytes]:
    """Return header lines with one change."""
    at = min(edit.line, len(lines) - 1)
    before, line, after = lines[:at], lines[at], lines[at + 1 :]
    where = min(edit.at, len(line))
    changed = {
        "insert": [edit.text, line],
        "delete": [],
        "replace": [edit.text],
        "repeat": [line, line],
        "byte": [line[:where] + edit.byte + line[where + 1 :]],
    }
    if edit.kind == "move":
        rest = [*before, *after]
        return [*rest[: edit.at], line, *rest[edit.at :]]
    return [*before, *changed[edit.kind], *after] or lines


def _read(raw: bytes) -> dict[str, Any]:
    """Return what a reader is shown; blanks between words are no part of it."""
    message = parse_message(raw)
    return {
        "from": message.from_address,
        "reply_to": message.reply_to,
        "subject": message.subject.split(),
        "body": message.markdown.split(),
        "files": [(file.name, file.content_type, file.content) for file in message.attachments],
    }


def _is_authenticated(raw: bytes, resolver: Resolver) -> bool:
    return assess(authenticate(raw, resolver)).label is Label.AUTHENTICATED


@pytest.mark.parametrize("name", _LETTERS)
@settings(max_examples=400)
@given(
    edits=st.lists(_EDITS, min_size=1, max_size=3),
    body=st.sampled_from(_BODIES),
    end=st.sampled_from(_ENDS),
)
def test_what_stays_authenticated_reads_the_same(
    resolver: Resolver, name: str, edits: list[Edit], body: tuple[bytes, bytes], end: bytes
) -> None:
    head, _, text = _LETTERS[name].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    for edit in edits:
        lines = _edited(lines, edit)
    changed = b"\r\n".join(lines) + end + text.replace(*body)
    if _is_authenticated(changed, resolver):
        assert _read(changed) | {"reply_to": ()} == _read(_LETTERS[name]) | {"reply_to": ()}
        # An unsigned Reply-To leaves a signature valid, and the guard holds a reply to it.
        is_signed = "reply-to" in get_signed_fields(authenticate(changed, resolver))
        assert not is_signed or not _read(changed)["reply_to"]


@pytest.mark.parametrize("name", _LETTERS)
def test_they_are_authenticated_before(resolver: Resolver, name: str) -> None:
    assert _is_authenticated(_LETTERS[name], resolver)


_ENCODING = "Content-Transfer-Encoding: base64"
_FILE_NAME = "Content-Disposition: attachment; filename=order.txt"
_PARTS = 'Content-Type: multipart/mixed; boundary="=_b"'
_OPEN = {
    _PARTS: ("two forms, few signed",),
    _ENCODING: (),
    _FILE_NAME: (),
}
"""Fields that change how some letters read and that their signatures need not cover so far."""


def _with(line: str, name: str) -> Any:
    why = f"an unsigned {line.partition(':')[0]} may be put in"
    known = [pytest.mark.xfail(reason=why, strict=True)] if name in _OPEN[line] else []
    return pytest.param(line, name, marks=known, id=f"{line.partition(':')[0]}, {name}")


_PUT = [_with(line, name) for line in _OPEN for name in _LETTERS]


@pytest.mark.parametrize(("line", "name"), _PUT)
def test_a_line_put_on_top_changes_nothing(resolver: Resolver, line: str, name: str) -> None:
    field = line.partition(":")[0].encode()
    rest = re.sub(rb"(?m)^" + field + rb": .*\r\n", b"", _LETTERS[name], count=1)
    changed = f"{line}\r\n".encode() + rest
    assert not _is_authenticated(changed, resolver) or _read(changed) == _read(_LETTERS[name])
