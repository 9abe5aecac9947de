"""The document loader: a mailbox, or one thread of it, as documents to build context from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, Unpack

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from multimail import Call, Pause
from multimail.errors import ConfigurationError
from multimail.tools import ToolContext
from multimail.tools.shown import VOUCHED, labels_of, newest, note_shown, of_thread, shown

from .documents import PAGE, MailOptions, divided, document_of, session_for
from .toolkit import MultiMailToolkit

_Work: TypeAlias = "Callable[[ToolContext], Generator[Call[Any] | Pause, Any, _Loaded]]"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listing goes on, and how many rows of it may still be looked at."""

    left: int | None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    documents: list[Document]
    goes_on: _Place | None = None


class MultiMailLoader(BaseLoader):
    """Loads mail as documents, as the tools would show it to a model and never as raw HTML.

    A mailbox is loaded newest first, page by page; a thread oldest first. What a human would not
    see is taken out, quoted history is left out, links are treated and bodies withheld by the
    policy. A document's metadata are plain texts: `label`, `standing`, `reasons`, `id`,
    `thread_id`, `mailbox_id`, `sender`, `to`, `subject`, `received_at`, `direction`, `status`,
    `source`. They are for code: `subject` and `sender` are the sender's words, without marks.

    By default only mail whose sender is proven, and what left this mailbox, is loaded: an index
    outlives the conversation that could have been careful, and whoever asks it later sees no
    warning. Name the labels to load more.

    Where the API gives threads with their bodies, loading marks nothing as read.

    Args:
        api_key: Default `MULTIMAIL_API_KEY`.
        toolkit: Load in its session instead, so that what is loaded taints a conversation of it.
        session_id: That conversation; LangGraph's `thread_id`. Default the toolkit's own.
        thread_id: Load this thread of mail instead of the mailbox.
        labels: Load only messages with one of these labels.
        window: How many messages to look at, newest first, those that are left out included;
            default all of them.
        marked: Put the content between marks, as the tools do. Where documents are split or
            embedded, say False, and let a `GuardedRetriever` mark what is found.
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
        labels: Iterable[str] = VOUCHED,
        window: int | None = None,
        marked: bool = True,
        **options: Unpack[MailOptions],
    ) -> None:
        self._labels = labels_of(labels)
        self._filters, own = divided(options)
        if thread_id is not None and (self._filters or window is not None):
            raise ConfigurationError("thread_id: a thread is loaded whole, without filters.")
        if window is not None and window < 1:
            raise ConfigurationError(f"window: {window} is not 1 or more.")
        self._session = session_for(toolkit, api_key, own)
        self._session_id, self._thread_id = session_id, thread_id
        self._window, self._marked = window, marked

    def lazy_load(self) -> Iterator[Document]:
        """Yield the documents; a page of mail is fetched as it is needed.

        Raises:
            multimail.MultiMailError: As the API's calls do.
        """
        place: _Place | None = _Place(self._window)
        while place is not None:
            loaded = self._session.run(self._step(place), session_id=self._session_id)
            yield from loaded.documents
            place = loaded.goes_on

    async def alazy_load(self) -> AsyncIterator[Document]:
        """Do the same, asynchronously."""
        place: _Place | None = _Place(self._window)
        while place is not None:
            loaded = await self._session.arun(self._step(place), session_id=self._session_id)
            for document in loaded.documents:
                yield document
            place = loaded.goes_on

    def _step(self, place: _Place) -> _Work:
        def work(context: ToolContext) -> Generator[Call[Any] | Pause, Any, _Loaded]:
            if self._thread_id is not None:
                batch = yield from of_thread(self._thread_id, self._labels, context)
            else:
                batch = yield from newest(
                    self._filters,
                    self._labels,
                    context,
                    cursor=place.cursor,
                    limit=PAGE if place.left is None else min(PAGE, place.left),
                )
            mail = [shown(one, context) for one in batch.messages]
            note_shown(mail, context)
            documents = [document_of(one, marked=self._marked) for one in mail]
            left = None if place.left is None else place.left - batch.looked_at
            is_over = batch.cursor is None or left == 0
            return _Loaded(documents, None if is_over else _Place(left, batch.cursor))

        return work
