"""Subjects of replies: one prefix, whatever language the programs before spoke."""

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
_TAG = re.compile(rf"{_BLANK}*(\[[^\[\]]{{1,80}}\])")


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
