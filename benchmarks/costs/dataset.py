"""The mail of the benchmarks: an inbox, and honest and hostile messages of any size.

The inbox has a newsletter of 300 KB and a thread of sixty messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime

DOMAIN = "example.com"
NEWSLETTER = "What moved in October"
THREAD = "Hall B: floor plan and dates"
THREAD_LENGTH = 60
INBOX = 20
_SENTENCE = (
    "the carrier confirmed the new slot and asks for a signed copy of the delivery note before"
    " the end of the week so that the pallets can leave with the second lorry"
)
_WORDS = _SENTENCE.split(" ")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, before it is composed.

    Attributes:
        number: Its position, oldest first.
        sender: The address in From.
        subject: The subject.
        text: The text/plain body.
        html: The text/html body; empty if there is none.
        answers: The number of the message that it answers, or None.
        fresh: The text without quotes.
    """

    number: int
    sender: str
    subject: str
    text: str
    html: str = ""
    answers: int | None = None
    fresh: str = ""

    @property
    def message_id(self) -> str:
        """The Message-ID."""
        return f"<{self.number}.bench@{DOMAIN}>"

    def mime(self, recipient: str) -> bytes:
        """Return the composed message to `recipient` (RFC 5322)."""
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self.sender, recipient, self.subject
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = self.message_id
        if self.answers is not None:
            message["In-Reply-To"] = f"<{self.answers}.bench@{DOMAIN}>"
        if self.text:
            message.set_content(self.text)
        if self.html and self.text:
            message.add_alternative(self.html, subtype="html")
        elif self.html:
            message.set_content(self.html, subtype="html")
        return message.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def prose(length: int, start: int = 0) -> str:
    """Return `length` characters of sentences in paragraphs, always the same ones."""
    lines: list[str] = []
    total = 0
    while total < length:
        turn = (start + len(lines)) % len(_WORDS)
        line = " ".join(_WORDS[turn:] + _WORDS[:turn]).capitalize() + "."
        lines.append(line if len(lines) % 4 else f"\n{line}")
        total += len(lines[-1]) + 1
    return "\n".join(lines)[:length]


FACTS = {
    NEWSLETTER: ["the early rate ends on 14 November"],
    THREAD: ["can you confirm 27 loading bays by Friday?", "We agreed on 3 December for the move."],
    "Invoice 20417": ["was paid twice, by 412.60 EUR"],
    "Access for two people": ["Lena Moor and Ivo Kern"],
    "A broken seal": ["container TCLU 448120"],
}
"""The facts that the scenario needs, by the subject of the message that has them."""

ANSWERED = {THREAD: "Yes: 27 bays, confirmed.", "Invoice 20417": "Thank you, we send it back."}


def build_mailbox() -> list[Mail]:
    """Return the whole mailbox, oldest first; the last twenty are the newest page of the inbox."""
    mails = _build_thread(THREAD_LENGTH - 1)
    subjects = [subject for subject in FACTS if subject not in (NEWSLETTER, THREAD)]
    for place in range(INBOX):
        number = len(mails)
        if place == 6:
            mails.append(build_newsletter(number))
        elif place == 12:
            mails.append(
                _build_reply(number, mails[THREAD_LENGTH - 2].number, FACTS[THREAD][0], mails)
            )
        elif place % 5 == 4 and subjects:
            subject = subjects.pop(0)
            text = f"Hello,\n\n{FACTS[subject][0]}.\n\n{prose(900, place)}\n"
            mails.append(Mail(number, f"clerk{place}@{DOMAIN}", subject, text, fresh=text))
        else:
            text = f"Hello,\n\n{prose(1200, place)}\n"
            subject = f"Report {place} of the week"
            mails.append(Mail(number, f"desk{place}@{DOMAIN}", subject, text, fresh=text))
    return mails


