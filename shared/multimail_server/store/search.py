"""The full-text index of messages: its rows, and the SQL that searches it.

SQLite keeps the words in FTS5, PostgreSQL in a `tsvector` with a GIN index. Both are given the
words of `words.split_words` and the same queries, so that they find the same messages. The mailbox,
the direction, the label and whether there are files are words too (facets): then the index alone
finds what a search for common words has to leave out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from multimail.trust.evidence import parse_authentication
from multimail.trust.labels import Label, assess

from ..clock import ID_DIGITS
from ..oversight import Direction
from .query_language import Phrase
from .records import Message, SearchFilter
from .sql import Connection
from .words import BREAK, split_words

MAX_BODY = 150_000
"""Characters of a body that are indexed."""
MAX_HEADER = 20_000
"""Characters of the recipients, and of the names of the files, that are indexed."""


@dataclass(frozen=True, slots=True)
class Words:
    """What the index holds of a message: the words of each field.

    Attributes:
        facets: What it is, as words that no text contains.
        title: Of the subject.
        sender: Of From, address and name.
        receivers: Of To, Cc and Bcc.
        files: Of the names of its attachments.
        body: Of its text.
    """

    facets: list[str]
    title: list[str]
    sender: list[str]
    receivers: list[str]
    files: list[str]
    body: list[str]


def build_words(message: Message, body: str, files: Iterable[str]) -> Words:
    """Return what the index holds of a message.

    Args:
        message: The message.
        body: Its text.
        files: The names of its attachments.
    """
    return Words(
        [_name_mailbox(message.mailbox_id), *_list_facets(message)],
        split_words(message.subject),
        _split_each((message.from_address, message.from_name)),
        _split_each((*message.to, *message.cc, *message.bcc)),
        _split_each(files),
        split_words(body[:MAX_BODY]),
    )


def _split_each(texts: Iterable[str]) -> list[str]:
    """Return the words of several texts, parted so that no phrase runs from one into the next."""
    words: list[str] = []
    left = MAX_HEADER
    for text in texts:
        words += [*split_words(text[:left]), BREAK]
        left = max(0, left - len(text))
    return words[:-1] if left else words[:MAX_HEADER]


def get_label(message: Message) -> str:
    """Return the trust label of a message by its evidence alone; `own` for an outbound one."""
    if message.direction is Direction.OUTBOUND:
        return Label.OWN.value
    evidence = parse_authentication({"authentication": message.authentication})
    return assess(evidence).label.value


def _list_facets(message: Message) -> Iterator[str]:
    yield message.direction.value
    yield _name_label(get_label(message))
    yield _name_files(has_any=message.has_attachments)


def _name_mailbox(mailbox_id: str) -> str:
    return mailbox_id.replace("_", "").lower()


def _name_label(label: str) -> str:
    return f"label{label.replace('_', '')}"


def _name_files(*, has_any: bool) -> str:
    return "files" if has_any else "nofiles"


def _list_wanted_facets(where: SearchFilter) -> Iterator[str]:
    query = where.query
    yield _name_mailbox(where.mailbox_id)
    if query.direction is not None:
        yield query.direction.value
    if query.label is not None:
        yield _name_label(query.label)
    if query.has_attachments is not None:
        yield _name_files(has_any=query.has_attachments)


class SearchIndex(ABC):
    """The index of one database.

    Args:
        connection: In a transaction.
    """

    source: str
    """The FROM clause of a search: `m` are the messages."""
    newest_first: str
    tagged: str
    """The FROM clause of a search by a tag alone: `t` are the tags."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @abstractmethod
    def add(self, message: Message, words: Words) -> None:
        """Add a message that the index does not hold."""

    @abstractmethod
    def build_conditions(self, where: SearchFilter) -> Iterator[tuple[str, Any]]:
        """Yield the conditions that the index decides, each with its value."""

    def remove(self, message_id: str) -> None:
        """Remove a message, if the index holds it."""
        self._connection.execute("DELETE FROM message_words WHERE message_id = ?", (message_id,))


_ADD_WORDS = """INSERT INTO message_words VALUES (
    CASE WHEN EXISTS (SELECT 1 FROM message_words WHERE number = ?)
    THEN (SELECT max(number) + 1 FROM message_words WHERE number BETWEEN ? AND ?) ELSE ? END,
    ?, ?, ?, ?, ?, ?, ?)"""
"""Takes the next free number if another message has that of the id."""


