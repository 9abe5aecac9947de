"""Message-IDs: read from Message-ID, In-Reply-To and References as mail programs really write them.

Sources: RFC 5322 sections 3.6.4 and 4.5.4. An id keeps its exact characters, so that a reply can
name it as its author wrote it; blanks inside it count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from .headers import decode_words, unfold

MAX_REFERENCES = 200
MAX_ID = 900
"""Characters of an id: with the name of its field it fits into a line of 998 (RFC 5322 2.1.1)."""
_MAX_FIELD = 32 * 1024
_MAX_HEAD = 1024

_PIECE = re.compile(
    r"<[^<>]{1,900}>"  # an id; doubled brackets are left over
    r'|"(?:[^"\\]|\\.){0,900}"'  # a phrase, or an id that somebody quoted
    r"|[()]"
    r'|[^<"()]+'
    r"|."
)
_BRACKETED = re.compile(r"<[^<>]{1,900}>")
_BETWEEN = re.compile(r"[\s,;<>]+")
_WRITABLE = re.compile(r"<[\x20-\x3b\x3d\x3f-\x7e]{1,900}>")
# The id that a relay gives: long enough not to be guessed.
_QUEUE_ID = re.compile(r"(?<![\w.@-])(?=[\w-]*\d)[A-Za-z0-9_-]{16,200}(?![\w.@=-])")
_WHOLE_ID = re.compile(
    r"(?<![\w.@=+-])(?=[\w.=+-]*\d)[A-Za-z0-9_.=+-]{16,400}@[A-Za-z0-9.-]{1,250}[A-Za-z0-9](?![\w@-])"
)


def is_writable_id(message_id: str) -> bool:
    """Return whether an id, with its brackets, can stand in a header field."""
    return _WRITABLE.fullmatch(message_id) is not None


def parse_own_id(values: list[bytes]) -> str | None:
    """Return the id in the Message-ID fields, with its brackets; None unless it is exactly one."""
    ids = parse_message_ids(values)
    return ids[0] if len(ids) == 1 else None


def parse_message_ids(values: list[bytes]) -> tuple[str, ...]:
    """Return the ids in fields that list them, with their brackets, each once.

    Comments and phrases are skipped, and an id without brackets gets them. Of more than 200 ids,
    the first and the last ones stay.
    """
    ids = tuple(dict.fromkeys(id_ for value in values for id_ in _read_ids(_to_text(value))))
    return ids[:1] + ids[1:][-(MAX_REFERENCES - 1) :]


def _to_text(value: bytes) -> str:
    if len(value) > _MAX_FIELD:  # The last reference is the parent.
        value = value[:_MAX_HEAD] + b" " + value[_MAX_HEAD - _MAX_FIELD :]
    text = unfold(value)
    # Some libraries encode an id that is longer than a line (RFC 2047 forbids it).
    return decode_words(text) if "=?" in text else text


def _read_ids(text: str) -> Iterable[str]:
    ids: list[str] = []
    words: list[str] = []
    quoted: list[str] = []
    depth = 0
    for piece in _PIECE.findall(text):
        if piece in {"(", ")"}:
            depth = max(0, depth + (1 if piece == "(" else -1))
        elif depth:
            continue
        elif _BRACKETED.fullmatch(piece):
            ids.append(f"<{piece[1:-1].strip()}>")
        else:
            (quoted if piece[0] == '"' and len(piece) > 1 else words).append(piece)
    if ids or "<" not in text:
        return filter(_has_text, ids) if ids else _read_bare("".join(words), quoted)
    # An open comment hides the rest.
    return _BRACKETED.findall(text) or _read_bare("".join(words), quoted)


def _has_text(message_id: str) -> bool:
    return len(message_id) > len("<>")


def _read_bare(text: str, quoted: list[str]) -> Iterable[str]:
    """Return the ids in text without brackets: addresses, one word, or one id with blanks."""
    if not text.strip(" ,;<>\"'") and quoted:
        inner = " ".join(phrase[1:-1] for phrase in quoted)
        return _BRACKETED.findall(inner) or _read_bare(inner, [])
    whole = text.strip(" ,;<>")
    words = [word for word in _BETWEEN.split(text) if word]
    if all("@" in word for word in words) or len(words) == 1:
        return [f"<{word}>" for word in words if len(word) <= MAX_ID]
    return [f"<{whole}>"] if "@" in whole and len(whole) <= MAX_ID else []


def get_lookup_keys(message_id: str) -> tuple[str, ...]:
    """Return the names under which a message with this id may be known here, the best first.

    Beside the id itself: the id without blanks, which a program may have put in when it folded
    the line; and the id that a relay gave, which puts a domain of its own behind it.
    """
    local = message_id[1:-1].partition("@")[0]
    joined = message_id.replace(" ", "")
    relayed = (f"<{local}@*>",) if _QUEUE_ID.fullmatch(local) else ()
    return tuple(dict.fromkeys((message_id, joined, *relayed)))


def parse_relay_ids(reply: str) -> tuple[str, ...]:
    """Return the names of a message by the relay's reply to its data, as `get_lookup_keys` does.

    A relay that replaces the Message-ID says the new one, or the part of it before the `@`, as
    Amazon SES does: `250 Ok 0102018f…-000000` is `<0102018f…-000000@eu-west-1.amazonses.com>`.

    Args:
        reply: The text of the reply, without its code.
    """
    bracketed = (id_ for id_ in _BRACKETED.findall(reply) if "@" in id_ and is_writable_id(id_))
    named = list(bracketed) or [f"<{id_}>" for id_ in _WHOLE_ID.findall(reply)]
    return tuple(named or [f"<{id_}@*>" for id_ in _QUEUE_ID.findall(reply)])[:3]
