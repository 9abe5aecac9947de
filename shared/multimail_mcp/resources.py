"""Resources: messages and threads by URI, rendered by the tools `read_email` and `get_thread`.

    multimail://{mailbox}/messages/{id}{?offset,include_quoted}
    multimail://{mailbox}/threads/{id}{?before}

`mailbox` is an address or an id, percent-encoded (RFC 6570 level 3 does this).
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
    """A kind of object that can be read by URI, as a tool reads it.

    Args:
        tool: The tool that reads it; the tool's access, guard and description apply.
        kind: The first path segment of the URI.
        args: The tool's arguments and the mailbox.
        id_name: The name of the argument in the second path segment of the URI.
    """

    def __init__(
        self, tool: ToolSpec, kind: str, args: type[_MessageUri | _ThreadUri], id_name: str
    ) -> None:
        self.kind, self._id_name = kind, id_name
        self.spec = replace(tool, args=args, operation=_read_in_mailbox(tool))
        options = [name for name in tool.args.model_fields if name != id_name]
        self.template = f"{SCHEME}://{{mailbox}}/{kind}/{{id}}{{?{','.join(options)}}}"

    def as_template(self) -> dict[str, Any]:
        """Return the template for `resources/templates/list`."""
        return {
            "uriTemplate": self.template,
            "name": self.kind,
            "title": self.spec.title,
            "description": self.spec.description,
            "mimeType": MIME_TYPE,
        }

    def arguments(self, mailbox: str, object_id: str, query: str) -> dict[str, Any]:
        """Return the tool's arguments from the parts of a URI, unchecked."""
        return {**dict(parse_qsl(query)), self._id_name: object_id, "mailbox": mailbox}


def build_resources(specs: Iterable[ToolSpec]) -> dict[str, Resource]:
    """Return the resources that these tools can read, by kind."""
    by_name = {spec.name: spec for spec in specs}
    resources = []
    if "read_email" in by_name:
        resources.append(Resource(by_name["read_email"], "messages", _MessageUri, "email_id"))
    if "get_thread" in by_name:
        resources.append(Resource(by_name["get_thread"], "threads", _ThreadUri, "thread_id"))
    return {resource.kind: resource for resource in resources}


def _read_in_mailbox(tool: ToolSpec) -> Callable[[Any, ToolContext], ToolRun]:
    def read(args: _MessageUri | _ThreadUri, context: ToolContext) -> ToolRun:
        mailbox = yield from context.mailbox(args.mailbox)
        tool_args = tool.args.model_validate(args.model_dump(exclude={"mailbox"}))
        return (yield from tool.operation(tool_args, replace(context, pinned=mailbox.id)))

    return read


def find_resource(uri: str, resources: dict[str, Resource]) -> tuple[Resource, dict[str, Any]]:
    """Return the resource of a URI, and the arguments in the URI.

    Raises:
        NotFoundError: The URI belongs to no resource.
    """
    parts = _split(uri)
    segments = [unquote(segment) for segment in parts.path.split("/")[1:]] if parts else []
    if parts is None or len(segments) != 2 or segments[0] not in resources:
        templates = ", ".join(resource.template for resource in resources.values())
        raise NotFoundError(f"There is no resource {uri!r:.200}. The resources are: {templates}.")
    resource = resources[segments[0]]
    return resource, resource.arguments(unquote(parts.netloc), segments[1], parts.query)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return parts if parts.scheme == SCHEME and not parts.fragment else None
