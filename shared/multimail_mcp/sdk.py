"""The SDK: our server as its low-level `Server`, in version 1 or 2 of the package `mcp`.

The two differ in how handlers are registered and in what a handler is told of its request. Their
types have the same fields under the protocol's own names, so answers are built from plain data.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents

from .progress import Report
from .server import McpServer, Request, ResourceError

_SESSION_HEADER = "mcp-session-id"
# JSON-RPC's codes, and the protocol's own for a resource that is not there.
_CODES = {"not_found": -32002, "no_such_mailbox": -32002, "invalid_arguments": -32602}
_INTERNAL = -32603


def bound(server: McpServer, *, sessions: bool) -> Any:
    """Return the SDK's server, to be run on a transport.

    Args:
        server: Ours.
        sessions: Whether the transport keeps the protocol's sessions, and so has checked the
            session id of each request of a revision that has one.
    """
    bind = _bound_1 if hasattr(Server, "call_tool") else _bound_2
    return bind(server, sessions)


def _bound_1(server: McpServer, sessions: bool) -> Any:
    made: Any = Server(server.name, version=server.version, instructions=server.instructions)

    def asked() -> Request:
        context = made.request_context
        token = context.meta.progressToken if context.meta else None
        return Request(
            _session_id(context.request) if sessions else None,
            _headers(context.request),
            None if token is None else _report_1(context, token),
        )

    async def list_tools() -> Any:
        return _typed("Tool", server.tools())

    async def call_tool(name: str, arguments: Any) -> Any:
        return types.CallToolResult.model_validate(await server.call(name, arguments, asked()))

    async def list_resources() -> Any:
        return []

    async def list_resource_templates() -> Any:
        return _typed("ResourceTemplate", server.templates())

    async def read_resource(uri: Any) -> Any:
        try:
            answer = await server.read(str(uri), asked())
        except ResourceError as error:
            raise _protocol_error(error) from None
        return [ReadResourceContents(one["text"], one["mimeType"]) for one in answer["contents"]]

    made.list_tools()(list_tools)
    # Arguments are checked by the tool, whose errors say more than a schema's.
    made.call_tool(validate_input=False)(call_tool)
    made.list_resources()(list_resources)
    made.list_resource_templates()(list_resource_templates)
    made.read_resource()(read_resource)
    return made


def _bound_2(server: McpServer, sessions: bool) -> Any:
    with_sessions = importlib.import_module("mcp.types.version").HANDSHAKE_PROTOCOL_VERSIONS

    def asked(context: Any) -> Request:
        kept = sessions and context.protocol_version in with_sessions
        return Request(
            _session_id(context.request) if kept else None,
            _headers(context.request),
            context.session.report_progress if "progress_token" in (context.meta or {}) else None,
        )

    async def list_tools(_context: Any, _params: Any) -> Any:
        return _result("ListToolsResult", tools=server.tools())

    async def call_tool(context: Any, params: Any) -> Any:
        answer = await server.call(params.name, params.arguments or {}, asked(context))
        return types.CallToolResult.model_validate(answer)

    async def list_resources(_context: Any, _params: Any) -> Any:
        return _result("ListResourcesResult", resources=[])

    async def list_resource_templates(_context: Any, _params: Any) -> Any:
        return _result("ListResourceTemplatesResult", resourceTemplates=server.templates())

    async def read_resource(context: Any, params: Any) -> Any:
        try:
            answer = await server.read(str(params.uri), asked(context))
        except ResourceError as error:
            raise _protocol_error(error) from None
        return types.ReadResourceResult.model_validate(answer)

    made: Any = Server
    return made(
        server.name,
        version=server.version,
        instructions=server.instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_resource_templates,
        on_read_resource=read_resource,
    )


def _typed(name: str, facts: list[dict[str, Any]]) -> list[Any]:
    return [getattr(types, name).model_validate(one) for one in facts]


def _result(name: str, **facts: Any) -> Any:
    return getattr(types, name).model_validate(facts)


def _headers(request: Any) -> Mapping[str, str]:
    return {} if request is None else request.headers


def _session_id(request: Any) -> str | None:
    return _headers(request).get(_SESSION_HEADER)


def _report_1(context: Any, token: str | int) -> Report:
    async def report(done: float, total: float | None, message: str | None) -> None:
        # On streamable HTTP the request's id puts it on that request's own stream.
        await context.session.send_progress_notification(
            token, done, total, message, related_request_id=str(context.request_id)
        )

    return report


def _protocol_error(error: ResourceError) -> Any:
    return _error_maker()(_CODES.get(error.error.code, _INTERNAL), str(error))


@functools.cache
def _error_maker() -> Any:
    exceptions: Any = importlib.import_module("mcp.shared.exceptions")
    if hasattr(exceptions, "MCPError"):
        return exceptions.MCPError
    return lambda code, text: exceptions.McpError(types.ErrorData(code=code, message=text))
