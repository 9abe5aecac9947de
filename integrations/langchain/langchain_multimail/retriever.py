"""The retrievers: mail that fits a question, with the conversation tainted by what is returned."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, Unpack

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import Field, PrivateAttr

from multimail import Call, Pause
from multimail.models import Email
from multimail.tools import ToolContext, ToolSession
from multimail.tools.session import LEAST_CHARS
from multimail.tools.shown import (
    VOUCHED,
    Batch,
    MailFilter,
    ShownEmail,
    labels_of,
    newest,
    note_shown,
    shown,
)
from multimail.trust import Label

from .documents import PAGE, MailOptions, divided, document_of, session_for
from .ranking import ByMeaning, ByWords, Ranking
from .toolkit import MultiMailToolkit, thread_of

_Work: TypeAlias = "Callable[[ToolContext], Generator[Call[Any] | Pause, Any, _Found]]"


@dataclass(frozen=True, slots=True)
class _Found:
    mail: list[ShownEmail]
    context: ToolContext


class ConversationRetriever(BaseRetriever):
    """A retriever that knows in which conversation it is asked: LangGraph's `thread_id`."""

    def invoke(
        self,
        input: str,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents for a query; `kwargs` may hold `k`."""
        known = thread_of(ensure_config(config))
        return super().invoke(input, config, **{"session_id": known, **kwargs})

    async def ainvoke(
        self,
        input: str,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Do the same, asynchronously."""
        known = thread_of(ensure_config(config))
        return await super().ainvoke(input, config, **{"session_id": known, **kwargs})


class MultiMailRetriever(ConversationRetriever):
    """Finds mail that fits a question, in a bounded window of the newest mail.

    The API has filters and no full-text search. So the newest `window` messages that pass the
    filters are fetched and ranked here: by their words (BM25), or by meaning where `embeddings`
    are given. Older mail is not found; for a larger mailbox load an index with `MultiMailLoader`.
    A message is fetched and embedded once in this object's life; the listing is asked for anew.

    What is returned is marked and cleaned as by the tools, and is what the model is shown: it
    taints the conversation. Give it the agent's toolkit, so that the guard of the tools knows.

    By default only mail whose sender is proven is found, and what left this mailbox: an answer
    that was made of a forgery does not look like one.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        toolkit: The toolkit whose session, guard and conversations it shares.
        k: The most documents of an answer. Each has the session's `max_chars` divided by `k`,
            but at least 1,000 characters.
        window: How many of the newest messages to look at, those that are left out included.
        labels: Find only messages with one of these labels.
        embeddings: Rank by meaning, with this model.
        options: The API's filters (`sender`, `subject_contains`, `date_after`, `date_before`,
            `direction`, `has_attachments`, `unread_only`), and what `ToolSession` takes.

    Raises:
        multimail.ConfigurationError: No key, no such label, arguments that exclude each other, or
            a missing library (`pip install "multimail[retrieval]"`).
    """

    k: int = Field(ge=1)
    window: int = Field(ge=1)
    labels: frozenset[Label]
    _session: ToolSession = PrivateAttr()
    _filters: MailFilter = PrivateAttr()
    _ranking: Ranking = PrivateAttr()
    _read: dict[str, Email] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        api_key: str | None = None,
        *,
        toolkit: MultiMailToolkit | None = None,
        k: int = 4,
        window: int = 100,
        labels: Iterable[str] = VOUCHED,
        embeddings: Embeddings | None = None,
        **options: Unpack[MailOptions],
    ) -> None:
        fields: dict[str, Any] = {"k": k, "window": window, "labels": labels_of(labels)}
        super().__init__(**fields)
        self._filters, own = divided(options)
        self._ranking = ByWords() if embeddings is None else ByMeaning(embeddings)
        self._session = session_for(toolkit, api_key, own)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        session_id: str | None = None,
    ) -> list[Document]:
        del run_manager
        most = k or self.k
        found = self._session.run(self._window(most), session_id=session_id)
        return _shown_to_model(self._ranking.rank(query, found.mail, most), found.context)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        session_id: str | None = None,
    ) -> list[Document]:
        del run_manager
        most = k or self.k
        found = await self._session.arun(self._window(most), session_id=session_id)
        return _shown_to_model(await self._ranking.arank(query, found.mail, most), found.context)

    def _window(self, most: int) -> _Work:
        """Return the work that fetches the window, to be shown as `most` documents."""

        def work(whole: ToolContext) -> Generator[Call[Any] | Pause, Any, _Found]:
            context = replace(whole, max_chars=max(LEAST_CHARS, whole.max_chars // most))
            messages: list[Email] = []
            cursor, left = None, self.window
            while left > 0:
                batch: Batch = yield from newest(
                    self._filters,
                    self.labels,
                    context,
                    cursor=cursor,
                    limit=min(PAGE, left),
                    have=self._read,
                )
                messages += batch.messages
                cursor, left = batch.cursor, left - batch.looked_at
                if cursor is None:
                    break
            self._read = {one.id: one for one in messages}
            return _Found([shown(one, context) for one in messages], context)

        return work


def _shown_to_model(mail: list[ShownEmail], context: ToolContext) -> list[Document]:
    note_shown(mail, context)
    return [document_of(one, marked=True, longest=context.max_chars) for one in mail]
