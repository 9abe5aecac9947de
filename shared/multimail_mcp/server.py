"""The server: a toolkit's tools and resources as the protocol's operations, without the SDK."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from multimail._version import __version__
from multimail.errors import MultiMailError, NotFoundError
from multimail.tools import AGENT_INSTRUCTIONS, ApproverToolkit, ToolError, Toolkit, ToolResult
from multimail.tools.schemas import DEFAULT_WAIT

from .conversations import Conversations
from .conversion import build_result, build_tool
from .resources import MIME_TYPE, build_resources, find_resource

T = TypeVar("T")

log = logging.getLogger("multimail.mcp")

Report: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends `notifications/progress`: the progress, the total, and a message."""

REPORT_INTERVAL = 5.0
"""Seconds between two progress reports; well under the usual timeouts of clients and proxies."""

_CHECK_TIMEOUT = 5.0
"""Seconds for asking the API what it can do, before the first client is served."""


@dataclass(frozen=True, slots=True)
class McpRequest:
    """A request, apart from its parameters.

    Attributes:
        session_id: The id of the protocol session, if the transport keeps and has checked one.
        headers: The headers of the HTTP request; empty over stdio.
        report: Sends progress; None if the client did not ask for it.
    """

    session_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    report: Report | None = None


class ResourceError(Exception):
    """A resource cannot be read. The protocol has its own error for this.

    Args:
        error: The tool's error.
        text: The text of the error for a model.
    """

    def __init__(self, error: ToolError, text: str) -> None:
        super().__init__(text)
        self.error = error


class McpServer:
    """A toolkit as an MCP server, independent of the transport and of the version of the SDK.

    Args:
        toolkit: A `Toolkit`, or an `ApproverToolkit` for a reviewer's tools.
        conversations: Assigns requests to conversations.
        full_data: Put all data of a result into its structured content, including unmarked text
            from senders, for clients whose code reads it. By default, the structured content has
            only the text and the API's own words, since many clients show it to their model in
            place of the text.
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
        self._tools = {spec.name: spec for spec in toolkit.specs}
        self._resources = build_resources(toolkit.specs)

    async def check_api(self) -> None:
        """Stop offering the tools that the API lacks; if it can't be asked, offer all of them."""
        try:
            async with asyncio.timeout(_CHECK_TIMEOUT):
                missing = await self.toolkit.acheck_server()
        except (MultiMailError, TimeoutError) as error:
            log.info("The API was not asked what it can do (%s).", type(error).__name__)
            return
        if missing:
            self._tools = {spec.name: spec for spec in self.toolkit.specs}
            self._resources = build_resources(self.toolkit.specs)

    def tools(self) -> list[dict[str, Any]]:
        """Return the tools for `tools/list`."""
        return [build_tool(spec, full_data=self._full_data) for spec in self._tools.values()]

    def templates(self) -> list[dict[str, Any]]:
        """Return the resource templates for `resources/templates/list`."""
        return [resource.as_template() for resource in self._resources.values()]

    async def call(self, name: str, arguments: Any, request: McpRequest) -> dict[str, Any]:
        """Call a tool and return its result for `tools/call`. An error is a result too.

        Args:
            name: The tool's name.
            arguments: The model's arguments, unchecked.
            request: The request of the call.
        """
        spec = self._tools.get(name)
        if spec is None:
            return self._build_result(ToolResult.failure(_unknown_tool(name, self._tools)))
        run = self.toolkit.session.acall(spec, arguments, session_id=self._conversation(request))
        if name == "wait_for_email" and request.report is not None:
            return self._build_result(
                await _report_while_waiting(run, request.report, _get_timeout(arguments))
            )
        return self._build_result(await run)

    async def read(self, uri: str, request: McpRequest) -> dict[str, Any]:
        """Read a resource and return it for `resources/read`.

        What it contains counts as shown to the model, as with the tool.

        Args:
            uri: The URI of the resource.
            request: The request.

        Raises:
            ResourceError: There is no such resource, or it cannot be read.
        """
        try:
            resource, arguments = find_resource(uri, self._resources)
        except NotFoundError as error:
            raise _resource_error(ToolResult.failure(ToolError.from_exception(error))) from None
        result = await self.toolkit.session.acall(
            resource.spec, arguments, session_id=self._conversation(request)
        )
        if not result.ok:
            raise _resource_error(result)
        return {"contents": [{"uri": uri, "mimeType": MIME_TYPE, "text": result.text}]}

    async def aclose(self) -> None:
        """Close the connections to the API."""
        await self.toolkit.aclose()

    def _conversation(self, request: McpRequest) -> str:
        return self._conversations.resolve(request.session_id, request.headers)

    def _build_result(self, result: ToolResult) -> dict[str, Any]:
        return build_result(result, full_data=self._full_data)


def _unknown_tool(name: str, tools: Mapping[str, Any]) -> ToolError:
    return ToolError(
        "unknown_tool",
        f"Unknown tool {name!r:.80}",
        next_step=f"The tools are: {', '.join(tools)}.",
    )


def _resource_error(result: ToolResult) -> ResourceError:
    assert result.error is not None
    return ResourceError(result.error, result.text)


def _get_timeout(arguments: Any) -> float:
    timeout = arguments.get("timeout_seconds") if isinstance(arguments, Mapping) else None
    return float(timeout) if isinstance(timeout, int | float) else DEFAULT_WAIT


async def _report_while_waiting(work: Awaitable[T], report: Report, seconds: float) -> T:
    """Report progress at once and then regularly, until the work is done or cancelled.

    Args:
        work: The work to wait for.
        report: Sends the progress.
        seconds: How long the work takes at most.
    """
    reporting = asyncio.create_task(_keep_reporting(report, seconds))
    try:
        return await work
    finally:
        reporting.cancel()
        # A failed report must not lose the result of the work.
        await asyncio.gather(reporting, return_exceptions=True)


async def _keep_reporting(report: Report, seconds: float) -> None:
    get_time = asyncio.get_running_loop().time
    start = get_time()
    while True:
        waited = get_time() - start
        await report(waited, seconds, f"Waiting for mail: {waited:.0f} of {seconds:.0f} s.")
        await asyncio.sleep(REPORT_INTERVAL)
