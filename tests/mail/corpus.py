"""Messages as mail programs send them, with what a person sees of them.

Each stands for a kind: a charset, a fault of grammar, a structure. `generate` adds ordinary mail in
every combination of charset, transfer encoding and structure.
"""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

HTML = "text/html; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Sample:
    """A message and what a person sees of it; None where a parser may differ.

    Attributes:
        name: What it stands for.
        raw: The whole message.
        text: Words of the body, each of which is shown.
        subject: The subject.
        sender: The address in From.
        sender_name: The name beside it.
        files: The names of its files.
    """

    name: str
    raw: bytes
    text: tuple[str, ...] = ()
    subject: str = "Order 42"
    sender: str = "ann@example.org"
    sender_name: str = "Ann"
    files: tuple[str, ...] = ()


def build(
    body: str | bytes,
    content_type: str | None = PLAIN,
    *,
    encoding: str = "8bit",
    charset: str = "utf-8",
    subject: bytes = b"Order 42",
    sender: bytes = b"Ann <ann@example.org>",
    extra: bytes = b"",
) -> bytes:
    """Return a message with these header values as they are, in CRLF lines."""
    content = body if isinstance(body, bytes) else body.encode(charset)
    head = b"From: %s\nTo: agent@multimail.test\nSubject: %s\n" % (sender, subject)
    head += b"Message-ID: <m1@example.org>\nDate: Mon, 30 Nov 2026 12:00:00 +0000\n"
    head += extra + b"MIME-Version: 1.0\n"
    if content_type is not None:
        head += f"Content-Type: {content_type}\n".encode()
    head += f"Content-Transfer-Encoding: {encoding}\n\n".encode()
    return head.replace(b"\n", b"\r\n") + content


def part(content_type: str, body: str | bytes, *fields: str) -> bytes:
    """Return a part of a multipart; bytes are those of a file, and sent in base64."""
    content = body if isinstance(body, bytes) else body.encode("utf-8")
    if isinstance(body, bytes) and not content_type.startswith(("multipart/", "message/")):
        fields = (*fields, "Content-Transfer-Encoding: base64")
        content = base64.b64encode(body)
    head = "".join(f"{line}\r\n" for line in (f"Content-Type: {content_type}", *fields))
    return head.encode() + b"\r\n" + content


def multipart(*parts: bytes, kind: str = "mixed", boundary: str = "bb") -> tuple[bytes, str]:
    """Return the body of a multipart and its content type."""
    mark = boundary.encode()
    body = b"".join(b"--%s\r\n%s\r\n" % (mark, text) for text in parts) + b"--%s--\r\n" % mark
    return body, f'multipart/{kind}; boundary="{boundary}"'


def _word(text: str | bytes, charset: str = "utf-8", how: str = "b") -> bytes:
    data = text if isinstance(text, bytes) else text.encode(charset)
    coded = base64.b64encode(data) if how == "b" else binascii.b2a_qp(data, header=True)
    return b"=?%s?%s?%s?=" % (charset.encode(), how.encode(), coded)


