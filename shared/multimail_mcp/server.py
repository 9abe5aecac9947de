"""The server: the toolkit's tools and resources, by the protocol's operations. No SDK in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multimail._version import __version__
from multimail.errors import NotFoundError
from multimail.tools import AGENT_INSTRUCTIONS, ApproverToolkit, ToolError, Toolkit, ToolResult

from .answers import result_of, tool_of
from .conversations import Conversations
from .progress import Report, while_waiting
from .resources import MIME_TYPE, find, resources_of

_DEFAULT_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """What a request says beside its parameters.

    Attributes:
        session_id: The protocol's session, where the transport keeps and has checked one.
        headers: Of the HTTP request; empty over stdio.
        report: Sends progress, if the client asked for it.
    """

    session_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    report: Report | None = None


class ResourceError(Exception):
    """A resource cannot be read, which the protocol says by an error of its own.

    Args:
        error: Why.
        text: The same for a model.
    """

    def __init__(self, error: ToolError, text: str) -> None:
        super().__init__(text)
        self.error = error


class McpServer:
    """A toolkit as an MCP server, whichever transport and version of the SDK carries it.

    Args:
        toolkit: A `Toolkit`, or an `ApproverToolkit` for a reviewer's pack.
        conversations: How conversations are told apart.
        full_data: Put all facts of a result into its structured content, senders' words without
            marks among them, for a client whose code reads them. Without it the structured
            content is the text and what are the API's own words, since many clients show it to
            their model in place of the text.
    """

    name = "multimail"
    version = __version__

    def __init__(
        self,
        toolkit: Toolkit,
        conversations: Conversations | None = None,
        *,
        full_data: bool = False,
    ) -> None:
        self.toolkit = toolkit
        self.instructions = None if isinstance(toolkit, ApproverToolkit) else AGENT_INSTRUCTIONS
        self._conversations = conversations or Conversations()
        self._full_data = full_data
        self._tools = {one.name: one for one in toolkit.specs}
        self._resources = resources_of(toolkit.specs)

    def tools(self) -> list[dict[str, Any]]:
        """Return the tools, as `tools/list` answers them."""
        return [tool_of(one, full_data=self._full_data) for one in self._tools.values()]

    def templates(self) -> list[dict[str, Any]]:
        """Return the resources, as `resources/templates/list` answers them."""
        return [one.as_template() for one in self._resources.values()]

    async def call(self, name: str, arguments: Any, request: Request) -> dict[str, Any]:
        """Call a tool, as `tools/call` answers it. What goes wrong is in the answer.

        Args:
            name: The tool's name.
            arguments: What the model said, unchecked.
            request: Who asks.
        """
        spec = self._tools.get(name)
        if spec is None:
            return self._answer(ToolResult.failure(_unknown(name, self._tools)))
        run = self.toolkit.session.acall(spec, arguments, session_id=self._conversation(request))
        if name == "wait_for_email" and request.report is not None:
            return self._answer(await while_waiting(run, request.report, _seconds(arguments)))
        return self._answer(await run)

    async def read(self, uri: str, request: Request) -> dict[str, Any]:
        """Read a resource, as `resources/read` answers it; it counts as shown, as by the tool.

        Args:
            uri: Which one.
            request: Who asks.

        Raises:
            ResourceError: There is none, or it cannot be read.
        """
        try:
            resource, arguments = find(uri, self._resources)
        except NotFoundError as error:
            raise _unreadable(ToolResult.failure(ToolError.from_exception(error))) from None
        result = await self.toolkit.session.acall(
            resource.spec, arguments, session_id=self._conversation(request)
        )
        if not result.ok:
            raise _unreadable(result)
        return {"contents": [{"uri": uri, "mimeType": MIME_TYPE, "text": result.text}]}

    async def aclose(self) -> None:
        """Close the connections to the API."""
        await self.toolkit.aclose()

    def _conversation(self, request: Request) -> str:
        return self._conversations.of(request.session_id, request.headers)

    def _answer(self, result: ToolResult) -> dict[str, Any]:
        return result_of(result, full_data=self._full_data)


def _unknown(name: str, tools: Mapping[str, Any]) -> ToolError:
    return ToolError(
        "unknown_tool",
        f"Unknown tool {name!r:.80}",
        next_step=f"There are: {', '.join(tools)}.",
    )


def _unreadable(result: ToolResult) -> ResourceError:
    assert result.error is not None
    return ResourceError(result.error, result.text)


def _seconds(arguments: Any) -> float:
    given = arguments.get("timeout_seconds") if isinstance(arguments, Mapping) else None
    return float(given) if isinstance(given, int | float) else _DEFAULT_WAIT
