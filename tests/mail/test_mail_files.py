"""Attachments as text: messages, text in its charset, and documents within their bounds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from multimail_server.mail import documents
from multimail_server.mail.body import parse_tree
from multimail_server.mail.file_text import MAX_FILE_CHARS, FileText, read_file_text
from multimail_server.mail.message import list_files

TOP = b"From: ann@example.org\r\nMIME-Version: 1.0\r\n"
PDF = "application/pdf"


def read(content: bytes, content_type: str, name: str = "file", body_charset: str = "") -> FileText:
    head = f'Content-Type: {content_type}\r\nContent-Disposition: attachment; filename="{name}"'
    boundary = (
        b"Content-Type: multipart/mixed; boundary=BOUND\r\n\r\n--BOUND\r\n\r\nHi\r\n--BOUND\r\n"
    )
    raw = TOP + boundary + head.encode() + b"\r\n\r\n" + content + b"\r\n--BOUND--\r\n"
    (part,) = list_files(parse_tree(raw))
    assert part.content() == content
    return read_file_text(part, name, body_charset)


@pytest.mark.parametrize(
    ("content", "content_type", "name", "text"),
    [
        ("Grüße;1".encode("latin-1"), "text/csv; charset=iso-8859-1", "a.csv", "Grüße;1"),
        ("Grüße;€".encode("cp1252"), "text/csv", "a.csv", "Grüße;€"),
        ("Grüße".encode(), "text/csv", "a.csv", "Grüße"),
        ("Grüße".encode("utf-16"), "text/csv", "a.csv", "Grüße"),
        ("\ufeffGrüße".encode("utf-16-be"), "application/octet-stream", "a.csv", "Grüße"),
        ("\ufeffGrüße".encode(), "text/plain; charset=iso-8859-1", "a.txt", "Grüße"),
        ("Привет".encode("koi8-r"), "text/plain; charset=koi8-r", "a.txt", "Привет"),
        (b'{"a": 1}', "application/json", "a.json", '{"a": 1}'),
        (b"<a>1</a>", "application/atom+xml", "a.xml", "<a>1</a>"),
        (
            '<?xml version="1.0" encoding="koi8-r"?><a>Да</a>'.encode("koi8-r"),
            "text/xml",
            "a.xml",
            '<?xml version="1.0" encoding="koi8-r"?><a>Да</a>',
        ),
        (b"<p>Hi <b>you</b><i hidden>secret</i>", "text/html", "a.html", "Hi **you**"),
        (b"BEGIN:VEVENT\nSUMMARY:Tea\nEND:VEVENT", "text/calendar", "a.ics", "Event: Tea"),
        (b"a;b", "application/vnd.ms-excel", "a.csv", "a;b"),
        (b"Action: failed", "message/delivery-status", "a", "Action: failed"),
        (b"\xd0\xcf\x11\xe0\0", "application/vnd.ms-excel", "a.csv", None),
        (b"{\\rtf1 x}", "text/rtf", "a.rtf", None),
        (b"\x89PNG\r\n", "image/png", "a.png", None),
        (b"MZ\0\0", "application/octet-stream", "a.exe", None),
    ],
)
def test_files_are_read_as_text(
    content: bytes, content_type: str, name: str, text: str | None
) -> None:
    result = read(content, content_type, name).text
    assert result == text or (text and result and name.endswith(".ics") and text in result)


@pytest.mark.parametrize(
    ("codec", "body_charset", "text"),
    [
        ("cp1251", "windows-1251", "Лампа;3"),
        ("cp932", "iso-2022-jp", "ランプ,①"),
        ("gbk", "gb2312", "灯具,3"),
        ("utf-8", "big5", "燈,3"),
        ("cp1252", "utf-8", "Müller;5 €"),
        ("cp1252", "euc-kr", "Müller;5 €"),
    ],
)
def test_a_file_without_a_charset_is_in_that_of_the_message(
    codec: str, body_charset: str, text: str
) -> None:
    file = read(text.encode(codec), "text/csv", "a.csv", body_charset)
    assert (file.text, file.removed) == (text, ())


def test_what_html_hides_is_said() -> None:
    assert read(b"<p>Hi<i hidden>x</i>", "text/html", "a.html").removed == ("1 hidden element",)


def test_a_long_text_is_cut() -> None:
    file = read(b"x" * (MAX_FILE_CHARS + 1), "text/plain", "a.txt")
    assert (len(file.text or ""), file.notes) == (MAX_FILE_CHARS, ("cut",))


def enclose(inner: bytes, text: str) -> bytes:
    return (
        f"From: =?utf-8?q?J=C3=B6rg?= <bob@example.net>\r\nSubject: {text}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: multipart/mixed; boundary=X{text}\r\n\r\n--X{text}\r\n\r\n{text} body\r\n"
        f"--X{text}\r\nContent-Type: message/rfc822\r\n\r\n"
    ).encode() + inner + f"\r\n--X{text}--\r\n".encode()  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "name"),
    [("message/rfc822", "a"), ("application/octet-stream", "a.eml"), ("text/plain", "a.eml")],
)
def test_an_enclosed_message_is_read_with_what_it_encloses(content_type: str, name: str) -> None:
    inner = b"Subject: six\r\n\r\nsix body"
    for text in ("five", "four", "three", "two", "one"):
        inner = enclose(inner, text)
    result = read(inner, content_type, name).text or ""
    assert "From: Jörg <bob@example.net>\nSubject: one\nAttachments: " in result
    assert [word in result for word in ("one body", "four body", "five body")] == [
        True,
        True,
        False,
    ]


def make_docx(*paragraphs: str, hidden: str = "") -> bytes:
    docx: Any = pytest.importorskip("docx")
    document = docx.Document()
    for text in paragraphs:
        document.add_paragraph(text).add_run(hidden).font.hidden = True
    document.add_table(1, 2).rows[0].cells[1].text = "cell"
    return save(document.save)


def make_xlsx() -> bytes:
    book: Any = pytest.importorskip("openpyxl").Workbook()
    book.active.append(["parcels", 42, None, "late"])
    book.create_sheet("secret").sheet_state = "hidden"
    book["secret"].append(["unseen"])
    return save(book.save)


def make_pptx() -> bytes:
    show: Any = pytest.importorskip("pptx").Presentation()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "parcels"
    return save(show.save)


def make_pdf(text: str = "42 parcels") -> bytes:
    stream = f"BT /F1 12 Tf 20 20 Td ({text}) Tj ET".encode()
    font = b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R" + font,
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj%sendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % len(body)
    return body + b"xref\n0 5\n0000000000 65535 f \n" + table + trailer


def make_zip(**members: bytes) -> bytes:
    return save(lambda target: write_zip(target, members))


def write_zip(target: BytesIO, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/") + ".xml", content)


def save(write: Callable[[BytesIO], object]) -> bytes:
    target = BytesIO()
    write(target)
    return target.getvalue()


ODT = (
    b'<d xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
    b"<text:p>42 <text:span>parcels</text:span></text:p></d>"
)


@pytest.mark.parametrize(
    ("make", "lines"),
    [
        (make_pdf, ["42 parcels"]),
        (lambda: make_docx("42 parcels", hidden="unseen"), ["42 parcels", " | cell"]),
        (make_xlsx, ["Sheet: Sheet", "parcels\t42\t\tlate"]),
        (make_pptx, ["Slide 1:", "parcels"]),
        (lambda: make_zip(content=ODT), ["42 parcels"]),
    ],
)
def test_documents_are_read(make: Callable[[], bytes], lines: list[str]) -> None:
    pytest.importorskip("pypdf")
    text, notes = documents.read_document(make())
    assert ((text or "").splitlines(), notes) == (lines, ("hidden_text_possible",))


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb">]><a>&b;</a>'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.4 no more",
        b"PK\x03\x04",
        make_zip(content=BOMB),
        make_zip(word__document=BOMB),
        make_zip(word__document=b" " * (documents.MAX_UNPACKED + 1)),
    ],
)
def test_broken_and_hostile_documents_are_unreadable(content: bytes) -> None:
    pytest.importorskip("pypdf")
    assert documents.read_document(content) == (None, ("unreadable",))


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_MODULES", ("not_installed",))
    assert read(make_pdf(), PDF, "a.pdf") == FileText(None, ("needs_extra",))
