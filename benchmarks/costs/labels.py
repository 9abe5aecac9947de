"""Reading, labelling and cleaning a message, 10 KB to 10 MB, of honest people and of others."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import dkim

from multimail_server.mail.auth.authenticate import authenticate
from multimail_server.mail.auth.dkim import SignatureResult, evaluate_signature, parse_signature
from multimail_server.mail.auth.dkim_crypto import CanonicalMessage
from multimail_server.mail.auth.dns import Resolver
from multimail_server.mail.auth.resolvers import zone_resolver
from multimail_server.mail.headers import read_headers
from multimail_server.mail.html import html_to_markdown
from multimail_server.mail.mime import parse_message
from multimail_server.mail.signing import generate_key, generate_rsa_key, sign_dkim, zone_lines

from .figures import Curve, Figure, Part
from .mails import DOMAIN, Mail, newsletter, prose
from .sizes import Sizes
from .turns import Seconds, medians, timed

_SMALLEST = 10_000
_MOST_GROWTH = 12.0
_LEAST = 0.002
"""Seconds; what is faster is not told apart when growth is judged."""
_SELECTOR = "bench"
Work = Callable[[Any], object]
Points = list[tuple[float, float]]


def measure(sizes: Sizes) -> Part:
    """Measure parsing, authenticating and cleaning by size, and DKIM beside bare dkimpy."""
    cleaning = {name: _points(html_to_markdown, make, sizes) for name, make in _HTML.items()}
    parsing = {name: _points(parse_message, make, sizes) for name, make in _MIME.items()}
    with tempfile.TemporaryDirectory() as folder:
        zone = Path(folder) / "zone"
        pem = _published(zone)
        resolver = zone_resolver(zone)
        labelling = {
            name: _points(lambda raw: authenticate(raw, resolver), _signer(make, pem), sizes)
            for name, make in _MIME.items()
        }
        dkim_figures = _dkim(zone, pem, resolver, sizes)
    small, cells = (cleaning[name][0][1] for name in ("newsletter", "newsletter of small cells"))
    figures = [
        Figure("cleaning a newsletter of 10 KB", small * 1000, "ms", target=1.0),
        Figure("cleaning one of 10 KB that has 250 tags", cells * 1000, "ms"),
    ]
    for verb, found in (("cleaning", cleaning), ("parsing", parsing), ("labelling", labelling)):
        figures += [
            Figure(f"{verb}, {name}: most growth for 10 times the size", _growth(points), "times",
                   target=_MOST_GROWTH)
            for name, points in found.items()
        ]  # fmt: skip
    curves = {
        "cleaning": Curve("Cleaning HTML", "characters", "milliseconds", _milliseconds(cleaning)),
        "labelling": Curve(
            "Labelling a signed message", "bytes", "milliseconds", _milliseconds(labelling)
        ),
    }
    return Part("labels", "Reading a message", [*figures, *dkim_figures], curves, _NOTE)


_NOTE = (
    "Growth is of processor time, the best of the rounds; what takes under 2 ms counts as 2 ms. Of"
    " HTML with more than 2,000,000 characters nothing is shown, and of more elements than are"
    " checked for hidden text not the rest: there a curve goes down or flat. The first newsletter"
    " has long styles and few tags, the second a tag for each 40 characters. The DKIM part reads"
    " the header block, judges the signature and verifies it; labelling is all that `authenticate`"
    " does (DKIM, SPF, DMARC, ARC, structure), against a zone file; bare dkimpy only verifies."
)


def _html_newsletter(size: int) -> str:
    return newsletter(0, size + 5_000).html


def _html_cells(size: int) -> str:
    """Return a newsletter as its tools lay them out: tables in tables, a class here and there."""
    font = "font-family:'Lato',Helvetica,Arial,sans-serif"
    link = '<a href="https://news.example.com/r/{0}?u=0af30af3" class="button" style="color:#fff;'
    story = (
        '<tr><td bgcolor="#ffffff" align="left" class="pad" style="padding:20px 30px 0 30px;'
        f'color:#444444;{font};font-size:16px;line-height:25px"><img src="https://img.example.com/'
        '{0}.png" alt="Story {0}" width="540" style="display:block;border:0"><h2 style="margin:0;'
        'font-size:22px;color:#111111">Story {0}</h2><p style="margin:0 0 12px 0">It asks for a'
        " <strong>signed copy</strong> of the delivery note, so that <em>the pallets</em> can leave"
        ' by Friday.&nbsp;It costs 3 &euro;.</p><table border="0" cellpadding="0"><tr>'
        f'<td align="center" bgcolor="#0055aa" style="border-radius:3px">{link}{font};padding:12px'
        ' 18px;border:1px solid #0055aa;display:inline-block">Read on</a></td></tr></table></td>'
        "</tr>\n"
    )
    stories = "".join(story.format(number) for number in range(size // len(story) + 1))
    return f'{_STYLE}<table width="100%"><tr><td><table>{stories}</table></td></tr></table>'


_STYLE = (
    "<html><head><style>body,td,a{-webkit-text-size-adjust:100%}img{border:0;height:auto}"
    "body{margin:0!important;width:100%!important}.button{background:#0055aa;color:#ffffff}"
    ".footer{color:#8a8a8a;font-size:11px}.preheader{display:none!important}@media screen and"
    " (max-width:600px){.wide{width:100%!important}.hide{display:none!important}}</style></head>"
    '<body style="margin:0;background-color:#f4f4f4"><div class="preheader">Preview</div>'
)


def _nested(size: int) -> str:
    return "<div>" * (size // 10) + "x" * (size // 2)


def _hidden(size: int) -> str:
    return '<span style="display:none;font-size:0">Pay now.</span><b>Hi</b>' * (size // 63)


def _rules(size: int) -> str:
    half = size // 2
    rules = "".join(
        f".c{number}{{color:#fff;font-size:{number % 9}px}}" for number in range(half // 32)
    )
    return f"<style>{rules}</style>" + '<p class="c1 c2">Hi</p>' * (half // 23)


_HTML: Mapping[str, Callable[[int], str]] = {
    "newsletter": _html_newsletter,
    "newsletter of small cells": _html_cells,
    "hostile: unclosed elements": _nested,
    "hostile: hidden text": _hidden,
    "hostile: a rule for each element": _rules,
}


def _mail_of_text(size: int) -> bytes:
    return Mail(0, f"ann@{DOMAIN}", "Text", prose(size)).mime("bob@example.net")


def _mail_of_parts(size: int) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"ann@{DOMAIN}", "bob@example.net", "Parts"
    message.set_content("See the parts.")
    for number in range(20):
        message.add_attachment(
            b"\xff" * (size // 28), "application", "pdf", filename=f"{number}.pdf"
        )
    return message.as_bytes().replace(b"\n", b"\r\n")


def _mail_of_folds(size: int) -> bytes:
    return b"X-Long:" + b"\r\n a" * (size // 4) + b"\r\n" + _mail_of_text(1000)


def _mail_of_boundaries(size: int) -> bytes:
    head = f"From: ann@{DOMAIN}\r\nTo: bob@example.net\r\nSubject: Boundaries\r\n"
    kind = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return (head + kind + "--b\r\n\r\n" * (size // 7)).encode()


_MIME: Mapping[str, Callable[[int], bytes]] = {
    "text": _mail_of_text,
    "twenty attachments": _mail_of_parts,
    "hostile: an endless header field": _mail_of_folds,
    "hostile: nothing but boundaries": _mail_of_boundaries,
}


def _signer(make: Callable[[int], bytes], pem: bytes) -> Callable[[int], bytes]:
    def signed(size: int) -> bytes:
        raw = make(size)
        # What stands before From was put there on the way: dkimpy needs minutes to sign it.
        start = raw.index(b"From:")
        honest = sign_dkim(raw[start:], domain=DOMAIN, selector=_SELECTOR, private_key_pem=pem)
        return raw[:start] + honest

    return signed


def _published(zone: Path) -> bytes:
    pem, record = generate_key()
    zone.write_text(zone_lines([(f"{_SELECTOR}._domainkey.{DOMAIN}", record)]), "utf-8")
    return pem


def _points(work: Work, make: Callable[[int], Any], sizes: Sizes) -> Points:
    """Return the seconds that the work takes, by size; the first work of all imports, uncounted."""
    points: Points = []
    size = _SMALLEST
    work(make(size))
    while size <= sizes.largest_mail:
        made = make(size)
        points.append((size, min(_processor_time(work, made) for _ in range(sizes.rounds))))
        size *= 10
    return points


def _processor_time(work: Work, made: Any) -> float:
    before = time.process_time()
    work(made)
    return time.process_time() - before


def _growth(points: Points) -> float:
    times = [max(_LEAST, seconds) for _, seconds in points]
    return max(after / before for before, after in itertools.pairwise(times))


def _milliseconds(found: Mapping[str, Points]) -> dict[str, Points]:
    return {name: [(at, took * 1000) for at, took in points] for name, points in found.items()}


def _dkim(zone: Path, ed25519: bytes, resolver: Resolver, sizes: Sizes) -> list[Figure]:
    figures = _verified("Ed25519", _SMALLEST, ed25519, resolver, sizes)
    pem, record = generate_rsa_key()
    zone.write_text(zone_lines([(f"{_SELECTOR}._domainkey.{DOMAIN}", record)]), "utf-8")
    resolver = zone_resolver(zone)
    for size in (_SMALLEST, min(1_000_000, sizes.largest_mail)):
        figures += _verified("RSA", size, pem, resolver, sizes)
    return figures


def _verified(kind: str, size: int, pem: bytes, resolver: Resolver, sizes: Sizes) -> list[Figure]:
    raw = _signer(_mail_of_text, pem)(size)

    def dns(name: bytes, timeout: int = 5) -> bytes:
        del timeout
        return resolver.txt(name.decode().rstrip("."))[0]

    if not (dkim.verify(raw, dnsfunc=dns) and _dkim_part(raw, resolver).result == "pass"):
        raise RuntimeError("The message that is measured does not verify.")
    contestants: dict[str, Seconds] = {
        "the DKIM part of labelling": timed(lambda: _dkim_part(raw, resolver)),
        "labelling": timed(lambda: authenticate(raw, resolver)),
        "bare": timed(lambda: dkim.verify(raw, dnsfunc=dns)),
    }
    found = medians(contestants, sizes.calls)
    bare = 1 / found.pop("bare")
    return [
        Figure(
            f"{what}, {size // 1000:,} KB, {kind}",
            1 / seconds,
            "/s",
            "bare dkimpy `verify`",
            bare,
            target=0.9 if what != "labelling" else None,
            at_least=True,
        )
        for what, seconds in found.items()
    ]


def _dkim_part(raw: bytes, resolver: Resolver) -> SignatureResult:
    """Do of `authenticate` what is about the one signature of a message."""
    headers = read_headers(raw)
    field = next(field for field in headers.fields if field.name == "dkim-signature")
    message = CanonicalMessage(raw, headers)
    return evaluate_signature(parse_signature(field), message, resolver, datetime.now(UTC))
