"""The document loader: a mailbox, or one thread of it, as documents to build context from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, Unpack

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from multimail.errors import ConfigurationError
from multimail.tools import (
    TRUSTED_LABELS,
    Steps,
    ToolContext,
    fetch_mailbox_page,
    fetch_thread,
    mark_all_shown,
    parse_labels,
    render_email,
)

from ._documents import PAGE_SIZE, MailOptions, build_document, resolve_session, split_options
from ._toolkit import MultiMailToolkit


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a listing continues, and how many of its rows are left to look at."""

    left: int | None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _LoadedPage:
    documents: list[Document]
    next: _Position | None = None


_Work: TypeAlias = Callable[[ToolContext], Steps[_LoadedPage]]


class MultiMailLoader(BaseLoader):
    """Loads mail as documents, as the tools would show it to a model and never as raw HTML.

    A mailbox is loaded newest first, page by page; a thread oldest first. Invisible text is
    removed, quoted history is left out, links are treated and bodies withheld by the policy. A
    document's metadata are plain texts: `label`, `standing`, `reasons`, `id`, `thread_id`,
    `mailbox_id`, `sender`, `to`, `subject`, `received_at`, `direction`, `status`, `source`. They
    are for code: `subject` and `sender` are the sender's words, without marks.

    By default only mail of proven senders, and what left this mailbox, is loaded: an index is
    used in later conversations, which get no warning. Name the labels to load more.

    Where the API returns threads with their bodies, loading marks nothing as read.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        toolkit: Load in its session, so that what is loaded taints a conversation of it.
        session_id: That conversation; LangGraph's `thread_id`. Default the toolkit's own.
        thread_id: Load this thread of mail instead of the mailbox.
        labels: Load only messages with one of these labels.
        window: The number of messages to look at, newest first, including those that are left
            out; default all of them.
        marked: Put the content between marks, as the tools do. If documents are split or
            embedded, pass False, and let a `GuardedRetriever` mark what is found.
        options: The API's filters (`sender`, `subject_contains`, `date_after`, `date_before`,
            `direction`, `has_attachments`, `unread_only`), and what `ToolSession` takes.

    Raises:
        multimail.ConfigurationError: No key, no such label, or arguments that exclude each other.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        toolkit: MultiMailToolkit | None = None,
        session_id: str | None = None,
        thread_id: str | None = None,
        labels: Iterable[str] = TRUSTED_LABELS,
        window: int | None = None,
        marked: bool = True,
        **options: Unpack[MailOptions],
    ) -> None:
        self._labels = parse_labels(labels)
        self._filters, session_options = split_options(options)
        if thread_id is not None and (self._filters or window is not None):
            raise ConfigurationError("thread_id: a thread is loaded whole, without filters.")
        if window is not None and window < 1:
            raise ConfigurationError(f"window: {window} is not 1 or more.")
        self._session = resolve_session(toolkit, api_key, session_options)
        self._session_id, self._thread_id = session_id, thread_id
        self._window, self._marked = window, marked

    def lazy_load(self) -> Iterator[Document]:
        """Yield the documents; each page of mail is fetched when it is needed.

        Raises:
            multimail.MultiMailError: As the API's calls do.
        """
        position: _Position | None = _Position(self._window)
        while position is not None:
            page = self._session.run(self._load_page(position), session_id=self._session_id)
            yield from page.documents
            position = page.next

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Yield the documents asynchronously; otherwise like `lazy_load`."""
        position: _Position | None = _Position(self._window)
        while position is not None:
            page = await self._session.arun(self._load_page(position), session_id=self._session_id)
            for document in page.documents:
                yield document
            position = page.next

    def _load_page(self, position: _Position) -> _Work:
        def work(context: ToolContext) -> Steps[_LoadedPage]:
            if self._thread_id is not None:
                page = yield from fetch_thread(self._thread_id, self._labels, context)
            else:
                page = yield from fetch_mailbox_page(
                    self._filters,
                    self._labels,
                    context,
                    cursor=position.cursor,
                    limit=PAGE_SIZE if position.left is None else min(PAGE_SIZE, position.left),
                )
            emails = [render_email(message, context) for message in page.messages]
            mark_all_shown(emails, context)
            documents = [build_document(email, marked=self._marked) for email in emails]
            left = None if position.left is None else position.left - page.row_count
            is_last = page.cursor is None or left == 0
            return _LoadedPage(documents, None if is_last else _Position(left, page.cursor))

        return work
