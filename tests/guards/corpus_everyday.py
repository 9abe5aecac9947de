"""Everyday mail: the bodies, shapes, headers and scripts that honest programs write."""

from __future__ import annotations

import base64
import quopri
from collections.abc import Iterator

from tests.guards.corpus_case import BANK, CLUB, MAILBOX, SHOP, Case, keys, letter, multipart, part
from tests.guards.corpus_honest import ANN, HELLO, ann, good, plain
from tests.guards.corpus_signing import signed


def cases() -> Iterator[Case]:
    """Return the cases."""
    yield from _bodies()
    yield from _shapes()
    yield from _headers()
    yield from _international()


def _bodies() -> Iterator[Case]:
    for name, body, shown in (
        ("an empty body", "", ""),
        ("blank lines at the end", "Hello.\r\n\r\n\r\n", "Hello."),
        ("blanks at the ends of lines", "Hello.  \r\n\t\r\nBye.\t ", "Bye."),
        ("dots at the starts of lines", "Hello.\r\n.\r\n..two\r\n.one", ".one"),
        ("a line of 900 characters", "word " * 180, "word"),
        ("a line that begins with From", "Hello.\r\nFrom here on it is easy.", "From here on"),
    ):
        for c in ("relaxed/relaxed", "simple/simple"):
            raw = signed(letter(body, From=ANN), BANK, c=c)
            yield good(f"{name}, {c}", raw, BANK, *filter(None, [shown]))
    encoded = base64.encodebytes("Grüße aus Köln".encode()).replace(b"\n", b"\r\n")
    yield good("base64", ann(encoded, Content_Transfer_Encoding="base64"), BANK, "Grüße")
    quoted = quopri.encodestring("Grüße = Köln".encode()).replace(b"\n", b"\r\n")
    message = ann(quoted, Content_Transfer_Encoding="quoted-printable")
    yield good("quoted-printable", message, BANK, "Grüße = Köln")


_PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def _shapes() -> Iterator[Case]:
    both = (part("At noon."), part("<p>At <b>noon</b>.</p>", "text/html; charset=utf-8"))
    image = part(_PICTURE, "image/png", Content_Transfer_Encoding="base64", Content_ID="<logo>")
    invite = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nEND:VEVENT\r\nEND:VCALENDAR"
    calendar = part(invite, "text/calendar; method=REQUEST; charset=utf-8")
    seal = part("-----BEGIN PGP SIGNATURE-----", "application/pgp-signature")
    report = part("Reporting-MTA: dns; mx.example", "message/delivery-status")
    kind, inner = multipart("alternative", *both, boundary="in")
    nested = part(inner, kind)
    pdf = part("JVBERi0=", 'application/pdf; name="a.pdf"', Content_Transfer_Encoding="base64")
    for name, (shape, body) in {
        "two forms": multipart("alternative", *both),
        "a picture beside HTML": multipart("related", both[1], image),
        "a file": multipart("mixed", both[0], pdf),
        "two forms and a file": multipart("mixed", nested, pdf),
        "a calendar invite": multipart("alternative", *both, calendar),
        "an OpenPGP signature": multipart("signed", both[0], seal),
        "a forwarded message": multipart("mixed", both[0], part(ann(), "message/rfc822")),
        "a report": multipart("report", part("At noon."), report),
    }.items():
        yield good(name, ann(body, Content_Type=shape), BANK, "oon")
    html = "<html><head><title>News</title><style>p{color:#333}</style></head><body><p>At noon.</p>"
    page = ann(html, Content_Type="text/html; charset=utf-8")
    yield good("HTML alone", page, BANK, "At noon.")
    cited = f"---------- Forwarded message ---------\r\nFrom: <x@{SHOP}>\r\nTo: <{ANN}>"
    fwd = f"See below.\r\n\r\n{cited}"
    yield good("a message forwarded by hand", ann(fwd, Subject="Fwd: Noon"), BANK, "See below.")
    reply = "Yes.\r\n\r\nOn Monday, Bob wrote:\r\n> At noon?\r\n> Bob"
    answers = {"Subject": "Re: Noon", "In_Reply_To": "<a@b.example>", "References": "<a@b.example>"}
    yield good("an answer", ann(reply, **answers), BANK, "Yes.")


