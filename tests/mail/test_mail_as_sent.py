"""Mail as programs really send it: header fields and types outside of the grammar are read."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from multimail_server.mail.headers import decode_unstructured, get_parameter
from multimail_server.mail.message import parse_message


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"=?utf-8?B?QmzDvGjDvA==?=", "Blühü"),
        (b"=?utf-8?Q?Z=C3?=\r\n =?UTF-8?q?=BCrich?=", "Zürich"),
        (b"=?utf-8?Q?Z=C3?= =?utf-8*de?B?vHJpY2g=?=", "Zürich"),
        (b"=?utf-8?B?WsO8cml?= =?utf-8?B?jaCDDvA==?=", "Zürich ü"),
        (b"=?iso-2022-jp?B?GyRCOWI=?= =?iso-2022-jp?B?OWIbKEI=?=", "高高"),
        (b"=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?= b", "aé b"),
        (b"=?utf-8?Q?two words_here?=", "two words here"),
        (b"=?utf-8?B?WsO8cmljaA?=", "Zürich"),
        (b"=?utf-8?B?WsO8 cmlj aA==?=", "Zürich"),
        (b"=?utf-8?B?WsO8cmljaA==", "Zürich"),
        (b"=?utf-8?Q?cut_off_=C3=BC", "cut off ü"),
        (b"=?utf-8?Q?Really??= =?utf-8?Q?_yes?=", "Really? yes"),
        (b"=?utf-8?Q?Why?=20not?=", "Why? not"),
        (b"Re:=?utf-8?q?=c3=bc?=, done", "Re:ü, done"),
        (b"=?iso-8859-1?Q?=80_5?=", "€ 5"),
        (b"=?utf-8?Q?Z\xc3\xbcrich?=", "Zürich"),
        (b"=?x-sjis?B?g1iDUQ==?=", "スゲ"),
        (b"caf\xe9", "café"),
        (b"1 =? 2 ?= 3", "1 =? 2 ?= 3"),
        ("Zürich".encode(), "Zürich"),
    ],
)
def test_encoded_words_are_read_as_programs_write_them(value: bytes, text: str) -> None:
    assert decode_unstructured(value) == text


def test_raw_bytes_in_a_header_are_in_the_charset_of_the_body() -> None:
    message = parse_message(
        b"From: " + "Иван".encode("koi8-r") + b" <ivan@example.com>\r\n"
        b"Subject: " + "Счёт".encode("koi8-r") + b"\r\n"
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/plain; charset=koi8-r\r\n\r\n" + "Да".encode("koi8-r") + b"\r\n--b\r\n"
        b'Content-Disposition: attachment; filename="'
        + "Чек".encode("koi8-r")
        + b'.pdf"\r\n\r\nx\r\n'
        b"--b--\r\n"
    )
    assert (message.subject, message.from_name, message.markdown) == ("Счёт", "Иван", "Да")
    assert [file.name for file in message.attachments] == ["Чек.pdf"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain (a comment)", "(a comment) text/plain", "text/plain charset=utf-8",
        "text/plain, charset=utf-8", "text/plain;;; charset=utf-8", "TEXT / Plain", '"text/plain"',
        "text", "text/", "plain", "text/plain/", "text\\plain", "text/plain; charset", "",
        "; charset=utf-8", "charset=utf-8", "text/x-markdown", "text/enriched", "text/x-unheard-of",
        "text/plain; name", "text/plain;\r\n\tcharset=\"utf-8", "text/plain; text/html",
        "nonsense", "multipart/mixed", "multipart/mixed; boundary=other",
        "text/plain\r\nContent-Type: image/png",
    ],
)  # fmt: skip
def test_no_fault_of_a_content_type_turns_text_into_a_file(content_type: str) -> None:
    raw = f"Content-Type: {content_type}\r\n\r\nZürich 42".encode()
    message = parse_message(raw)
    assert (message.markdown, message.attachments) == ("Zürich 42", ())


@pytest.mark.parametrize(
    ("content_type", "encode"),
    [
        ("multipart/mixed; multipart/mixed; boundary=b", None),
        ("multipart/multipart/mixed; boundary=b", None),
        ("multipart; boundary=b", None),
        ("nonsense; boundary=b", None),
        ("multipart/mixed boundary=b", None),
        ("multipart/mixed; boundary='b'", None),
        ("multipart/mixed; boundary=\"b", None),
        ("multipart/mixed; boundary=b; boundary=c", None),
        ("multipart/mixed; boundary*=us-ascii''b", None),
        ("multipart/mixed; boundary*0=b; x=y", None),
        ("multipart/mixed", None),
        ("multipart/mixed; boundary=other", None),
        ("multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64", None),
        ("multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64", base64.encodebytes),
    ],
)  # fmt: skip
def test_a_multipart_is_found(content_type: str, encode: Callable[[bytes], bytes] | None) -> None:
    body = b"--b\r\nContent-Type: text/plain\r\n\r\nHello 42\r\n--b--\r\n"
    raw = f"Content-Type: {content_type}\r\n\r\n".encode() + (
        encode(body) if callable(encode) else body
    )
    message = parse_message(raw)
    assert (message.markdown, message.attachments) == ("Hello 42", ())


SENTENCE = "Hello Ann, your order has been shipped today. ok"
LINES = base64.b64encode(SENTENCE.encode()).decode()


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        ("base64 (MIME)", "SGVsbG8gNDI=", "Hello 42"),
        ('"base64"', "SGVsbG8gNDI=", "Hello 42"),
        ("base64;", "SGVsbG8gNDI=", "Hello 42"),
        ("Base-64", "SGVsbG8gNDI=", "Hello 42"),
        ("quoted_printable", "Hello=20=\r\n42", "Hello 42"),
        ("quoted-printable (x)", "Hello = \r\n42", "Hello 42"),
        ("8-bit", "Hello 42", "Hello 42"),
        ("unheard-of", "Hello 42", "Hello 42"),
        ("8bit\r\nContent-Transfer-Encoding: base64", "SGVsbG8gNDI=", "Hello 42"),
        ("x-uuencode", "begin 644 a.txt\r\n(2&5L;&\\@-#( \r\n`\r\nend\r\n", "Hello 42"),
        ("base64", "SGVsbG8=\r\nIDQy", "Hello 42"),
        ("base64", "Hello, this is 42.", "Hello, this is 42."),
        ("base64", "SGVs bG8g\r\n\r\nNDI", "Hello 42"),
        ("base64", "SGVsbG8gNDI=\r\n\r\n___________\r\nList mailing list\r\n", "Hello 42"),
        ("base64", f"{LINES}\r\n-- \r\nUnsubscribe at https://example.com\r\nBye\r\n", SENTENCE),
    ],
)  # fmt: skip
def test_transfer_encodings_are_read_also_damaged(encoding: str, body: str, text: str) -> None:
    raw = f"Content-Transfer-Encoding: {encoding}\r\n\r\n{body}".encode()
    assert parse_message(raw).markdown == text


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"a; filename=\"_x.pdf\"; filename*=utf-8''%C3%9Cx.pdf", "Üx.pdf"),
        (b"a; filename*=iso-8859-1'de'%DCx.pdf; filename=x", "Üx.pdf"),
        (b"a; filename*0*=utf-8''%C3; filename*1*=%9Cx; filename*2=.pdf", "Üx.pdf"),
        (b"a; filename*2=.pdf; filename*0*=utf-8''%C3; filename*1*=%9Cx", "Üx.pdf"),
        (b"a; filename*=%C3%9Cx.pdf", "Üx.pdf"),
        (b'a; filename*0="=?utf-8?B?w5x4"; filename*1="LnBkZg==?="', "=?utf-8?B?w5x4LnBkZg==?="),
        (b'a; filename="\xc3\x9cx.pdf"', "Üx.pdf"),
        (b'a; filename="\xdcx.pdf"', "Üx.pdf"),
        (b"a; filename=my report (1).pdf; size=3", "my report (1).pdf"),
        (b"a; filename=my report.pdf size=3", "my report.pdf"),
        (b'a; filename="C:\\temp\\a.pdf"', "C:\\temp\\a.pdf"),
        (b'a; filename="a\\"b.pdf"', 'a"b.pdf'),
        (b'a; filename="a;b=c.pdf"', "a;b=c.pdf"),
        (b"a (filename=x.pdf); filename=y.pdf", "y.pdf"),
        (b"a; filename", ""),
    ],
)
def test_file_names_are_read_in_every_form(field: bytes, name: str) -> None:
    assert get_parameter(field, "filename") == name


PLAIN = b"Content-Type: text/plain%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n"


@pytest.mark.parametrize(
    ("parts", "text", "names"),
    [
        ([PLAIN % (b"; name=body.txt", b"inline", b"Hello")], "Hello", []),
        ([PLAIN % (b"", b"attachment; filename=a.txt", b"Hello")], "Hello", []),
        (
            [
                PLAIN % (b"; name=body.txt", b"inline", b"Hello"),
                PLAIN % (b"", b"attachment; filename=a.txt", b"file"),
            ],
            "Hello",
            ["a.txt"],
        ),
        (
            [
                PLAIN % (b"", b"inline", b"Hello"),
                PLAIN % (b"", b"inline; filename=notes.txt", b"file"),
                PLAIN % (b"", b"attachment; filename=a.txt", b"file"),
            ],
            "Hello",
            ["notes.txt", "a.txt"],
        ),
        (
            [PLAIN % (b"", b"inline", b""), PLAIN % (b"", b"attachment; filename=a.txt", b"file")],
            "",
            ["a.txt"],
        ),
    ],
)
def test_a_named_text_is_the_body_only_where_no_other_is(
    parts: list[bytes], text: str, names: list[str]
) -> None:
    body = b"".join(b"--b\r\n" + part for part in parts)
    message = parse_message(
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + body + b"--b--\r\n"
    )
    assert (message.markdown, [file.name for file in message.attachments]) == (text, names)


@pytest.mark.parametrize(
    ("parameters", "body", "text"),
    [
        ("format=flowed; delsp=yes", "https://example.com/a \nb?c", "https://example.com/ab?c"),
        ("format=flowed", "one \ntwo\nthree", "one two\nthree"),
        ("FORMAT=Flowed", "> one \n> two\n>> deep \n>> er\nown", "> one two\n>> deep er\nown"),
        ("format=flowed", "text \n-- \nAnn \nB", "text \n-- \nAnn B"),
        ("format=flowed", " From here\n >no quote\n  two", "From here\n >no quote\n two"),
        ("format=flowed; delsp=yes", "> one \nanswer \nmore", "> one\nanswermore"),
        ("charset=utf-8", "one \ntwo", "one \ntwo"),
    ],
)
def test_flowed_text_is_joined(parameters: str, body: str, text: str) -> None:
    raw = f"Content-Type: text/plain; {parameters}\r\n\r\n{body}".replace("\n", "\r\n")
    assert parse_message(raw.replace("\r\r", "\r").encode()).markdown == text


def test_a_part_without_the_empty_line_before_its_text_is_read() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nHello there\r\n--b--\r\n"
    assert parse_message(raw).markdown == "Hello there"


def test_a_named_body_in_two_versions_with_pictures_is_read() -> None:
    html = b"Content-Type: text/html; name=body.html\r\n\r\n<p>Hello <b>you</b></p>\r\n"
    image = b"Content-Type: image/png; name=a.png\r\n\r\npng\r\n"
    related = b"--i\r\n" + html + b"--i\r\n" + image + b"--i--\r\n"
    message = parse_message(
        b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        + PLAIN % (b"; name=body.txt", b"inline", b"Hello you")
        + b"--b\r\nContent-Type: multipart/related; boundary=i\r\n\r\n"
        + related
        + b"--b--\r\n"
    )
    assert message.markdown == "Hello you"
    assert [file.name for file in message.attachments] == ["a.png"]


def test_html_for_watches_and_amp_is_the_last_choice() -> None:
    part = b"--b\r\nContent-Type: text/%s\r\n\r\n<p>%s</p>\r\n"
    head = b"Content-Type: multipart/alternative; boundary=b\r\n\r\n"
    amp = part % (b"x-amp-html", b"amp")
    both = parse_message(head + part % (b"html", b"html") + amp + b"--b--\r\n")
    assert (both.markdown, both.attachments) == ("html", ())
    assert parse_message(head + amp + b"--b--\r\n").markdown == "amp"