CHARSETS = (
    # label, codec of the bytes, text
    ("iso-8859-1", "cp1252", "Das Angebot: 1.400 € – „netto“"),
    ("us-ascii", "cp1252", "Fünf Stück"),
    ("ansi_x3.4-1968", "cp1252", "Preis: 20 €"),
    ("iso-8859-9", "cp1254", "Ücret 30 € – “net” Şişli"),
    ("iso-8859-11", "cp874", "ราคา 100 บาท"),
    ("windows-874", "cp874", "ขอบคุณมาก"),
    ("gb2312", "gbk", "镕基堃 收到"),
    ("x-gbk", "gbk", "请发送发票"),
    ("gb18030", "gb18030", "㐂㐃 订单 €"),
    ("hz-gb-2312", "hz", "你好 order"),
    ("big5", "cp950", "請寄發票 €"),
    ("shift_jis", "cp932", "㈱山﨑 ②納品書"),
    ("x-sjis", "cp932", "納品のお知らせ～"),
    ("iso-2022-jp", "iso2022_jp", "ご注文の確認"),
    ("euc-jp", "euc_jp", "配送状況"),
    ("ks_c_5601-1987", "cp949", "펲시 주문 확인"),
    ("euc-kr", "cp949", "똠방각하 배송"),
    ("iso-2022-kr", "iso2022_kr", "주문 확인"),
    ("koi8-r", "koi8_r", "Оплата получена"),
    ("koi8-u", "koi8_u", "Оплату отримано їжак"),
    ("windows-1251", "cp1251", "Заказ отправлен — спасибо"),
    ("iso-8859-5", "iso8859_5", "Пора платить"),
    ("iso-8859-2", "iso8859_2", "Zażółć gęślą jaźń"),
    ("iso-8859-8-i", "iso8859_8", "שלום ותודה"),
    ("windows-1255", "cp1255", "תודה רבה ₪ 20"),
    ("windows-1256", "cp1256", "شكرا لكم"),
    ("cp850", "cp850", "Größe: 5 ½"),
    ("macintosh", "mac_roman", "Übermäßig “gut”"),
    ("utf-7", "utf_7", "Größe – fünf"),
    ("utf-16", "utf-16", "Angebot über 5 €"),
    ("UTF8", "utf-8", "Grüße aus Köln"),
    ('"utf-8"', "utf-8", "Grüße aus Bonn"),
    ("unknown-8bit", "utf-8", "Grüße aus Ulm"),
)
TEXT_TYPES = (
    "text/plain charset=utf-8",
    "text/plain (a comment); charset=utf-8",
    "text/plain; (a comment) charset=utf-8",
    "text/plain;; charset=utf-8",
    "text/plain, charset=utf-8",
    "TEXT/PLAIN; CHARSET=UTF-8",
    "text/plain; charset = utf-8",
    "text/plain; charset=utf-8; charset=utf-8",
    "text/plain; charset=utf-8;",
    'text/plain; charset="utf-8',
    "text; charset=utf-8",
    "text/; charset=utf-8",
    "plain; charset=utf-8",
    "text/plain\r\n\t; charset=utf-8",
    "text/plain; format=fixed; charset=utf-8 (Latin)",
    " text/plain; charset=utf-8",
    "text/plain;charset=utf-8;reply-type=original",
    "text /plain; charset=utf-8",
)
ENCODINGS = (
    ("base64 (as it should be)", "b"),
    ('"base64"', "b"),
    ("base64;", "b"),
    ("BASE64", "b"),
    ("base64 ", "b"),
    ("quoted-printable (x)", "q"),
    ("Quoted-Printable;", "q"),
    ("8-bit", ""),
    ("8bit;", ""),
    ("binary", ""),
    ("none", ""),
    ("utf-8", ""),
)
SUBJECTS = (
    ("split-character", b"=?utf-8?q?M=C3?= =?utf-8?q?=BCll?=", "Müll"),
    ("split-base64", b"=?utf-8?b?R3LDvMM=?=\n =?utf-8?b?n2U=?=", "Grüße"),
    (
        "shift-state",
        _word("注文の", "iso-2022-jp") + b"\n " + _word("変更", "iso-2022-jp"),
        "注文の変更",
    ),
    ("latin1", _word("100 € – ok".encode("cp1252"), "iso-8859-1"), "100 € – ok"),
    ("language", b"=?utf-8*de?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    ("space-in-q", b"=?utf-8?q?Gr=C3=BC=C3=9Fe aus K=C3=B6ln?=", "Grüße aus Köln"),
    ("unpadded", b"=?utf-8?b?R3LDvMOfZQ?=", "Grüße"),
    ("upper-case", b"=?UTF-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
    ("text-between", b"A =?utf-8?q?=C3=BC?= B =?utf-8?q?=C3=B6?=", "A ü B ö"),
    ("two-charsets", b"=?iso-8859-1?q?=FC?= =?utf-8?q?=C3=B6?=", "üö"),
    ("raw-utf-8", "Grüße 42".encode(), "Grüße 42"),
    ("folded", b"A long\n subject", "A long subject"),
)
SENDERS = (
    ("quoted-comma", b'"Smith, Ann" <ann@example.org>', "Smith, Ann"),
    ("unquoted-comma", b"Smith, Ann <ann@example.org>", "Smith, Ann"),
    ("unquoted-dot", b"A. B. Smith <ann@example.org>", "A. B. Smith"),
    ("unquoted-colon", b"Ann: Support <ann@example.org>", "Ann: Support"),
    ("brackets", b"[Shop] Ann <ann@example.org>", "[Shop] Ann"),
    ("encoded", _word("Jürgen Groß") + b" <ann@example.org>", "Jürgen Groß"),
    ("encoded-in-quotes", b'"' + _word("Jürgen Groß") + b'" <ann@example.org>', "Jürgen Groß"),
    ("raw-utf-8", "Jürgen Groß <ann@example.org>".encode(), "Jürgen Groß"),
    ("semicolon", b"Ann <ann@example.org>;", "Ann"),
    ("comma-at-end", b"Ann <ann@example.org>,", "Ann"),
    ("no-blank", b"Ann<ann@example.org>", "Ann"),
    ("upper-case", b"Ann <ANN@EXAMPLE.ORG>", "Ann"),
    ("apostrophes", b"'Ann' <ann@example.org>", "'Ann'"),
)
FILE_NAMES = (
    ("plain", "filename=list.pdf", "list.pdf"),
    ("quoted", 'filename="my list.pdf"', "my list.pdf"),
    ("extended", "filename*=utf-8''%C3%9Cbersicht.pdf", "Übersicht.pdf"),
    ("both", "filename=\"x.pdf\"; filename*=utf-8''%C3%9Cbersicht.pdf", "Übersicht.pdf"),
    ("both-reversed", "filename*=utf-8''%C3%9Cbersicht.pdf; filename=\"x.pdf\"", "Übersicht.pdf"),
    ("pieces", 'filename*0="a long "; filename*1="name.pdf"', "a long name.pdf"),
    ("pieces-coded", "filename*0*=utf-8''%C3%9C; filename*1*=ber.pdf", "Über.pdf"),
    ("split-character", "filename*0*=utf-8''%C3; filename*1*=%9Cber.pdf", "Über.pdf"),
    ("word", f'filename="{_word("Übersicht.pdf").decode()}"', "Übersicht.pdf"),
    ("latin1", "filename*=iso-8859-1'de'%DCber.pdf", "Über.pdf"),
    ("unquoted-blank", "filename=my list.pdf", "my list.pdf"),
)


def samples() -> Iterator[Sample]:
    """Yield every sample."""
    yield from _charsets()
    yield from _grammar()
    yield from _headers()
    yield from _structures()


def _charsets() -> Iterator[Sample]:
    for label, codec, text in CHARSETS:
        name = label.strip('"') + ("-quoted" if '"' in label else "")
        data = base64.encodebytes(text.encode(codec)).replace(b"\n", b"\r\n")
        yield Sample(
            f"charset-{name}",
            build(data, f"text/plain; charset={label}", encoding="base64"),
            (text,),
        )
    page = '<html><head><meta charset="windows-1251"></head><body><p>Счёт 77</p></body></html>'
    yield Sample("html-meta-charset", build(page, "text/html", charset="cp1251"), ("Счёт 77",))
    old = page.replace(
        'charset="windows-1251"',
        'http-equiv="Content-Type" content="text/html; charset=windows-1251"',
    )
    yield Sample("html-meta-http-equiv", build(old, "text/html", charset="cp1251"), ("Счёт 77",))


def _grammar() -> Iterator[Sample]:
    words = ("Die Rechnung ist über 42 €.",)
    for number, declared in enumerate(TEXT_TYPES):
        yield Sample(f"type-{number}", build(words[0] + "\r\n", declared), words)
    for number, (encoding, how) in enumerate(ENCODINGS):
        data = words[0].encode()
        body = {"b": base64.encodebytes(data), "q": binascii.b2a_qp(data), "": data}[how]
        yield Sample(f"encoding-{number}", build(body, encoding=encoding), words)
    body, declared = multipart(part(PLAIN, "Inside."))
    inner = base64.encodebytes(body)
    yield Sample("multipart-in-base64", build(inner, declared, encoding="base64"), ("Inside.",))
    twice = f"multipart/mixed; {declared}"
    yield Sample("multipart-twice", build(body, twice), ("Inside.",))
    pieces = b"".join(base64.b64encode(line) + b"\r\n" for line in (b"Line one,\r\n", b"line two."))
    yield Sample("base64-in-pieces", build(pieces, encoding="base64"), ("Line one,", "line two."))
    long = "<p>Order 7 left.</p>" + "<i>x</i>" * 4000
    yield Sample("long-line", build(long, HTML), ("Order 7 left.",))
    flowed = "A link: https://example.org/a/ \r\nb?c=d today.\r\n"
    yield Sample(
        "flowed-delsp",
        build(flowed, "text/plain; charset=utf-8; format=flowed; delsp=yes"),
        ("https://example.org/a/b?c=d today.",),
    )
    yield Sample(
        "flowed",
        build("One \r\ntwo \r\nthree.\r\n", "text/plain; format=flowed"),
        ("One two three.",),
    )


def _headers() -> Iterator[Sample]:
    for name, raw, subject in SUBJECTS:
        yield Sample(f"subject-{name}", build("Text.", subject=raw), ("Text.",), subject)
    koi8 = build(
        "Оплата", "text/plain; charset=koi8-r", charset="koi8-r", subject="Счёт 5".encode("koi8-r")
    )
    yield Sample("subject-raw-koi8", koi8, ("Оплата",), "Счёт 5")
    for name, raw, shown in SENDERS:
        yield Sample(f"sender-{name}", build("Text.", sender=raw), ("Text.",), sender_name=shown)
    dots = b"Taro <taro..y.@docomo.example>"
    yield Sample(
        "sender-dots",
        build("Text.", sender=dots),
        ("Text.",),
        sender="taro..y.@docomo.example",
        sender_name="Taro",
    )
    for name, parameters, file in FILE_NAMES:
        body, declared = multipart(
            part(PLAIN, "See the file."),
            part(
                "application/pdf", b"%PDF-1.4 x", f"Content-Disposition: attachment; {parameters}"
            ),
        )
        yield Sample(f"file-{name}", build(body, declared), ("See the file.",), files=(file,))


def _structures() -> Iterator[Sample]:
    text, page = part(PLAIN, "Plain words."), part(HTML, "<p>Page <b>words</b>.</p>")
    picture = part(
        "image/png",
        b"\x89PNG",
        "Content-Disposition: inline; filename=logo.png",
        "Content-ID: <logo>",
    )
    file = part("application/pdf", b"%PDF-1.4", "Content-Disposition: attachment; filename=a.pdf")
    body, declared = multipart(text, page, kind="alternative")
    yield Sample("alternative", build(body, declared), ("Plain words.",))
    inner, kind = multipart(text, page, kind="alternative", boundary="inner")
    body, declared = multipart(part(kind, inner), file)
    yield Sample("alternative-and-file", build(body, declared), ("Plain words.",), files=("a.pdf",))
    body, declared = multipart(page, picture, kind="related")
    yield Sample("related", build(body, declared), ("Page", "words"), files=("logo.png",))
    body, declared = multipart(text, picture, part(PLAIN, "After the picture."))
    yield Sample(
        "text-after-picture",
        build(body, declared),
        ("Plain words.", "After the picture."),
        files=("logo.png",),
    )
    forwarded = build("I want my money back.", subject=b"Refund")
    body, declared = multipart(text, part("message/rfc822", forwarded))
    yield Sample("forward", build(body, declared), ("Plain words.",), files=("message-1.eml",))
    body, declared = multipart(text, kind="mixed")
    yield Sample("not-closed", build(body.removesuffix(b"--bb--\r\n"), declared), ("Plain words.",))
    yield Sample("no-type", build("Just text.", None), ("Just text.",))
    named = f'{PLAIN}; name="note.txt"'
    yield Sample("named-body", build("The note itself.", named), ("The note itself.",))
    csv = part(
        "text/csv; charset=iso-8859-1",
        "Müller;5".encode("latin-1"),
        "Content-Disposition: attachment; filename=list.csv",
    )
    body, declared = multipart(text, csv)
    yield Sample("csv", build(body, declared), ("Plain words.",), files=("list.csv",))


def generate(count: int, seed: int) -> Iterator[Sample]:
    """Yield ordinary mail as the standard library writes it, in random combinations."""
    chosen = random.Random(seed)
    words = [
        "Angebot",
        "naïve",
        "Größe",
        "注文",
        "Счёт",
        "offer",
        "42€",
        "–",
        "a=b",
        "From",
        ".",
        "--x",
    ]
    for number in range(count):
        text = "\n".join(
            " ".join(chosen.choices(words, k=chosen.randint(1, 12)))
            for _ in range(chosen.randint(1, 6))
        )
        subject = " ".join(chosen.choices(words, k=chosen.randint(1, 9)))
        message = EmailMessage(policy=SMTP)
        message["From"] = f'"{chosen.choice(words)}" <ann@example.org>'
        message["To"] = "agent@multimail.test"
        message["Subject"] = "subject"
        message["Message-ID"] = f"<g{number}@example.org>"
        message.set_content(text, cte=chosen.choice(("base64", "quoted-printable", "8bit")))
        files = [f"Datei {n} ü.bin" for n in range(chosen.randint(0, 2))]
        if chosen.random() < 0.5:
            message.add_alternative(f"<p>{text}</p>", subtype="html")
        for name in files:
            content = chosen.randbytes(chosen.randint(0, 200) + 1)
            message.add_attachment(
                content, maintype="application", subtype="octet-stream", filename=name
            )
        # The standard library loses blanks between the encoded words that it writes.
        coded = b"Subject: " + _word(subject)
        yield Sample(
            f"generated-{number}",
            message.as_bytes().replace(b"Subject: subject", coded, 1),
            tuple(filter(str.strip, text.split("\n"))),
            subject,
            sender_name=str(message["From"].addresses[0].display_name),
            files=tuple(files),
        )
