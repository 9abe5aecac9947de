"""Resources: messages and threads by URI, shown by the code of `read_email` and `get_thread`.

    multimail://{mailbox}/messages/{id}{?offset,include_quoted}
    multimail://{mailbox}/threads/{id}{?before}

`mailbox` is an address or an id, percent-encoded (RFC 6570 level 3 does so by itself).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import Field

from multimail.errors import NotFoundError
from multimail.tools import ToolContext, ToolRun, ToolSpec
from multimail.tools.schemas import GetThread, ReadEmail

SCHEME = "multimail"
MIME_TYPE = "text/plain"


class _MessageUri(ReadEmail):
    """Arguments of reading a message by URI."""

    mailbox: str = Field(min_length=1)


class _ThreadUri(GetThread):
    """Arguments of reading a thread by URI."""

    mailbox: str = Field(min_length=1)


class Resource:
    """What can be read by URI, as the tool of that name reads it.

    Args:
        tool: The tool that shows it; its access, its guard and its words are the resource's.
        kind: The URI's first path segment.
        args: The tool's arguments and the mailbox.
        id_name: The argument that the URI's second path segment is.
    """

    def __init__(
        self, tool: ToolSpec, kind: str, args: type[_MessageUri | _ThreadUri], id_name: str
    ) -> None:
        self.kind, self._id_name = kind, id_name
        self.spec = replace(tool, args=args, operation=_within_mailbox(tool))
        options = [name for name in tool.args.model_fields if name != id_name]
        self.template = f"{SCHEME}://{{mailbox}}/{kind}/{{id}}{{?{','.join(options)}}}"

    def as_template(self) -> dict[str, Any]:
        """Return it as `resources/templates/list` shows it."""
        return {
            "uriTemplate": self.template,
            "name": self.kind,
            "title": self.spec.title,
            "description": self.spec.description,
            "mimeType": MIME_TYPE,
        }

    def arguments(self, mailbox: str, identity: str, query: str) -> dict[str, Any]:
        """Return what a URI says, unchecked."""
        return {**dict(parse_qsl(query)), self._id_name: identity, "mailbox": mailbox}


def resources_of(specs: Iterable[ToolSpec]) -> dict[str, Resource]:
    """Return the resources that these tools can show, by kind."""
    by_name = {one.name: one for one in specs}
    made = []
    if "read_email" in by_name:
        made.append(Resource(by_name["read_email"], "messages", _MessageUri, "email_id"))
    if "get_thread" in by_name:
        made.append(Resource(by_name["get_thread"], "threads", _ThreadUri, "thread_id"))
    return {one.kind: one for one in made}


def _within_mailbox(tool: ToolSpec) -> Callable[[Any, ToolContext], ToolRun]:
    def read(args: _MessageUri | _ThreadUri, context: ToolContext) -> ToolRun:
        mailbox = yield from context.mailbox(args.mailbox)
        own = tool.args.model_validate(args.model_dump(exclude={"mailbox"}))
        return (yield from tool.operation(own, replace(context, pinned=mailbox.id)))

    return read


def find(uri: str, resources: dict[str, Resource]) -> tuple[Resource, dict[str, Any]]:
    """Return the resource of a URI, and the arguments that the URI holds.

    Raises:
        NotFoundError: The URI is none of a resource's.
    """
    parts = _split(uri)
    segments = [unquote(one) for one in parts.path.split("/")[1:]] if parts else []
    if parts is None or len(segments) != 2 or segments[0] not in resources:
        known = ", ".join(one.template for one in resources.values())
        raise NotFoundError(f"There is no resource {uri!r:.200}. There are: {known}.")
    found = resources[segments[0]]
    return found, found.arguments(unquote(parts.netloc), segments[1], parts.query)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return parts if parts.scheme == SCHEME and not parts.fragment else None
