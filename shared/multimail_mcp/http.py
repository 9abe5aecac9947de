"""The streamable HTTP transport: one endpoint, which checks its token before anything else."""

from __future__ import annotations

import hmac
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from multimail._config import Secret
from multimail.errors import ConfigurationError

from .conversations import CONVERSATION_HEADER, validate_name
from .http_options import HttpOptions
from .sdk_compat import build_sdk_server
from .server import McpServer

PATH = "/mcp"
_SESSION_IDLE_TIMEOUT = 24 * 3600
_SHUTDOWN_TIMEOUT = 3


def application(server: McpServer, options: HttpOptions) -> Starlette:
    """Return the endpoint as an ASGI application, at the path `/mcp`.

    Args:
        server: The server. It is closed when the application ends.
        options: The access rules. The host and port in them are not used.
    """
    manager = StreamableHTTPSessionManager(
        build_sdk_server(server, sessions=not options.stateless),
        stateless=options.stateless,
        security_settings=TransportSecuritySettings(
            allowed_hosts=options.host_names(), allowed_origins=options.origins()
        ),
        # A session's taint ends with it, but the context of the client's model can live longer.
        session_idle_timeout=_SESSION_IDLE_TIMEOUT,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with manager.run():
            yield
        await server.aclose()

    endpoint: ASGIApp = _ConversationHeaderMiddleware(manager.handle_request)
    middleware = []
    if options.token is not None:
        backend = BearerAuthBackend(_StaticTokenVerifier(options.token))
        middleware.append(Middleware(AuthenticationMiddleware, backend=backend))
        endpoint = RequireAuthMiddleware(endpoint, [])
    return Starlette(routes=[Route(PATH, endpoint)], middleware=middleware, lifespan=lifespan)


async def serve_http(server: McpServer, options: HttpOptions, ready: Callable[[str], None]) -> None:
    """Serve clients until SIGINT or SIGTERM.

    Args:
        server: The server. It is closed at the end.
        options: Where to listen, and the access rules.
        ready: Called with the endpoint's URL once clients can connect.

    Raises:
        ConfigurationError: The server cannot listen on the address.
    """
    listener = _listen(options.host, options.port)
    await server.check_api()
    host = f"[{options.host}]" if ":" in options.host else options.host
    url = f"http://{host}:{listener.getsockname()[1]}{PATH}"
    config = uvicorn.Config(
        application(server, options),
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        ws="none",
    )
    await _NotifyingServer(config, lambda: ready(url)).serve([listener])


class _NotifyingServer(uvicorn.Server):
    """A uvicorn server that calls a function when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to serve, then call `ready`."""
        await super().startup(sockets)
        if self.started:
            self._ready()


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048
        )
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}.",
            remedy="Give another --host or --port; 0 picks a free one.",
        ) from error


class _StaticTokenVerifier:
    """A token verifier for the SDK that accepts the operator's token only."""

    def __init__(self, token: Secret) -> None:
        self._token = token

    async def verify_token(self, token: str) -> AccessToken | None:
        if not hmac.compare_digest(token.encode(), self._token.reveal().encode()):
            return None
        return AccessToken(token="(hidden)", client_id="multimail", scopes=[])  # noqa: S106


class _ConversationHeaderMiddleware:
    """Rejects a request whose conversation header is invalid."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            for name in Headers(scope=scope).getlist(CONVERSATION_HEADER):
                validate_name(name)
        except ConfigurationError as error:
            response = PlainTextResponse(f"{CONVERSATION_HEADER}: {error}", status_code=400)
            return await response(scope, receive, send)
        return await self._app(scope, receive, send)
