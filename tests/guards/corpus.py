"""The whole corpus: what means harm, and what means none."""

from __future__ import annotations

from functools import cache

from tests.guards import (
    corpus_arc,
    corpus_everyday,
    corpus_honest,
    corpus_monsters,
    corpus_routes,
    corpus_signatures,
    corpus_silence,
    corpus_structure,
    corpus_texts,
)
from tests.guards.corpus_case import Case

_SOURCES = (
    corpus_structure,
    corpus_signatures,
    corpus_routes,
    corpus_silence,
    corpus_arc,
    corpus_texts,
    corpus_monsters,
    corpus_honest,
    corpus_everyday,
)


@cache
def every() -> tuple[Case, ...]:
    """Return every case, in the order in which they are sent; the same at every call."""
    return tuple(case for source in _SOURCES for case in source.cases())
