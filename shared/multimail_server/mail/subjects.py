"""Subjects of replies: one prefix, whatever language the programs before spoke."""

from __future__ import annotations

import re

MAX_SUBJECT = 998
_MAX_PREFIXES = 20
# "Re" and what mail programs in other languages write for it. What means a forward (Fwd, WG, TR,
# RV, VB, PD …) is not here: a forward keeps its prefix behind the reply's.
_REPLIES = (
    "re|aw|antw|antwort|sv|svar|vs|vast|odp|ynt|yan|r|res|resp|rép|rep|rif|răsp|bls|balas|ats|atb|"
    "vá|odg|odgovor|отв|ответ|отг|відп|відповідь|одг|απ|απάντηση|תשובה|השב|رد|پاسخ|回复|回覆|答复|"
    "答覆|返信|回信|답장|회신|ตอบ|ตอบกลับ|trả lời|tl"
)
_BLANK = r"[\s\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
_PREFIX = re.compile(
    rf"{_BLANK}*(?:{_REPLIES}){_BLANK}*(?:[\[(^]{_BLANK}?[0-9]{{1,4}}[\])]?)?{_BLANK}*"
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
