"""Composing: what is composed reads back the same, and no value can add a header."""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimail_server.mail.compose import OutgoingAttachment, OutgoingMessage, compose
from multimail_server.mail.message import parse_message
from multimail_server.mail.rendering import render_text

Make = Callable[..., OutgoingMessage]
LINE = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=120)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


def library_reading(raw: bytes) -> EmailMessage:
    """Read with the standard library, as other people's programs do."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_an_ordinary_message(make: Make) -> None:
    raw = compose(
        make(
            cc=("carl@example.org", "dora@example.org"),
            reply_to="desk@example.com",
            in_reply_to="<zero@example.net>",
            references=("<root@example.net>", "<zero@example.net>"),
            attachments=(OutgoingAttachment("a.txt", "text/plain", b"\0\xff" * 100),),
        )
    )
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert not library_reading(raw).defects
    message = parse_message(raw)
    assert message.message_id == "<one@example.com>"
    assert (message.from_address, message.from_name) == ("ann@example.com", "Ann")
    assert message.to == ("bob@example.net",)
    assert message.cc == ("carl@example.org", "dora@example.org")
    assert message.reply_to == ("desk@example.com",)
    assert message.in_reply_to == ("<zero@example.net>",)
    assert message.references == ("<root@example.net>", "<zero@example.net>")
    assert message.markdown == "Shall we have lunch?"
    (file,) = message.attachments
    assert (file.name, file.content_type, file.content) == ("a.txt", "text/plain", b"\0\xff" * 100)


def test_a_local_part_with_stray_dots_is_quoted_where_it_is_written(make: Make) -> None:
    to = (".taro..y.@example.org", '"ann b"@example.org', "bob@example.net")
    raw = compose(make(to=to))
    assert b'To: ".taro..y."@example.org, "ann b"@example.org, bob@example.net' in raw
    assert parse_message(raw).to == to
    assert not library_reading(raw).defects


def test_the_same_message_has_the_same_bytes(make: Make) -> None:
    assert compose(make()) == compose(make())


@settings(max_examples=100, deadline=None)
@given(name=LINE, subject=LINE, markdown=TEXT, file=LINE, content=st.binary(max_size=300))
def test_what_is_composed_reads_back(
    name: str, subject: str, markdown: str, file: str, content: bytes
) -> None:
    date = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=-5)))
    attachment = OutgoingAttachment(file, "application/pdf", content)
    raw = compose(
        OutgoingMessage(
            "<a@b>", date, "a@example.com", name, ("b@example.com",), (), None, subject,
            markdown, None, (), (attachment,),
        )
    )  # fmt: skip
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    message = parse_message(raw)
    assert squeezed(message.from_name) == squeezed(name)
    assert squeezed(message.subject) == squeezed(subject)
    assert message.date == date
    lines = render_text(markdown).plain.strip("\n")
    assert message.markdown == lines or not lines.strip()
    assert [part.content for part in message.attachments] == [content]
    theirs = library_reading(raw)
    assert squeezed(theirs["Subject"]) == squeezed(subject)
    (attached,) = theirs.iter_attachments()
    assert squeezed(attached.get_filename() or "") == (squeezed(file) or "attachment-1")


@pytest.mark.parametrize("mark", ["\r\n", "\n", "\r", "\0", "x\r\nBcc: evil@x.test"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("from_name", "Ann{}"),
        ("from_address", "ann@example.com{}"),
        ("to", ("b@example.com", "c@example.com{}")),
        ("cc", ("c@example.com{}",)),
        ("reply_to", "d@example.com{}"),
        ("subject", "hi{}there"),
        ("message_id", "<a@b{}>"),
        ("in_reply_to", "<a@b{}>"),
        ("references", ("<a@b{}>",)),
        ("attachment name", "a{}.txt"),
        ("attachment content_type", "text/plain{}"),
    ],
)
def test_a_line_break_in_a_header_is_refused(
    make: Make, field: str, value: str | tuple[str, ...], mark: str
) -> None:
    bad = value.format(mark) if isinstance(value, str) else tuple(v.format(mark) for v in value)
    changes: dict[str, object] = {field: bad}
    if field == "attachment name":
        changes = {"attachments": (OutgoingAttachment(str(bad), "text/plain", b""),)}
    elif field == "attachment content_type":
        changes = {"attachments": (OutgoingAttachment("a.txt", str(bad), b""),)}
    with pytest.raises(ValueError, match=f"^{field}: contains a line break or a NUL$"):
        compose(make(**changes))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"to": ("bob",)}, "to"),
        ({"to": ("b@x.test>, <e@x.test",)}, "to"),
        ({"to": ('"b@x.test"@y.test',)}, "to"),
        ({"message_id": "one@example.com"}, "message_id"),
        ({"references": ("<a@b> <c@d>",)}, "references"),
        ({"date": datetime(2026, 1, 1)}, "date"),  # noqa: DTZ001
    ],
)
def test_a_value_that_is_not_what_it_should_be_is_refused(
    make: Make, changes: dict[str, object], field: str
) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        compose(make(**changes))


def test_a_message_as_attachment_is_sent_as_bytes(make: Make) -> None:
    file = OutgoingAttachment("old.eml", "message/rfc822", b"From: a@b\r\n\r\nhi")
    (attachment,) = parse_message(compose(make(attachments=(file,)))).attachments
    assert (attachment.name, attachment.content) == ("old.eml", file.content)


def test_there_is_never_a_bcc(make: Make) -> None:
    assert b"bcc" not in compose(make()).lower()