def _headers() -> Iterator[Case]:
    listed = {
        "List_Id": "News of the bank <news.bank.example>",
        "List_Unsubscribe": "<https://bank.example/u>, <mailto:u@bank.example>",
        "List_Unsubscribe_Post": "List-Unsubscribe=One-Click",
        "Precedence": "bulk",
    }
    yield good("a newsletter", ann("News.", **listed), BANK, "News.")
    yield good("an automatic answer", ann("I am away.", Auto_Submitted="auto-replied"))
    bounce = letter("Not delivered.", From=f"mailer-daemon@{CLUB}", Auto_Submitted="auto-replied")
    yield plain("a bounce", bounce, "no signature", "Not delivered.", mail_from="")
    yield good("signed answers elsewhere", ann(Reply_To="office@bank.example"))
    yield good("no recipient named", ann(To="undisclosed-recipients:;"))
    many = ",\r\n ".join([MAILBOX, *(f"person{number}@other.example" for number in range(40))])
    yield good("many recipients", ann(To=many))
    chain = "\r\n ".join(f"<{number}@thread.example>" for number in range(60))
    yield good("a long thread", ann(References=chain, In_Reply_To="<59@thread.example>"))
    hop = b"Received: from a.example by b.example with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\r\n"
    odd = b"X-Spam-Status: No\r\nX-Mailer: x:y; z\r\n"
    yield good("many traces of its way", b"Return-Path: <b@r.example>\r\n" + hop * 12 + odd + ann())
    results = b"Authentication-Results: mx.other.example; none\r\n"
    yield good("another host's results", results + ann())


def _international() -> Iterator[Case]:
    for charset, text in (
        ("iso-8859-1", "Grüße"),
        ("windows-1252", "„Grüße“"),
        ("shift_jis", "こんにちは"),
        ("iso-2022-jp", "こんにちは"),
        ("gb2312", "你好"),
        ("big5", "你好"),
        ("koi8-r", "Привет"),
        ("euc-kr", "안녕하세요"),
        ("windows-1256", "مرحبا"),
        ("utf-8", "नमस्ते 🙂"),
    ):
        coded = base64.b64encode(text.encode(charset)).decode()
        message = ann(
            text.encode(charset),
            Subject=f"=?{charset}?b?{coded}?=",
            From=f"=?{charset}?b?{coded}?= <{ANN}>",
            Content_Type=f"text/plain; charset={charset}",
        )
        yield good(f"words in {charset}", message, BANK, text[:2], sender=ANN)
    for name, value in (
        ("with a comma", f'"Doe, Ann" <{ANN}>'),
        ("with a quote", f'"Ann \\"Doc\\" Doe" <{ANN}>'),
        ("with a comment", f"{ANN} (Ann Doe)"),
        ("that is the address", f'"{ANN}" <{ANN}>'),
        ("in UTF-8", f"Änne Doe <{ANN}>"),
        ("in two encoded words", f"=?utf-8?q?=C3=84nne?=\r\n =?utf-8?q?_Doe?= <{ANN}>"),
        ("with an apostrophe", f"Ann O'Doe <{ANN}>"),
        ("with dots", f"Ann D. Doe <{ANN}>"),
    ):
        yield good(f"a name {name}", ann(From=value), sender=ANN)
    alabel = "xn--bcher-kva.example"
    ascii_only = signed(letter(HELLO, From=f"ann@{alabel}"), alabel)
    yield good("a domain in A-labels", ascii_only, alabel, records=keys(alabel))
    for name, address in (("domain", "ann@bücher.example"), ("address", "änne@bücher.example")):
        raw = signed(letter(HELLO, From=f"Änne <{address}>", Subject="Grüße"), alabel)
        yield good(f"UTF-8 in the {name}", raw, alabel, records=keys(alabel), mail_from=address)
