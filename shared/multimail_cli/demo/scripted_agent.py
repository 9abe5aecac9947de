"""The script of the offline demo: it decides from the tools' results, as a model would.

It knows no id beforehand. It reads the listing of the inbox, chooses a message to answer, and
writes a reply from facts in the mail.
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
_MAX_QUESTION = 300


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A row of the inbox, as `check_inbox` shows it."""

    id: str
    label: str
    sender: str
    subject: str


def build_support_script(mailbox: str) -> Script:
    """Return the script of an agent that answers the newest message that needs an answer.

    Args:
        mailbox: The agent's own address, whose messages it does not answer.
    """

    def next_turn(conversation: Conversation) -> Turn:
        listings = conversation.tool_texts("check_inbox")
        if not listings:
            return say("I look at the inbox first.") + call("check_inbox", limit=20)
        row = choose_row(parse_rows(listings[-1]), mailbox)
        if row is None:
            return say("There is nothing in the inbox that I should answer.")
        return _answer(conversation, row)

    return next_turn


def _answer(conversation: Conversation, row: InboxRow) -> Turn:
    """Return the next turn of answering a message: read it, read its thread, reply, report."""
    messages = conversation.tool_texts("read_email")
    if not messages:
        thought = f"The newest message to answer is from {row.sender}. I read it."
        return say(thought) + call("read_email", email_id=row.id)
    threads = conversation.tool_texts("get_thread")
    if not threads:
        thought = "Before I answer, I read the whole thread."
        return say(thought) + call("get_thread", thread_id=row.id)
    replies = conversation.tool_texts("reply_email")
    if not replies:
        body = write_reply(row, messages[-1], threads[-1])
        return call("reply_email", email_id=row.id, body=body)
    return say(f"My reply to {row.sender}: {replies[-1].splitlines()[0]}")


def parse_rows(listing: str) -> list[InboxRow]:
    """Return the rows in a result of `check_inbox`, newest first."""
    return [
        InboxRow(match["id"], match["label"], match["sender"], match["subject"])
        for match in _ROW.finditer(listing)
    ]


def choose_row(rows: list[InboxRow], mailbox: str) -> InboxRow | None:
    """Return the newest message to answer.

    Messages of people come before bulk mail, and both before mail that failed authentication.
    """
    others = [row for row in rows if row.label != "own" and row.sender.lower() != mailbox.lower()]
    credible = [row for row in others if row.label != "failed"]
    personal = [row for row in credible if not _BULK.match(row.sender)]
    return next(iter(personal or credible or others), None)


def write_reply(row: InboxRow, message: str, thread: str) -> str:
    """Write a reply from facts in the results of `read_email` and `get_thread`."""
    message, thread = _get_mail_text(message), _get_mail_text(thread)
    facts = _find_facts(f"{thread}\n{message}")
    about = facts.get("reference") or f"“{row.subject}”"
    text = [f"thank you for writing about {about}."]
    if "attachment" in facts:
        text.append(f"I have your file {facts['attachment']} here.")
    noted = [facts[name] for name in ("amount", "date") if name in facts]
    if noted:
        text.append(f"I have noted {' and '.join(noted)}.")
    question = _find_last_question(message)
    promise = "I am looking into it now, and you will hear from me today."
    answer = [f"You ask: “{question}”", promise] if question else [promise]
    parts = [f"{_greeting(row.sender)},", " ".join(text), " ".join(answer), "Kind regards"]
    return "\n\n".join(parts)


def _get_mail_text(result: str) -> str:
    """Return the text between the marks around mail, without the rows that the tool adds."""
    blocks = (match[2] for match in _FENCED.finditer(result))
    lines = "\n".join(blocks).splitlines()
    return "\n".join(line for line in lines if not line.startswith("--- "))


def _greeting(address: str) -> str:
    first = re.split(r"[.@_+-]", address)[0]
    return f"Hello {first.capitalize()}" if first.isalpha() and len(first) > 2 else "Hello"


def _find_facts(text: str) -> dict[str, str]:
    files = [
        re.sub(r" \([^()]*\)$", "", name)
        for line in _FILES.findall(text)
        for name in line.split(", ")
    ]
    facts = (
        ("reference", _REFERENCE.findall(text)),
        ("date", _DATE.findall(text)),
        ("amount", _AMOUNT.findall(text)),
        ("attachment", files),
    )
    return {name: ", ".join([*dict.fromkeys(values)][:3]) for name, values in facts if values}


def _find_last_question(message: str) -> str:
    body = message.split("\n\n", 1)[-1]
    questions = [" ".join(match.split()) for match in _QUESTION.findall(body)]
    return questions[-1] if questions and len(questions[-1]) < _MAX_QUESTION else ""
