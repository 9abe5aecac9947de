"""The guarded retriever: marks mail from a vector store and taints the conversation with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import PrivateAttr

from multimail.tools import DATA_NOTE, TRUSTED_LABELS, ToolSession, label_line, parse_labels
from multimail.trust import OWN, Assessment, Label
from multimail.trust.text import Fence, one_line

from ._retriever import ConversationRetriever
from ._toolkit import MultiMailToolkit


class GuardedRetriever(ConversationRetriever):
    """Puts the guard around a retriever whose index was built by `MultiMailLoader(marked=False)`.

    What it returns stands between marks below its label, and taints the conversation. A document
    without a label from the loader is left out, because its author is unknown. The standing of the
    sender when the index was built is ignored: every sender is treated as new.

    Args:
        retriever: Of any vector store, such as `store.as_retriever()`.
        toolkit: The toolkit of the agent or chain that is shown the documents.
        labels: Return only documents with one of these labels.

    Raises:
        multimail.ConfigurationError: No such label.
    """

    retriever: BaseRetriever
    labels: frozenset[Label]
    _session: ToolSession = PrivateAttr()

    def __init__(
        self,
        retriever: BaseRetriever,
        toolkit: MultiMailToolkit,
        *,
        labels: Iterable[str] = TRUSTED_LABELS,
    ) -> None:
        fields: dict[str, Any] = {"retriever": retriever, "labels": parse_labels(labels)}
        super().__init__(**fields)
        self._session = toolkit.session

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        session_id: str | None = None,
    ) -> list[Document]:
        documents = self.retriever.invoke(query, {"callbacks": run_manager.get_child()})
        return self._guard(documents, session_id)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        session_id: str | None = None,
    ) -> list[Document]:
        documents = await self.retriever.ainvoke(query, {"callbacks": run_manager.get_child()})
        return await self._session.run_off_loop(self._guard, documents, session_id)

    def _guard(self, documents: Iterable[Document], session_id: str | None) -> list[Document]:
        guard = self._session.guard(session_id)
        marked = []
        for document, assessment in self._assess(documents):
            named = [str(document.metadata.get(name) or "") for name in ("sender", "to")]
            guard.mark_indexed_shown(assessment, document.page_content, *named)
            marked.append(_mark(document, assessment))
        return marked

    def _assess(self, documents: Iterable[Document]) -> Iterator[tuple[Document, Assessment]]:
        for document in documents:
            label = document.metadata.get("label")
            if label in self.labels:
                yield document, OWN if label == Label.OWN else Assessment(Label(label))


def _mark(document: Document, assessment: Assessment) -> Document:
    facts = document.metadata
    named = [
        f"{word} {one_line(str(facts[name]), 64)}"
        for name, word in _NAMED.items()
        if facts.get(name)
    ]
    head = "\n".join([f"Part of {', '.join(named)}.", label_line(assessment), DATA_NOTE])
    content = f"{head}\n{Fence.new().around(document.page_content)}"
    return Document(page_content=content, id=document.id, metadata=dict(facts))


_NAMED = {"id": "email", "thread_id": "thread", "received_at": "of"}
