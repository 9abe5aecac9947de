"""An `McpServer` as the low-level `Server` of the SDK, in version 1 or 2 of the package `mcp`.

The versions differ in how handlers are registered and in what a handler gets with its request.
Their types have the same fields, named as in the protocol, so responses are built from plain data.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from typing import Any

from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.lowlevel.helper_types import ReadResourceContents

from .server import McpRequest, McpServer, Report, ResourceError

_SESSION_HEADER = "mcp-session-id"
# Error codes of JSON-RPC, and the protocol's own code for a missing resource.
_CODES = {"not_found": -32002, "no_such_mailbox": -32002, "invalid_arguments": -32602}
_INTERNAL = -32603


def build_sdk_server(server: McpServer, *, sessions: bool) -> Any:
    """Return the SDK's server, to be run on a transport.

    Args:
        server: The server to wrap.
        sessions: Whether the transport keeps protocol sessions. If so, it has checked the session
            id of each request, in protocol revisions that have one.
    """
    build = _build_v1 if hasattr(Server, "call_tool") else _build_v2
    return build(server, sessions)


def _build_v1(server: McpServer, sessions: bool) -> Any:
    sdk_server: Any = Server(server.name, version=server.version, instructions=server.instructions)

    def get_request() -> McpRequest:
        context = sdk_server.request_context
        token = context.meta.progressToken if context.meta else None
        return McpRequest(
            _session_id(context.request) if sessions else None,
            _headers(context.request),
            None if token is None else _build_report_v1(context, token),
        )

    async def list_tools() -> Any:
        return _to_sdk_list("Tool", server.tools())

    async def call_tool(name: str, arguments: Any) -> Any:
        return types.CallToolResult.model_validate(
            await server.call(name, arguments, get_request())
        )

    async def list_resources() -> Any:
        return []

    async def list_resource_templates() -> Any:
        return _to_sdk_list("ResourceTemplate", server.templates())

    async def read_resource(uri: Any) -> Any:
        try:
            result = await server.read(str(uri), get_request())
        except ResourceError as error:
            raise _protocol_error(error) from None
        return [ReadResourceContents(item["text"], item["mimeType"]) for item in result["contents"]]

    sdk_server.list_tools()(list_tools)
    # The tool validates its arguments; its errors say more than those of a JSON schema.
    sdk_server.call_tool(validate_input=False)(call_tool)
    sdk_server.list_resources()(list_resources)
    sdk_server.list_resource_templates()(list_resource_templates)
    sdk_server.read_resource()(read_resource)
    return sdk_server


def _build_v2(server: McpServer, sessions: bool) -> Any:
    versions_with_sessions = importlib.import_module(
        "mcp.types.version"
    ).HANDSHAKE_PROTOCOL_VERSIONS

    def get_request(context: Any) -> McpRequest:
        has_session = sessions and context.protocol_version in versions_with_sessions
        return McpRequest(
            _session_id(context.request) if has_session else None,
            _headers(context.request),
            context.session.report_progress if "progress_token" in (context.meta or {}) else None,
        )

    async def list_tools(_context: Any, _params: Any) -> Any:
        return _to_sdk("ListToolsResult", {"tools": server.tools()})

    async def call_tool(context: Any, params: Any) -> Any:
        result = await server.call(params.name, params.arguments or {}, get_request(context))
        return types.CallToolResult.model_validate(result)

    async def list_resources(_context: Any, _params: Any) -> Any:
        return _to_sdk("ListResourcesResult", {"resources": []})

    async def list_resource_templates(_context: Any, _params: Any) -> Any:
        return _to_sdk("ListResourceTemplatesResult", {"resourceTemplates": server.templates()})

    async def read_resource(context: Any, params: Any) -> Any:
        try:
            result = await server.read(str(params.uri), get_request(context))
        except ResourceError as error:
            raise _protocol_error(error) from None
        return types.ReadResourceResult.model_validate(result)

    server_class: Any = Server
    return server_class(
        server.name,
        version=server.version,
        instructions=server.instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_resource_templates,
        on_read_resource=read_resource,
    )


def _to_sdk(type_name: str, data: dict[str, Any]) -> Any:
    return getattr(types, type_name).model_validate(data)


def _to_sdk_list(type_name: str, items: list[dict[str, Any]]) -> list[Any]:
    return [_to_sdk(type_name, item) for item in items]


def _headers(request: Any) -> Mapping[str, str]:
    return {} if request is None else request.headers


def _session_id(request: Any) -> str | None:
    return _headers(request).get(_SESSION_HEADER)


def _build_report_v1(context: Any, token: str | int) -> Report:
    async def report(progress: float, total: float | None, message: str | None) -> None:
        # Over streamable HTTP the request id selects the stream of that request.
        await context.session.send_progress_notification(
            token, progress, total, message, related_request_id=str(context.request_id)
        )

    return report


def _protocol_error(error: ResourceError) -> Any:
    return _get_error_class()(_CODES.get(error.error.code, _INTERNAL), str(error))


@functools.cache
def _get_error_class() -> Any:
    exceptions: Any = importlib.import_module("mcp.shared.exceptions")
    if hasattr(exceptions, "MCPError"):
        return exceptions.MCPError
    return lambda code, text: exceptions.McpError(types.ErrorData(code=code, message=text))
