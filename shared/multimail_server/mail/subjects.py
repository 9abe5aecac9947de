"""Subjects of replies and forwards: one prefix, whatever language the programs before spoke."""

from __future__ import annotations

import re

from multimail.trust.quotes import REPLY_WORDS

MAX_SUBJECT = 998
_MAX_PREFIXES = 20
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_PREFIX = re.compile(
    rf"{_BLANK}*(?:{REPLY_WORDS}){_BLANK}*(?:[\[(^]{_BLANK}?[0-9]{{1,4}}[\])]?)?{_BLANK}*"
    r"[:\uff1a\ufe55\ua789]",
    re.IGNORECASE,
)
# Fewer than `quotes` knows: "I:" or "Ilt:" may be a person's own word.
_FORWARD_WORDS = "fwd?|wg|tr|rv|vb|pd|fs|doorst|πρθ|пересл|转发|轉寄|轉發|転送|전달"
_FORWARD = re.compile(rf"{_BLANK}*(?:{_FORWARD_WORDS}){_BLANK}*[:\uff1a]", re.IGNORECASE)
_TAG = re.compile(rf"{_BLANK}*(\[[^\[\]]{{1,80}}\])")


def build_forward_subject(subject: str) -> str:
    """Return the subject of a forward: `Fwd: ` once, and the subject of the message.

    Args:
        subject: The subject of the message that is forwarded, decoded.
    """
    for _ in range(_MAX_PREFIXES):
        prefix = _FORWARD.match(subject)
        if prefix is None:
            break
        subject = subject[prefix.end() :]
    return " ".join(["Fwd:", *subject.split()])[:MAX_SUBJECT]


def build_reply_subject(subject: str) -> str:
    """Return the subject of a reply: `Re: ` once, and what the thread is about (RFC 5322 3.6.5).

    Prefixes of replies are dropped, also those behind the tag of a list, as in `[team] AW: x`.

    Args:
        subject: The subject of the message that is replied to, decoded.
    """
    tags: list[str] = []
    for _ in range(_MAX_PREFIXES):
        if prefix := _PREFIX.match(subject):
            subject = subject[prefix.end() :]
        elif (tag := _TAG.match(subject)) and _PREFIX.match(subject, tag.end()):
            tags.append(tag[1])
            subject = subject[tag.end() :]
        else:
            break
    return " ".join(["Re:", *tags, *subject.split()])[:MAX_SUBJECT]
