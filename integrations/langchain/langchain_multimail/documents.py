"""Documents: mail as LangChain's `Document`, and what loaders and retrievers have in common."""

from __future__ import annotations

from typing import Any, cast

from langchain_core.documents import Document

from multimail.errors import ConfigurationError
from multimail.tools import ToolSession
from multimail.tools.shown import MailFilter, ShownEmail, facts_of
from multimail.tools.toolkit import SessionOptions

from .toolkit import MultiMailToolkit

PAGE = 50
"""How many rows of a mailbox are asked for at once."""


class MailOptions(SessionOptions, MailFilter, total=False):
    """What loaders and retrievers take by name: a session's options, and the API's filters."""


def document_of(mail: ShownEmail, *, marked: bool, longest: int | None = None) -> Document:
    """Return a message as a document.

    Args:
        mail: The message, as it may be shown.
        marked: Put the content between marks, below its label, as the tools do.
        longest: The most characters of marked content.
    """
    content = mail.marked(longest) if marked else mail.text
    return Document(page_content=content, id=mail.message.id, metadata=metadata_of(mail))


def metadata_of(mail: ShownEmail) -> dict[str, Any]:
    """Return a document's metadata: plain texts, as every vector store can keep them."""
    return {"source": mail.message.id, **facts_of(mail)}


def divided(options: MailOptions) -> tuple[MailFilter, SessionOptions]:
    """Tell the API's filters from a session's options."""
    filters = {name: value for name, value in options.items() if name in _FILTERS}
    rest = {name: value for name, value in options.items() if name not in _FILTERS}
    return cast(MailFilter, filters), cast(SessionOptions, rest)


_FILTERS = frozenset(MailFilter.__annotations__)


def session_for(
    toolkit: MultiMailToolkit | None, api_key: str | None, options: SessionOptions
) -> ToolSession:
    """Return the toolkit's session, or one of its own.

    Raises:
        ConfigurationError: Both are asked for; or as `ToolSession`.
    """
    if toolkit is None:
        return ToolSession(api_key, **options)
    given = [*(["api_key"] if api_key else []), *options]
    if given:
        raise ConfigurationError(
            f"{', '.join(given)}: the toolkit has its own.", remedy="Leave out one of the two."
        )
    return toolkit.session
