"""The language of searches: words, phrases, and filters such as `from:ann`. Every text is a query.

invoice "final notice" -draft begin* from:ann subject:"may report" has:attachment
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from multimail.trust.labels import Label

from ..oversight import Direction, State
from .words import NOWHERE, fold_in_place, is_unspaced, split_words

MAX_QUERY = 20_000
"""Characters of a query; the rest of a longer one is ignored."""
MAX_TERMS = 32
"""Terms of a query; further ones are ignored."""
MAX_PHRASE = 32
"""Words of a phrase in a query; further ones are ignored."""
MIN_PREFIX = 2
"""Characters that must stand before a `*`; a shorter beginning is a whole word."""
LABELS = tuple(label.value for label in Label)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that stand one after the other in one field.

    Attributes:
        words: As `split_words` returns them; at least one.
        is_prefix: Whether the last one is only the beginning of a word.
        field: `sender`, `receivers` or `title`; empty for any.
    """

    words: tuple[str, ...]
    is_prefix: bool = False
    field: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """What a message must contain and be. A field that is None, or empty, asks for nothing.

    Attributes:
        wanted: It contains every one of these.
        unwanted: It contains none of these.
        statuses: It has one of these.
        direction: Its direction.
        label: Its trust label, by its evidence alone; `own` for an outbound message.
        tag: The name of a tag that it has, and its value unless any will do.
        thread_id: Its thread.
        date_after: It is as old as this or newer.
        date_before: It is older.
        has_attachments: Whether it has attachments.
        misread: Terms that look like filters and are none, such as `after:yesterday`, so that they
            were searched for as words.
    """

    wanted: tuple[Phrase, ...] = ()
    unwanted: tuple[Phrase, ...] = ()
    statuses: tuple[State, ...] = ()
    direction: Direction | None = None
    label: str | None = None
    tag: tuple[str, str | None] | None = None
    thread_id: str | None = None
    date_after: datetime | None = None
    date_before: datetime | None = None
    has_attachments: bool | None = None
    misread: tuple[str, ...] = ()

    @property
    def has_words(self) -> bool:
        """Whether the index of words has to be searched."""
        return bool(self.wanted or self.unwanted or self.label)


_FIELDS = {"from": "sender", "to": "receivers", "cc": "receivers", "bcc": "receivers",
           "subject": "title"}  # fmt: skip
_STATUSES: Mapping[str, tuple[State, ...]] = {
    "unread": (State.UNREAD,),
    "read": (State.READ,),
    "archived": (State.ARCHIVED,),
    "spam": (State.SPAM_FLAGGED, State.SPAM_QUARANTINED),
}
_PLACES: Mapping[str, dict[str, Any]] = {
    "inbox": {"direction": Direction.INBOUND},
    "sent": {"direction": Direction.OUTBOUND},
    "archive": {"statuses": _STATUSES["archived"]},
    "spam": {"statuses": _STATUSES["spam"]},
}


def invert_statuses(statuses: Sequence[State]) -> tuple[State, ...]:
    """Return all other statuses."""
    return tuple(state for state in State if state not in statuses)


def _filter_has(value: str, *, is_wanted: bool) -> dict[str, Any] | None:
    is_files = value in ("attachment", "attachments", "file", "files")
    return {"has_attachments": is_wanted} if is_files else None


def _filter_is(value: str, *, is_wanted: bool) -> dict[str, Any] | None:
    statuses = _STATUSES.get(value)
    if statuses is None:
        return None
    return {"statuses": statuses if is_wanted else invert_statuses(statuses)}


