"""Mail as LangChain documents, and the options that loaders and retrievers share."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.documents import Document

from multimail.errors import ConfigurationError
from multimail.tools import MailFilter, RenderedEmail, SessionOptions, ToolSession

from ._toolkit import MultiMailToolkit

PAGE_SIZE = 50
"""The number of rows of a mailbox that are requested at once."""


class MailOptions(SessionOptions, MailFilter, total=False):
    """The keyword arguments of loaders and retrievers: a session's, and the API's filters."""


def build_document(email: RenderedEmail, *, marked: bool, max_chars: int | None = None) -> Document:
    """Return a message as a document.

    Args:
        email: The message, as it may be shown.
        marked: Put the content between marks, below its label, as the tools do.
        max_chars: The most characters of marked content.
    """
    content = email.as_marked(max_chars) if marked else email.text
    metadata: dict[str, Any] = {"source": email.message.id, **email.as_metadata()}
    return Document(page_content=content, id=email.message.id, metadata=metadata)


def split_options(options: MailOptions) -> tuple[MailFilter, SessionOptions]:
    """Return the API's filters and the session's options."""
    filters = {name: value for name, value in options.items() if name in _FILTER_NAMES}
    rest = {name: value for name, value in options.items() if name not in _FILTER_NAMES}
    return cast(MailFilter, filters), cast(SessionOptions, rest)


_FILTER_NAMES = frozenset(MailFilter.__annotations__)


def resolve_session(
    toolkit: MultiMailToolkit | None, api_key: str | None, options: SessionOptions
) -> ToolSession:
    """Return the toolkit's session, or a new one.

    Raises:
        ConfigurationError: Both a toolkit and options of a session; or as `ToolSession`.
    """
    if toolkit is None:
        return ToolSession(api_key, **options)
    names = [*(["api_key"] if api_key else []), *options]
    if names:
        raise ConfigurationError(
            f"{', '.join(names)}: the toolkit has its own.", remedy="Leave out one of the two."
        )
    return toolkit.session
