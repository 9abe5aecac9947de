"""Ranking: which messages fit a query best. The retriever's two ways, behind one protocol."""

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
from multimail.tools.shown import ShownEmail

_WORD = re.compile(r"\w+")


class Ranking(Protocol):
    """Chooses from messages; each method returns at most `k`, best first."""

    def rank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Return what fits."""
        ...

    async def arank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Do the same without blocking the event loop on a network."""
        ...


class ByWords:
    """Okapi BM25 over the words of header and body (Lucene's variant), by the library bm25s.

    What shares no word with the query is not returned.

    Raises:
        ConfigurationError: bm25s is not installed.
    """

    def __init__(self) -> None:
        self._bm25s: Any = _needed("bm25s")

    def rank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Return what shares the rarest words with the query."""
        texts = [_words(one.text) for one in mail]
        wanted = _words(query)
        if not wanted or not any(texts):
            return []
        index = self._bm25s.BM25()
        index.index(texts, show_progress=False)
        scores = index.get_scores(wanted)
        best = sorted(range(len(mail)), key=lambda one: -scores[one])
        return [mail[one] for one in best[:k] if scores[one] > 0]

    async def arank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Do the same: it is no more than counting words."""
        return self.rank(query, mail, k)


class ByMeaning:
    """Cosine similarity of embeddings; each message is embedded once.

    Args:
        embeddings: The model that embeds.

    Raises:
        ConfigurationError: numpy is not installed.
    """

    def __init__(self, embeddings: Embeddings) -> None:
        _needed("numpy")
        self._index = InMemoryVectorStore(embeddings)
        self._lock = threading.Lock()

    def rank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Return what is nearest to the query."""
        by_id = {one.message.id: one for one in mail}
        with self._lock:  # the store is a dictionary, and a batch of queries many threads
            self._index.add_documents(self._new(by_id))
            found = self._index.similarity_search(query, k=k, filter=lambda one: one.id in by_id)
        return [by_id[str(one.id)] for one in found]

    async def arank(self, query: str, mail: Sequence[ShownEmail], k: int) -> list[ShownEmail]:
        """Do the same, with the model's asynchronous methods."""
        by_id = {one.message.id: one for one in mail}
        await self._index.aadd_documents(self._new(by_id))
        found = await self._index.asimilarity_search(query, k=k, filter=lambda one: one.id in by_id)
        return [by_id[str(one.id)] for one in found]

    def _new(self, by_id: dict[str, ShownEmail]) -> list[Document]:
        """Return what is not embedded yet, and forget what is not asked about any more."""
        self._index.delete([one for one in self._index.store if one not in by_id])
        missing = by_id.keys() - self._index.store.keys()
        return [Document(page_content=by_id[one].text, id=one) for one in sorted(missing)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _needed(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"MultiMailRetriever ranks with {name}, which is not installed.",
            remedy='pip install "multimail[retrieval]"',
        ) from error
