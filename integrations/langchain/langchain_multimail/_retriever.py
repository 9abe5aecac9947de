"""The retrievers: mail that fits a question; what they return taints the conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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

from multimail.models import Email
from multimail.tools import (
    MIN_CHARS,
    TRUSTED_LABELS,
    MailFilter,
    RenderedEmail,
    Steps,
    ToolContext,
    ToolSession,
    fetch_mailbox_page,
    mark_all_shown,
    parse_labels,
    render_email,
)
from multimail.trust import Label

from ._documents import PAGE_SIZE, MailOptions, build_document, resolve_session, split_options
from ._rankers import BM25Ranker, EmbeddingRanker, Ranker
from ._toolkit import MultiMailToolkit, get_thread_id


@dataclass(frozen=True, slots=True)
class _Window:
    emails: list[RenderedEmail]
    context: ToolContext


_Work: TypeAlias = Callable[[ToolContext], Steps[_Window]]


class ConversationRetriever(BaseRetriever):
    """Base of retrievers that need the id of the conversation: LangGraph's `thread_id`."""

    def invoke(
        self,
        input: str,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents for a query; `kwargs` may hold `k`."""
        session_id = get_thread_id(ensure_config(config))
        return super().invoke(input, config, **{"session_id": session_id, **kwargs})

    async def ainvoke(
        self,
        input: str,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Return the documents for a query asynchronously; otherwise like `invoke`."""
        session_id = get_thread_id(ensure_config(config))
        return await super().ainvoke(input, config, **{"session_id": session_id, **kwargs})


class MultiMailRetriever(ConversationRetriever):
    """Finds mail that fits a question, in a bounded window of the newest mail.

    The tool `search_email` searches all mail by its words. Here the newest `window` messages that
    pass the filters are fetched and ranked: by their words (BM25), or by meaning where `embeddings`
    are passed. Older mail is not found; for a larger mailbox build an index with `MultiMailLoader`.
    Each message is fetched and embedded once; the listing is requested for every question.

    What is returned is marked and cleaned as by the tools, and taints the conversation. Pass the
    agent's toolkit, so that its guard knows what was shown.

    By default only mail of proven senders is found, and what left this mailbox: an answer that
    was built from a forgery does not look like one.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        toolkit: The toolkit whose session, guard and conversations it shares.
        k: The most documents of an answer. Each has the session's `max_chars` divided by `k`,
            but at least 1,000 characters.
        window: The number of newest messages to look at, including those that are left out.
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
    _ranker: Ranker = PrivateAttr()
    _cached: dict[str, Email] = PrivateAttr(default_factory=dict)

    def __init__(
        self,
        api_key: str | None = None,
        *,
        toolkit: MultiMailToolkit | None = None,
        k: int = 4,
        window: int = 100,
        labels: Iterable[str] = TRUSTED_LABELS,
        embeddings: Embeddings | None = None,
        **options: Unpack[MailOptions],
    ) -> None:
        fields: dict[str, Any] = {"k": k, "window": window, "labels": parse_labels(labels)}
        super().__init__(**fields)
        self._filters, session_options = split_options(options)
        self._ranker = BM25Ranker() if embeddings is None else EmbeddingRanker(embeddings)
        self._session = resolve_session(toolkit, api_key, session_options)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        session_id: str | None = None,
    ) -> list[Document]:
        del run_manager
        limit = k or self.k
        window = self._session.run(self._fetch_window(limit), session_id=session_id)
        return _show(self._ranker.rank(query, window.emails, limit), window.context)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,
        k: int | None = None,
        session_id: str | None = None,
    ) -> list[Document]:
        del run_manager
        limit = k or self.k
        window = await self._session.arun(self._fetch_window(limit), session_id=session_id)
        return _show(await self._ranker.arank(query, window.emails, limit), window.context)

    def _fetch_window(self, limit: int) -> _Work:
        """Return the work that fetches the window, to be shown as `limit` documents."""

        def work(session_context: ToolContext) -> Steps[_Window]:
            max_chars = max(MIN_CHARS, session_context.max_chars // limit)
            context = replace(session_context, max_chars=max_chars)
            messages: list[Email] = []
            cursor, left = None, self.window
            while left > 0:
                page = yield from fetch_mailbox_page(
                    self._filters,
                    self.labels,
                    context,
                    cursor=cursor,
                    limit=min(PAGE_SIZE, left),
                    cached=self._cached,
                )
                messages += page.messages
                cursor, left = page.cursor, left - page.row_count
                if cursor is None:
                    break
            self._cached = {message.id: message for message in messages}
            return _Window([render_email(message, context) for message in messages], context)

        return work


def _show(emails: list[RenderedEmail], context: ToolContext) -> list[Document]:
    mark_all_shown(emails, context)
    return [build_document(email, marked=True, max_chars=context.max_chars) for email in emails]