class SqliteIndex(SearchIndex):
    """Words in FTS5. A row's number sorts as the message's id, so that FTS5 reads newest first."""

    source = (
        "message_search s CROSS JOIN message_words w ON w.number = s.rowid "
        "CROSS JOIN messages m ON m.id = w.message_id"
    )
    newest_first = "s.rowid DESC"
    tagged = "tags t CROSS JOIN messages m ON m.id = t.message_id"

    def add(self, message: Message, words: Words) -> None:
        """Add a message that the index does not hold."""
        fields = (words.facets, words.title, words.sender, words.receivers, words.files, words.body)
        number = _build_number(message.id)
        values = (number, number, number + 0xFFFF, number, message.id, *map(" ".join, fields))
        self._connection.execute(_ADD_WORDS, values)

    def _fetch(self, sql: str, *values: Any) -> Any:
        row = self._connection.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def build_conditions(self, where: SearchFilter) -> Iterator[tuple[str, Any]]:
        """Yield the conditions that the index decides, each with its value."""
        yield "message_search MATCH ?", _build_fts5_query(where)
        if where.before_id is not None:
            known = "SELECT number FROM message_words WHERE message_id = ?"
            number = self._fetch(known, where.before_id)
            yield "s.rowid < ?", _build_number(where.before_id) if number is None else number


_NUMBER_DIGITS = 14
_TO_BASE_32 = defaultdict(
    lambda: "0",
    {ord(digit): "0123456789abcdefghijklmnopqrstuv"[at] for digit, at in ID_DIGITS.items()},
)
"""An id's digits as `int` reads them."""


def _build_number(message_id: str) -> int:
    """Return 63 bits of an id of 130 that sort as it does: 43 of its time and the 20 after them."""
    digits = message_id.rpartition("_")[2][:_NUMBER_DIGITS].ljust(_NUMBER_DIGITS, "0")
    return int(digits.translate(_TO_BASE_32), 32) & 0x7FFF_FFFF_FFFF_FFFF


def _build_fts5_query(where: SearchFilter) -> str:
    """Return the query in FTS5's language. Its words are quoted: none is an operator."""
    query = where.query
    wanted = [f'facets : "{facet}"' for facet in _list_wanted_facets(where)]
    both = f"({' AND '.join([*wanted, *map(_quote, query.wanted)])})"
    return f"{both} NOT ({' OR '.join(map(_quote, query.unwanted))})" if query.unwanted else both


def _quote(phrase: Phrase) -> str:
    field = phrase.field or "{title sender receivers files body}"
    return f'{field} : "{" ".join(phrase.words)}"{"*" if phrase.is_prefix else ""}'


class PostgresIndex(SearchIndex):
    """Words in a `tsvector`. Its positions end at 16,383: a phrase further on is not found."""

    source = "message_words w JOIN messages m ON m.id = w.message_id"
    newest_first = "w.message_id DESC"
    tagged = "tags t JOIN messages m ON m.id = t.message_id"

    def add(self, message: Message, words: Words) -> None:
        """Add a message that the index does not hold."""
        self._connection.execute(
            "INSERT INTO message_words VALUES (?, ?, ?::tsvector)",
            (message.id, message.mailbox_id, _build_vector(words)),
        )

    def build_conditions(self, where: SearchFilter) -> Iterator[tuple[str, Any]]:
        """Yield the conditions that the index decides, each with its value."""
        yield "w.mailbox_id = ?", where.mailbox_id
        yield "w.words @@ ?::tsquery", _build_tsquery(where)
        if where.before_id is not None:
            yield "w.message_id < ?", where.before_id


_MAX_POSITIONS = 255
"""Of one word; PostgreSQL keeps no more."""
_LAST_POSITION = 16_383


def _build_vector(words: Words) -> str:
    """Return the words as PostgreSQL reads a `tsvector`: each with its places."""
    places: dict[str, list[str]] = {f"_{facet}": [] for facet in words.facets}
    position = 0
    fields = (words.title, "A"), (words.sender, "B"), (words.receivers, "C")
    for field, weight in (*fields, (words.files, "D"), (words.body, "D")):
        for word in field:
            position += 1
            known = places.setdefault(word, [])
            if len(known) < _MAX_POSITIONS:
                known.append(f"{min(position, _LAST_POSITION)}{weight}")
        position += 1  # no phrase runs from one field into the next
    return " ".join(
        f"'{word}':{','.join(at)}" if at else f"'{word}'" for word, at in places.items()
    )


_WEIGHTS = {"title": "A", "sender": "B", "receivers": "C", "": ""}


def _build_tsquery(where: SearchFilter) -> str:
    """Return the query in PostgreSQL's language. Its words are quoted: none is an operator."""
    facets = [f"'_{facet}'" for facet in _list_wanted_facets(where)]
    unwanted = [f"!{_follow(phrase)}" for phrase in where.query.unwanted]
    return " & ".join([*facets, *map(_follow, where.query.wanted), *unwanted])


def _follow(phrase: Phrase) -> str:
    last, weight = len(phrase.words) - 1, _WEIGHTS[phrase.field]
    words = (
        f"'{word}':{'*' if phrase.is_prefix and place == last else ''}{weight}".rstrip(":")
        for place, word in enumerate(phrase.words)
    )
    return f"({' <-> '.join(words)})"


INDEXES: dict[str, type[SearchIndex]] = {"sqlite": SqliteIndex, "postgres": PostgresIndex}
"""The index of each dialect, by its name."""
