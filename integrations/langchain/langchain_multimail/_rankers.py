"""Rankers: which messages fit a query best, by their words (BM25) or by their embeddings."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

from multimail.errors import ConfigurationError
from multimail.tools import RenderedEmail

_WORD = re.compile(r"\w+")


class Ranker(Protocol):
    """Selects messages for a query; each method returns at most `k`, best first."""

    def rank(self, query: str, emails: Sequence[RenderedEmail], k: int) -> list[RenderedEmail]:
        """Return the messages that fit."""
        ...

    async def arank(
        self, query: str, emails: Sequence[RenderedEmail], k: int
    ) -> list[RenderedEmail]:
        """Return the messages that fit, without blocking the event loop on a network."""
        ...


class BM25Ranker:
    """Okapi BM25 over the words of header and body (Lucene's variant), by the library bm25s.

    A message that shares no word with the query is not returned.

    Raises:
        ConfigurationError: bm25s is not installed.
    """

    def __init__(self) -> None:
        self._bm25s: Any = _import_required("bm25s")

    def rank(self, query: str, emails: Sequence[RenderedEmail], k: int) -> list[RenderedEmail]:
        """Return the messages that share the rarest words with the query."""
        texts = [_split_words(email.text) for email in emails]
        words = _split_words(query)
        if not words or not any(texts):
            return []
        index = self._bm25s.BM25()
        index.index(texts, show_progress=False)
        scores = index.get_scores(words)
        best = sorted(range(len(emails)), key=lambda position: -scores[position])
        return [emails[position] for position in best[:k] if scores[position] > 0]

    async def arank(
        self, query: str, emails: Sequence[RenderedEmail], k: int
    ) -> list[RenderedEmail]:
        """Return the same as `rank`, which only counts words and does no I/O."""
        return self.rank(query, emails, k)


class EmbeddingRanker:
    """Cosine similarity of embeddings; each message is embedded once.

    Args:
        embeddings: The model that embeds.

    Raises:
        ConfigurationError: numpy is not installed.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        _import_required("numpy")
        self._index = InMemoryVectorStore(embeddings)
        self._lock = threading.Lock()

    def rank(self, query: str, emails: Sequence[RenderedEmail], k: int) -> list[RenderedEmail]:
        """Return the messages that are nearest to the query."""
        by_id = {email.message.id: email for email in emails}
        with self._lock:  # the store is a dictionary, and a batch of queries runs in many threads
            self._index.add_documents(self._update(by_id))
            nearest = self._index.similarity_search(
                query, k=k, filter=lambda document: document.id in by_id
            )
        return [by_id[str(document.id)] for document in nearest]

    async def arank(
        self, query: str, emails: Sequence[RenderedEmail], k: int
    ) -> list[RenderedEmail]:
        """Return the same as `rank`, with the model's asynchronous methods."""
        by_id = {email.message.id: email for email in emails}
        await self._index.aadd_documents(self._update(by_id))
        nearest = await self._index.asimilarity_search(
            query, k=k, filter=lambda document: document.id in by_id
        )
        return [by_id[str(document.id)] for document in nearest]

    def _update(self, by_id: dict[str, RenderedEmail]) -> list[Document]:
        """Delete the messages that are not among these, and return those still to be embedded."""
        self._index.delete([key for key in self._index.store if key not in by_id])
        missing = by_id.keys() - self._index.store.keys()
        return [Document(page_content=by_id[key].text, id=key) for key in sorted(missing)]


def _split_words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _import_required(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"MultiMailRetriever ranks with {name}, which is not installed.",
            remedy='pip install "multimail[retrieval]"',
        ) from error