def parse_date(text: str) -> datetime | None:
    """Return the moment of an ISO 8601 date or time, in UTC unless it says otherwise."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_tag(text: str) -> tuple[str, str | None]:
    """Return the name of a tag, and its value where one is named."""
    name, has_value, value = text.partition("=")
    return name.strip(), value.strip() if has_value else None


def _set(name: str, parse: Callable[[str], Any]) -> Callable[..., dict[str, Any] | None]:
    def build(value: str, *, is_wanted: bool) -> dict[str, Any] | None:
        parsed = parse(value) if is_wanted else None
        return None if parsed is None else {name: parsed}

    return build


def _filter_in(value: str, *, is_wanted: bool) -> dict[str, Any] | None:
    return _PLACES.get(value) if is_wanted else None


_FILTERS: Mapping[str, Callable[..., dict[str, Any] | None]] = {
    "has": _filter_has,
    "is": _filter_is,
    "in": _filter_in,
    "tag": _set("tag", parse_tag),
    "label": _set("label", lambda value: value.lower() if value.lower() in LABELS else None),
    "thread": _set("thread_id", str),
    "after": _set("date_after", parse_date),
    "since": _set("date_after", parse_date),
    "before": _set("date_before", parse_date),
    "until": _set("date_before", parse_date),
}
"""The filters: each returns the fields of a query, or None for a value that is none of its own."""

_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»\uff02", '"'))
_TERM = re.compile(
    rf"(?P<minus>-?)(?:(?P<name>{'|'.join((*_FIELDS, *_FILTERS))}):(?=[^\s]))?"
    r'(?:"(?P<quoted>[^"]*)(?:"|\Z)(?P<star>\*?)|(?P<plain>[^\s"]+))',
    re.IGNORECASE,
)


def parse_query(text: str | None) -> Query:
    """Return the query that a person or a model wrote.

    All words must occur, in any field. `"two words"` is a phrase, `-word` must not occur, `begin*`
    is a beginning. `AND` between words is what their order means anyway. Other signs part words, as
    in the index: `INV-2041` is the phrase `inv 2041`. `from:`, `to:` and `subject:` look into one
    field; `has:attachment`, `is:unread`, `in:sent`, `tag:`, `label:`, `thread:`, `after:` and
    `before:` filter. A text without any word finds nothing, a blank one everything.
    """
    cut = (text or "")[:MAX_QUERY].translate(_QUOTES)
    terms = list(_TERM.finditer(cut))
    wanted: list[Phrase] = []
    unwanted: list[Phrase] = []
    filters: dict[str, Any] = {}
    misread: list[str] = []
    for place, term in enumerate(terms):
        if term[0] == "AND" and 0 < place < len(terms) - 1:
            continue
        chosen = _build_filter(term)
        if chosen is not None:
            filters |= chosen
            continue
        if _looks_like_filter(term):
            misread.append(term[0][:_MAX_MISREAD])
        phrase = _build_phrase(term)
        if phrase is not None and len(wanted) + len(unwanted) < MAX_TERMS:
            (unwanted if term["minus"] else wanted).append(phrase)
    if cut.strip() and not (wanted or unwanted or filters):
        return Query((_NOTHING,))
    reported = tuple(dict.fromkeys(misread))[:MAX_TERMS]
    phrases = tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted))
    return Query(*phrases, misread=reported, **filters)


_MAX_MISREAD = 80


def _looks_like_filter(term: re.Match[str]) -> bool:
    """Whether a term that is no filter begins like one: its value is unknown, or missing."""
    if term["name"]:
        return term["name"].lower() in _FILTERS
    name, colon, value = (term["plain"] or "").lower().partition(":")
    return bool(colon) and not value and name in (*_FIELDS, *_FILTERS)


_NOTHING = Phrase((NOWHERE,))


def _get_value(term: re.Match[str]) -> str:
    quoted: str | None = term["quoted"]
    return str(term["plain"]) if quoted is None else quoted.strip()


def _build_filter(term: re.Match[str]) -> dict[str, Any] | None:
    build = _FILTERS.get((term["name"] or "").lower())
    value = _get_value(term)
    return build(value, is_wanted=not term["minus"]) if build is not None and value else None


def _build_phrase(term: re.Match[str]) -> Phrase | None:
    name, text = (term["name"] or "").lower(), _get_value(term)
    field = _FIELDS.get(name, "")
    words = split_words(text if field or not name else f"{name} {text}")[:MAX_PHRASE]
    if not words:
        return None
    has_star = bool(term["star"]) or (term["quoted"] is None and text.endswith("*"))
    # A part of an address is enough to look into one field.
    is_prefix = (has_star or bool(field)) and len(words[-1]) >= MIN_PREFIX
    return Phrase(tuple(words), is_prefix, field)


def parse_part(text: str | None, field: str) -> tuple[Phrase, ...]:
    """Return the phrase that a field must contain; its last word may be a beginning.

    A text without any word stands for a phrase that nothing contains.
    """
    if text is None or not text.strip():
        return ()
    words = tuple(split_words(text[:MAX_QUERY])[:MAX_PHRASE])
    if not words:
        return (_NOTHING,)
    return (Phrase(words, len(words[-1]) >= MIN_PREFIX, field),)


def narrow(query: Query, *wanted: Phrase, **filters: Any) -> Query:
    """Return a query that asks for more: phrases, and the filters that are not None or empty."""
    given = {name: value for name, value in filters.items() if value not in (None, ())}
    return replace(query, wanted=(*query.wanted, *wanted), **given)


def find_phrase(text: str, phrases: Sequence[Phrase]) -> int | None:
    """Return where the first of these phrases begins in a text; None if it contains none.

    They are looked for letter by letter: `Straße` contains `strasse` for the index alone.
    """
    parts = [r"[\W_]*".join(_bound(phrase)) for phrase in phrases]
    match = re.search("|".join(parts), fold_in_place(text)) if parts else None
    return None if match is None else match.start()


def _bound(phrase: Phrase) -> Iterator[str]:
    """Yield the pattern of each word; a word of one unspaced letter has no bounds."""
    last = len(phrase.words) - 1
    for place, word in enumerate(phrase.words):
        if is_unspaced(word):
            yield re.escape(word)
            continue
        end = "" if phrase.is_prefix and place == last else r"(?![^\W_])"
        yield rf"(?<![^\W_]){re.escape(word)}{end}"
