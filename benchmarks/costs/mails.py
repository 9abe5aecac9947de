"""The mail of the benchmarks: an inbox with a 300 KB newsletter and a thread of sixty messages."""

from __future__ import annotations

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
    """One message, before it is MIME.

    Attributes:
        number: Its place, oldest first.
        sender: The address in From.
        subject: The subject.
        text: Its text/plain.
        html: Its text/html; empty where it has none.
        answers: The number of the message that it answers, or None.
        fresh: The text without what it quotes.
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
        """Its Message-ID."""
        return f"<{self.number}.bench@{DOMAIN}>"

    def mime(self, recipient: str) -> bytes:
        """Return it as a message to `recipient`."""
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
    """Return so many characters of sentences in paragraphs, always the same."""
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
"""What the job needs to know, by the subject of the mail in which it stands."""

ANSWERED = {THREAD: "Yes: 27 bays, confirmed.", "Invoice 20417": "Thank you, we send it back."}


def mailbox() -> list[Mail]:
    """Return the whole mailbox, oldest first: the last twenty are the newest page of the inbox."""
    mails = _thread(THREAD_LENGTH - 1)
    said = [one for one in FACTS if one not in (NEWSLETTER, THREAD)]
    for place in range(INBOX):
        number = len(mails)
        if place == 6:
            mails.append(newsletter(number))
        elif place == 12:
            mails.append(_reply(number, mails[THREAD_LENGTH - 2].number, FACTS[THREAD][0], mails))
        elif place % 5 == 4 and said:
            subject = said.pop(0)
            text = f"Hello,\n\n{FACTS[subject][0]}.\n\n{prose(900, place)}\n"
            mails.append(Mail(number, f"clerk{place}@{DOMAIN}", subject, text, fresh=text))
        else:
            text = f"Hello,\n\n{prose(1200, place)}\n"
            subject = f"Report {place} of the week"
            mails.append(Mail(number, f"desk{place}@{DOMAIN}", subject, text, fresh=text))
    return mails


def _thread(count: int) -> list[Mail]:
    mails: list[Mail] = []
    for number in range(count):
        first = FACTS[THREAD][1] if number == count - 8 else f"Point {number} of the list."
        mails.append(_reply(number, number - 1 if number else None, first, mails))
    return mails


def _reply(number: int, answers: int | None, first: str, before: list[Mail]) -> Mail:
    """Return a message of the thread; it quotes the one that it answers, and no more."""
    fresh = f"{first}\n\n{prose(420, number)}\n"
    text, subject = fresh, THREAD
    if answers is not None:
        quoted = "\n".join(f"> {line}" for line in before[answers].fresh.splitlines())
        who = before[answers].sender
        text = f"{fresh}\nOn Mon, 2 Mar 2026 at 08:00, {who} wrote:\n{quoted}\n"
        subject = f"Re: {THREAD}"
    return Mail(number, f"person{number % 3}@{DOMAIN}", subject, text, answers=answers, fresh=fresh)


def newsletter(number: int, size: int = 300_000) -> Mail:
    """Return a newsletter as they are: HTML alone, a table for each story, links that track."""
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
