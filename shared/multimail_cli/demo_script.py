"""The offline demo's agent: a script that goes by what the tools tell it, as a model would.

It knows no id beforehand. It reads the listing, picks what to answer, and writes a reply from
facts that stand in the mail.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .scripted_model import Conversation, Script, Turn, call, say

_ROW = re.compile(
    r"^(?P<id>\S+) \| (?P<status>\w+) \| [^|\n]* \| (?P<label>\w+)"
    r"[^\n]*\n\s+(?P<sender>\S+): (?P<subject>[^\n]*)",
    re.MULTILINE,
)
_FENCED = re.compile(r"<mail (\w+)>\n(.*?)\n</mail \1>", re.DOTALL)
_BULK = re.compile(r"^(?:news|newsletter|no-?reply|do-?not-?reply|mailer-daemon)\b", re.IGNORECASE)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_REFERENCE = re.compile(r"\b[A-Z]{1,5}-\d{3,}\b|#\d{3,}\b")
_DATE = re.compile(
    rf"\b\d{{1,2}}\.? (?:{_MONTHS})\b(?: \d{{4}})?|\b(?:{_MONTHS}) \d{{1,2}}\b(?:, \d{{4}})?"
)
_AMOUNT = re.compile(r"(?:[€$£]|\b(?:CHF|EUR|USD|GBP)) ?\d[\d.,']*\d|\b\d[\d.,']* ?(?:€|EUR|CHF)")
_FILES = re.compile(r"^(?:\d+ attachments|Attachments): (.+)$", re.MULTILINE)
_QUESTION = re.compile(r"[^.?!\n][^.?!]*\?")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the inbox, as the tool showed it."""

    id: str
    label: str
    sender: str
    subject: str


def support_script(mailbox: str) -> Script:
    """Return the script of an agent that answers the newest mail that deserves an answer.

    Args:
        mailbox: The agent's own address, which it does not answer.
    """

    def next_turn(conversation: Conversation) -> Turn:
        listings = conversation.tool_texts("check_inbox")
        if not listings:
            return say("I look at the inbox first.") + call("check_inbox", limit=20)
        chosen = choose(rows_of(listings[-1]), mailbox)
        if chosen is None:
            return say("There is nothing in the inbox that I should answer.")
        return _after_choice(conversation, chosen)

    return next_turn


def _after_choice(conversation: Conversation, chosen: Row) -> Turn:
    read = conversation.tool_texts("read_email")
    if not read:
        thought = f"The newest mail to answer is from {chosen.sender}. I read it."
        return say(thought) + call("read_email", email_id=chosen.id)
    threads = conversation.tool_texts("get_thread")
    if not threads:
        thought = "Before I answer I look at the whole conversation."
        return say(thought) + call("get_thread", thread_id=chosen.id)
    replies = conversation.tool_texts("reply_email")
    if not replies:
        body = draft(chosen, read[-1], threads[-1])
        return call("reply_email", email_id=chosen.id, body=body)
    return say(f"My reply to {chosen.sender}: {replies[-1].splitlines()[0]}")


def rows_of(listing: str) -> list[Row]:
    """Return the rows of a listing, newest first."""
    return [
        Row(found["id"], found["label"], found["sender"], found["subject"])
        for found in _ROW.finditer(listing)
    ]


def choose(rows: list[Row], mailbox: str) -> Row | None:
    """Return the newest mail of someone else, a believable person's before any other."""
    others = [row for row in rows if row.label != "own" and row.sender.lower() != mailbox.lower()]
    believable = [row for row in others if row.label != "failed"]
    personal = [row for row in believable if not _BULK.match(row.sender)]
    return next(iter(personal or believable or others), None)


def draft(chosen: Row, read: str, thread: str) -> str:
    """Write a reply from what stands in the mail."""
    message, conversation = _inside(read), _inside(thread)
    facts = _facts(conversation, message)
    lines = [f"{_greeting(chosen.sender)},", "", f"thank you for your message “{chosen.subject}”."]
    if facts:
        lines += ["", "This is what I have noted:", "", *(f"- {fact}" for fact in facts)]
    question = _last_question(message)
    if question:
        lines += ["", f"You asked: “{question}”", "I pass this on now and confirm it to you here."]
    else:
        lines += ["", "I pass this on now and come back to you here."]
    return "\n".join([*lines, "", "Kind regards"])


def _inside(text: str) -> str:
    """Return what stands between the marks, without the rows that the tool put there."""
    blocks = (found[2] for found in _FENCED.finditer(text))
    lines = "\n".join(blocks).splitlines()
    return "\n".join(line for line in lines if not line.startswith("--- "))


def _greeting(address: str) -> str:
    first = re.split(r"[.@_+-]", address)[0]
    return f"Hello {first.capitalize()}" if first.isalpha() and len(first) > 2 else "Hello"


def _facts(conversation: str, message: str) -> list[str]:
    text = f"{conversation}\n{message}"
    files = [
        re.sub(r" \([^()]*\)$", "", one)
        for line in _FILES.findall(text)
        for one in line.split(", ")
    ]
    named = (
        ("reference", _unique(_REFERENCE.findall(text))),
        ("date", _unique(_DATE.findall(text))),
        ("amount", _unique(_AMOUNT.findall(text))),
        ("attachment", _unique(files)),
    )
    return [f"{name}: {', '.join(values[:3])}" for name, values in named if values]


def _unique(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _last_question(message: str) -> str:
    body = message.split("\n\n", 1)[-1]
    asked = [" ".join(found.split()) for found in _QUESTION.findall(body)]
    return asked[-1] if asked and len(asked[-1]) < 300 else ""
