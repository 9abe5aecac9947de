"""Reading mail: ordinary messages are read right, hostile ones are read somehow."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from multimail_server.mail.message import ParsedMessage, parse_message

TOP = b"From: a@example.com\r\nTo: b@example.net\r\nMIME-Version: 1.0\r\n"


def body(text: bytes, kind: bytes = b"text/plain", *more: bytes) -> ParsedMessage:
    return parse_message(TOP + b"Content-Type: " + kind + b"\r\n" + b"".join(more) + b"\r\n" + text)


def parts(kind: bytes, *inner: bytes) -> bytes:
    joined = b"".join(b"--B\r\n" + part + b"\r\n" for part in inner)
    return (
        TOP + b"Content-Type: multipart/" + kind + b"; boundary=B\r\n\r\n" + joined + b"--B--\r\n"
    )


PLAIN = b"Content-Type: text/plain\r\n\r\nplain"
SAME = b"Content-Type: text/plain\r\n\r\nrich text"
HTML = b"Content-Type: text/html\r\n\r\n<p>rich <b>text</b></p>"


def test_headers_are_read() -> None:
    message = parse_message(
        b"Message-ID: <m@example.com>\r\n"
        b"From: =?iso-8859-1?q?J=F6rg?= <j@example.com>\r\n"
        b'To: "B, b" <b@example.net>, team: c@example.net, <D@Example.Net>;, nonsense\r\n'
        b"Cc: b@example.net\r\nCc: e@example.net\r\nReply-To: r@example.com\r\n"
        b"Subject: =?utf-8?b?w7w=?=\r\n =?utf-8?b?w7w=?= and\r\n\tmore\r\n"
        b"Date: Sat, 21 Nov 2026 12:00:00 +0100\r\n"
        b"In-Reply-To: <p@example.net>\r\nReferences: <q@example.net>\r\n <p@example.net>\r\n"
        b"Auto-Submitted: auto-replied\r\nList-Id: L <l.example.com>\r\nPrecedence: bulk\r\n"
        b"\r\nhello\r\n"
    )
    assert message.message_id == "<m@example.com>"
    assert (message.from_address, message.from_name) == ("j@example.com", "Jörg")
    assert message.to == ("b@example.net", "c@example.net", "D@example.net")
    assert message.cc == ("b@example.net", "e@example.net")
    assert message.reply_to == ("r@example.com",)
    assert message.subject == "üü and more"
    assert message.date == datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
    assert message.in_reply_to == ("<p@example.net>",)
    assert message.references == ("<q@example.net>", "<p@example.net>")
    assert (message.auto_submitted, message.precedence) == ("auto-replied", "bulk")
    assert message.list_id == "L <l.example.com>"
    assert message.list_post == ()
    assert message.markdown == "hello"


def test_what_is_absent_or_unusable_is_nothing() -> None:
    message = parse_message(b"Message-ID: x y\r\nDate: yesterday\r\nTo: nobody\r\n\r\n")
    assert message.message_id is None
    assert message.date is None
    assert (message.to, message.subject, message.from_address) == ((), "", "")
    assert parse_message(b"Message-ID: <a@b> <c@d>\r\n\r\n").message_id is None


@pytest.mark.parametrize(
    "date",
    [b"Sat, 21 Nov 2026 12:00:00 +9999", b"1 Jan 0001 00:00:00 +1400", b"99999999999999", b"\xff"],
)
def test_an_absurd_date_is_no_date(date: bytes) -> None:
    parsed_date = parse_message(b"Date: " + date + b"\r\n\r\n").date
    assert parsed_date is None or parsed_date.tzinfo is not None


def test_a_subject_has_no_line_breaks_whatever_its_words_decode_to() -> None:
    encoded = base64.b64encode(b"x\r\nBcc: evil@x.test\0")
    message = parse_message(b"Subject: =?utf-8?b?" + encoded + b"?= =?x?q?=0D=0A?=\r\n\r\n")
    assert message.subject == "x Bcc: evil@x.test"


@pytest.mark.parametrize(
    ("kind", "text", "more", "expected"),
    [
        (b"text/plain; charset=iso-8859-1", b"\xe9", b"", "é"),
        (b"text/plain; charset=nonsense", "é".encode(), b"", "é"),
        (b"text/plain", "é".encode(), b"", "é"),
        (b"text/plain", b"\xe9", b"", "é"),
        (b"text/plain; charset=us-ascii", "é".encode(), b"", "é"),
        (b"text/plain; charset=zlib", b"abc", b"", "abc"),
        (b"text/plain; charset=idna", b"xn--a", b"", "xn--a"),
        (b"text/plain; charset=unicode_escape", b"\\x41", b"", "\\x41"),
        (b"text/plain", b"=41=\r\n=42", b"Content-Transfer-Encoding: quoted-printable\r\n", "AB"),
        (b"text/plain", b"aGk=\r\n", b"Content-Transfer-Encoding: BASE64\r\n", "hi"),
        (b"text/plain", b"a*Gk\r\n!!", b"Content-Transfer-Encoding: base64\r\n", "hi"),
        (b"text/plain", b"aGkxM", b"Content-Transfer-Encoding: base64\r\n", "hi1"),
        (b"text/plain", b"a\r\nb\rc\0", b"Content-Transfer-Encoding: x-odd\r\n", "a\nb\nc"),
        (b"nonsense", b"text", b"", "text"),
        (b"multipart/mixed", b"no boundary", b"", "no boundary"),
    ],
)
def test_encodings_and_charsets(kind: bytes, text: bytes, more: bytes, expected: str) -> None:
    assert body(text, kind, more).markdown == expected


def test_plain_text_is_preferred_and_html_converted_where_there_is_none() -> None:
    assert parse_message(parts(b"alternative", SAME, HTML)).markdown == "rich text"
    assert parse_message(parts(b"alternative", HTML)).markdown == "rich **text**"
    assert parse_message(
        parts(b"alternative", b"Content-Type: text/plain\r\n\r\n ", HTML)
    ).markdown == ("rich **text**")
    assert parse_message(parts(b"mixed", PLAIN, HTML)).markdown == "plain\n\nrich **text**"


def test_only_what_is_missing_from_the_shown_text_is_said_to_be_removed() -> None:
    seen = b"Content-Type: text/plain\r\n\r\nseen"
    hiding = b"Content-Type: text/html\r\n\r\n<p>seen<span hidden>unseen</span></p>"
    assert parse_message(parts(b"alternative", seen, hiding)).removed == ()
    shown = parse_message(parts(b"alternative", hiding))
    assert (shown.markdown, shown.removed) == ("seen", ("1 hidden element",))


def test_html_loses_what_is_not_text() -> None:
    html = (
        b"<!DOCTYPE html><html><head><title>T</title><style>s{}</style></head><body>"
        b"<!-- secret --><!--[if mso]>mso<![endif]--><script>evil()</script>"
        b'<p>Hello<img src="http://t.test/p.gif" alt="our  logo"> <a href="https://e.test">link</a>'
        b"</p><template>no</template><noscript>no</noscript><ul><li>one</ul></body></html>"
    )
    message = body(html, b"text/html")
    assert message.removed == ("2 comments", "1 alternative text of an image")
    assert message.markdown == "Hello [link](https://e.test)\n\n- one"


def test_html_nested_without_end_is_still_read() -> None:
    assert "deep" in body(b"<div>" * 20_000 + b"deep", b"text/html").markdown


def test_a_sign_that_begins_no_tag_is_text() -> None:
    html = b"<p>1 < 2 <3 a<b and </p><p>second<p>third <a href=https://e.test?a=1&amp;b=2>l</a"
    text = body(html, b"text/html").markdown
    assert text.startswith("1 < 2 <3 a")
    long = b'<p>a<img alt="seen" src="data:image/png;base64,' + b"A" * 9000 + b'">z</p>'
    assert body(long, b"text/html").markdown == "az"
    assert body(b"<p>one<p>two<p>three", b"text/html").markdown == "one\n\ntwo\n\nthree"


def attached(name: bytes, content: bytes = b"x", kind: bytes = b"application/pdf") -> bytes:
    head = b"Content-Type: " + kind + b"\r\nContent-Disposition: attachment; " + name
    return head + b"\r\n\r\n" + content


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (b'filename="report.pdf"', "report.pdf"),
        (b'filename="../../etc/passwd"', "passwd"),
        (b'filename="C:\\\\dir\\\\evil.exe"', "evil.exe"),
        (b"filename*=utf-8''r%C3%A9sum%C3%A9.pdf", "résumé.pdf"),
        (b"filename*0*=utf-8''a%20;\r\n filename*1=b.pdf", "a b.pdf"),
        (b'filename="=?utf-8?q?=C3=BC.pdf?="', "ü.pdf"),
        ('filename="\u202efdp.exe"'.encode(), "fdp.exe"),
        (b'filename="a\tb|c?.pdf"', "a b_c_.pdf"),
        (b'filename=".."', "attachment-1.pdf"),
        (b"filename*=nonsense''%ff%fe", ""),
        (b"filename*=utf-8''%00%0d%0ax.pdf", "x.pdf"),
        (b"", "attachment-1.pdf"),
        (b'filename="' + b"n" * 300 + b'.pdf"', "n" * 146 + ".pdf"),
    ],
)
def test_file_names_are_made_safe(given: bytes, name: str) -> None:
    (file,) = parse_message(parts(b"mixed", PLAIN, attached(given))).attachments
    assert file.name == name or (not name and file.name)
    assert Path(file.name).name == file.name


def test_file_names_are_unique_within_a_message() -> None:
    same = attached(b"filename=a.pdf")
    raw = parts(b"mixed", same, same, attached(b"filename=A.PDF"))
    assert [file.name for file in parse_message(raw).attachments] == [
        "a.pdf",
        "a (2).pdf",
        "A (3).PDF",
    ]


def test_an_enclosed_message_is_a_file_byte_for_byte() -> None:
    inner = b"From: x@y\r\nSubject: =?bad\r\n\r\n--B-not\r\n.\r\n"
    raw = parts(b"mixed", PLAIN, b"Content-Type: message/rfc822\r\n\r\n" + inner)
    (file,) = parse_message(raw).attachments
    assert (file.name, file.content_type) == ("message-1.eml", "message/rfc822")
    assert file.content == inner


def test_an_inline_image_keeps_its_content_id() -> None:
    image = b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\n\x89PNG"
    (file,) = parse_message(parts(b"related", HTML, image)).attachments
    assert (file.content_id, file.content) == ("logo@x", b"\x89PNG")


def test_content_ends_before_the_line_break_of_the_delimiter() -> None:
    raw = parts(b"mixed", attached(b"filename=a", b"one\r\n\r\n"), attached(b"filename=b", b""))
    assert [file.content for file in parse_message(raw).attachments] == [b"one\r\n\r\n", b""]


def nested(depth: int) -> bytes:
    raw = TOP
    for level in range(depth):
        raw += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (level, level)
    return raw + b"Content-Type: text/plain\r\n\r\nbottom\r\n"


HOSTILE = {
    "empty": b"",
    "headers only": TOP,
    "first line blank": b" x\r\n" + TOP,
    "deep": nested(3000),
    "many parts": parts(b"mixed", *[PLAIN] * 5000),
    "same boundary": TOP + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\n" * 9000,
    "boundary everywhere": TOP
    + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
    + b"--B" * 100_000,
    "nested own boundary": parts(
        b"mixed", *[b"Content-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\n"] * 500
    ),
    "odd boundary": TOP + b'Content-Type: multipart/mixed; boundary="\xff\0("\r\n\r\n--\xff',
    "huge header": b"Subject: " + b"a " * 2_000_000 + b"\r\n\r\n",
    "many words": b"Subject: " + b"=?utf-8?q?a?= " * 100_000 + b"\r\n\r\n",
    "open word": b"Subject: " + b"=?utf-8?q?" * 100_000 + b"\r\n\r\n",
    "many addresses": b"To: " + b"a@b.test," * 200_000 + b"\r\n\r\n",
    "open quotes": b"To: " + b'"\\' * 100_000 + b"\r\n\r\n",
    "escaped quotes": b'To: "' + b'\\"' * 100_000 + b"\\\r\n\r\n",
    "open comments": b"To: " + b"(" * 200_000 + b"\r\n\r\n",
    "open angles": b"To: " + b"<" * 200_000 + b"\r\n\r\n",
    "parameters": TOP + b"Content-Type: text/plain" + b'; a="' * 100_000 + b"\r\n\r\nx",
    "continuations": TOP
    + b"Content-Type: x/y"
    + b"".join(b"; name*%d*=%%" % n for n in range(5000))
    + b"\r\n\r\nx",
    "message id": b"Message-ID: <"
    + b"[" * 5000
    + b"\r\nReferences: "
    + b"<" * 90_000
    + b"\r\n\r\n",
    "many fields": b"X: y\r\n" * 100_000 + b"\r\n",
    "bad base64": TOP + b"Content-Transfer-Encoding: base64\r\n\r\n=====\xff",
    "html": TOP + b"Content-Type: text/html\r\n\r\n" + b"<a href='" * 20_000,
    "html comments": TOP + b"Content-Type: text/html\r\n\r\n" + b"<!--" * 20_000,
    "html entities": TOP + b"Content-Type: text/html\r\n\r\n" + b"&#xFFFFFFFF;&#0;&#xD800;",
    "html declarations": TOP + b"Content-Type: text/html\r\n\r\n<![x<!x<?x</x<![CDATA[",
    "html depth": TOP + b"Content-Type: text/html\r\n\r\n" + b"<b>x" * 50_000,
    "html ends": TOP + b"Content-Type: text/html\r\n\r\n" + b"<b></i>" * 50_000,
    "html open tags": TOP + b"Content-Type: text/html\r\n\r\n" + b"<a b=\"'" * 50_000 + b">",
    "html scripts": TOP + b"Content-Type: text/html\r\n\r\n" + b"<script>" * 50_000,
    "html tables": TOP + b"Content-Type: text/html\r\n\r\n" + b"<table><tr><td>x" * 20_000,
    "html lists": TOP + b"Content-Type: text/html\r\n\r\n" + b"<ul><li>x" * 20_000,
    "html quotes": TOP + b"Content-Type: text/html\r\n\r\n" + b"<blockquote>x\n" * 20_000,
    "html blanks": TOP + b"Content-Type: text/html\r\n\r\n<p>" + b" " * 500_000 + b"x</p>",
    "html image": TOP
    + b'Content-Type: text/html\r\n\r\n<img src="data:image/png;base64,'
    + b"A" * 500_000
    + b'" alt="seen">',
    "blank lines": TOP + b"\r\n" * 200_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_hostile_mail_is_read_somehow_and_soon(raw: bytes) -> None:
    message = parse_message(raw)
    texts = (message.subject, message.from_name, message.markdown, message.list_id)
    assert all(text.encode("utf-8") is not None for text in texts)
    assert len(message.attachments) <= 500


def test_a_text_after_a_large_attachment_is_read() -> None:
    """The limit of a header block counts from its start, so that its body is not read as fields."""
    large = b"Content-Disposition: attachment; filename=a.bin\r\n\r\n" + b"x" * 300_000
    text = "Afterwards,\nContent-Disposition: attachment"
    part = b"Content-Type: text/plain\r\n\r\n" + text.encode().replace(b"\n", b"\r\n")
    message = parse_message(parts(b"mixed", large, part))
    assert (message.markdown, len(message.attachments)) == (text, 1)


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        (b"<mailto:list@lists.example>", "list@lists.example"),
        (b"(moderated) <MAILTO:list%40lists.example?subject=a@b.example> (ok)",
         "list@lists.example"),
        (b"<https://lists.example/post>, <mailto:list@\r\n lists.example>", "list@lists.example"),
        (b"<mailto:a@x.example,b@x.example>, mailto:c@x.example",
         "a@x.example b@x.example c@x.example"),
        (b"NO (posting is not allowed)", ""),
        (b"<mailto:>, <mailto:@>, \xff <mailto:%00@x>", ""),
    ],
)  # fmt: skip
def test_list_post_names_the_address_of_the_list(value: bytes, addresses: str) -> None:
    raw = b"From: a@example.com\r\nList-Post: " + value + b"\r\n\r\nHello.\r\n"
    assert " ".join(parse_message(raw).list_post) == addresses