def _build_thread(count: int) -> list[Mail]:
    mails: list[Mail] = []
    for number in range(count):
        first = FACTS[THREAD][1] if number == count - 8 else f"Point {number} of the list."
        mails.append(_build_reply(number, number - 1 if number else None, first, mails))
    return mails


def _build_reply(number: int, answers: int | None, first: str, earlier: list[Mail]) -> Mail:
    """Return a message of the thread; it quotes only the message that it answers."""
    fresh = f"{first}\n\n{prose(420, number)}\n"
    text, subject = fresh, THREAD
    if answers is not None:
        quoted = "\n".join(f"> {line}" for line in earlier[answers].fresh.splitlines())
        sender = earlier[answers].sender
        text = f"{fresh}\nOn Mon, 2 Mar 2026 at 08:00, {sender} wrote:\n{quoted}\n"
        subject = f"Re: {THREAD}"
    return Mail(number, f"person{number % 3}@{DOMAIN}", subject, text, answers=answers, fresh=fresh)


def build_newsletter(number: int, size: int = 300_000) -> Mail:
    """Return a typical newsletter: HTML only, a table for each story, links with tracking."""
    stories: list[str] = []
    story = 0
    style = "font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:22px;color:#222222"
    padding = " ".join(f"mso-line-height-rule:exactly;padding:{n}px 0 {n}px 0;" for n in range(60))
    while sum(map(len, stories)) < size - 5_000:
        fact = f"{FACTS[NEWSLETTER][0]}, and " if story == 8 else ""
        link = f"https://news.{DOMAIN}/c/{story:03}?u={'0af3' * 40}"
        opening = f'<tr><td style="{style};{padding}"><h2 style="{style}">Story {story}</h2>'
        text = f'<p style="{style}">{fact}{prose(260, story)} <a href="{link}">Read on</a></p>'
        table = f'<table role="presentation" width="600" style="{style};{padding}">'
        stories.append(f"{table}{opening}{text}</td></tr></table>")
        story += 1
    html = f"<html><body style='{style}'>{''.join(stories)}</body></html>"
    return Mail(number, f"news@{DOMAIN}", NEWSLETTER, "", html)


def _html_newsletter(size: int) -> str:
    return build_newsletter(0, size + 5_000).html


def _html_cells(size: int) -> str:
    """Return a newsletter as common editors lay it out: nested tables and few classes."""
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


HTML: Mapping[str, Callable[[int], str]] = {
    "newsletter": _html_newsletter,
    "newsletter of small cells": _html_cells,
    "hostile: unclosed elements": _nested,
    "hostile: hidden text": _hidden,
    "hostile: a rule for each element": _rules,
}
"""Builders of HTML by size."""


def text_mail(size: int) -> bytes:
    """Return a message of `size` characters of text."""
    return Mail(0, f"ann@{DOMAIN}", "Text", prose(size)).mime("bob@example.net")


def _mail_with_attachments(size: int) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"ann@{DOMAIN}", "bob@example.net", "Parts"
    message.set_content("See the parts.")
    for number in range(20):
        message.add_attachment(
            b"\xff" * (size // 28), "application", "pdf", filename=f"{number}.pdf"
        )
    return message.as_bytes().replace(b"\n", b"\r\n")


def _mail_with_folded_header(size: int) -> bytes:
    return b"X-Long:" + b"\r\n a" * (size // 4) + b"\r\n" + text_mail(1000)


def _mail_of_boundaries(size: int) -> bytes:
    head = f"From: ann@{DOMAIN}\r\nTo: bob@example.net\r\nSubject: Boundaries\r\n"
    kind = 'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n'
    return (head + kind + "--b\r\n\r\n" * (size // 7)).encode()


MIME: Mapping[str, Callable[[int], bytes]] = {
    "text": text_mail,
    "twenty attachments": _mail_with_attachments,
    "hostile: an endless header field": _mail_with_folded_header,
    "hostile: nothing but boundaries": _mail_of_boundaries,
}
"""Builders of composed messages by size."""
