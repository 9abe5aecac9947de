"""Full-text search of a mailbox, with snippets of what matched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..auth import Principal
from ..store.protocol import Reader
from ..store.query_language import Phrase, find_phrase
from ..store.records import Message, SearchFilter
from .context import AppContext, find_mailbox
from .messages import may_see

MAX_SNIPPET = 200
"""Characters of a snippet."""
_BEFORE = 60
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A message that was found.

    Attributes:
        message: The message.
        snippet: What stands around the first match in its text, or the beginning of the text;
            empty if the words are in another field.
    """

    message: Message
    snippet: str = ""


class SearchService:
    """API: GET …/search."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def search(
        self, principal: Principal, mailbox_id: str, where: SearchFilter
    ) -> list[SearchResult]:
        """Return up to `where.limit` + 1 messages that match, newest first.

        A key without `oversight` finds nothing by the content of mail that it may not see.
        """

        def work(tx: Reader) -> list[SearchResult]:
            mailbox = find_mailbox(tx, principal, mailbox_id)
            found = tx.search_messages(
                replace(
                    where,
                    mailbox_id=mailbox.id,
                    limit=where.limit + 1,
                    reviewer=principal.is_reviewer,
                )
            )
            shown = [message.id for message in found if may_see(principal, message)]
            texts = tx.texts(shown[: where.limit])
            wanted = [phrase for phrase in where.query.wanted if not phrase.field]
            return [
                SearchResult(message, build_snippet(texts.get(message.id, ""), wanted))
                for message in found
            ]

        return self._context.store.read(work)


def build_snippet(text: str, phrases: Sequence[Phrase]) -> str:
    """Return at most 200 characters of a text, on one line, around the first of these phrases.

    Args:
        text: The text.
        phrases: Without any, the snippet is the beginning of the text; if the text contains none of
            them, it is empty.
    """
    place = find_phrase(text, phrases) if phrases else 0
    if place is None:
        return ""
    start = _find_word_start(text, place)
    # White space is shortened: more of the text fits than is shown.
    words = _SPACE.sub(" ", text[start : start + 4 * MAX_SNIPPET]).strip()
    head = "…" if start else ""
    room = MAX_SNIPPET - len(head) - 1
    if len(words) <= room:
        return f"{head}{words}"
    end = words.rfind(" ", room // 2, room)
    return f"{head}{words[: end if end > 0 else room]}…"


def _find_word_start(text: str, place: int) -> int:
    """Return where a word begins, some words before a place."""
    if place <= _BEFORE:
        return 0
    space = _SPACE.search(text, place - _BEFORE, place)
    return space.end() if space else place - _BEFORE
