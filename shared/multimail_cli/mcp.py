"""The mcp command: the tools for any client of the Model Context Protocol."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .context import CommandContext, command
from .output import CommandError, console

if TYPE_CHECKING:
    from multimail._config import Secret
    from multimail_mcp import HttpOptions, McpServer

app = typer.Typer()

_HOST, _PORT = "127.0.0.1", 8765
TOKEN_VARIABLE = "MULTIMAIL_MCP_TOKEN"  # noqa: S105 - the name of a variable


@command(app)
def mcp(
    context: CommandContext,
    role: Annotated[
        Literal["agent", "approver"],
        typer.Option(help="Which tools: an agent's, or those of an approver."),
    ] = "agent",
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Offer this tool or pack (default, triage, support, full); repeatable.",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Do not offer this tool or pack; repeatable."),
    ] = None,
    policy: Annotated[
        Literal["standard", "strict"], typer.Option(help="The trust policy.")
    ] = "standard",
    listed: Annotated[
        list[str] | None,
        typer.Option(metavar="SENDER", help="A trusted address or domain; repeatable."),
    ] = None,
    max_chars: Annotated[
        int, typer.Option(min=1000, help="The most characters in the text of a result.")
    ] = 8000,
    full_data: Annotated[
        bool,
        typer.Option(
            "--full-data", help="Return structured results with unmarked text from senders."
        ),
    ] = False,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Store conversations in this file.")
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Treat all requests as this conversation.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Use streamable HTTP. Default: stdin and stdout.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = _HOST,
    port: Annotated[int, typer.Option(help="With --http: the port; 0 picks a free one.")] = _PORT,
    token_env: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="With --http: the environment variable that has the token."
        ),
    ] = TOKEN_VARIABLE,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --http: a host name that clients use; repeatable."),
    ] = None,
    allowed_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="With --http: a web origin that is allowed; repeatable."),
    ] = None,
    per_session: Annotated[
        bool, typer.Option("--per-session", help="With --http: make each session a conversation.")
    ] = False,
    stateless: Annotated[
        bool, typer.Option("--stateless", help="With --http: keep no protocol sessions.")
    ] = False,
) -> None:
    """Serve the mailbox's tools to clients of the Model Context Protocol (MCP)."""
    if not http:
        _refuse_http_options(
            host=host != _HOST,
            port=port != _PORT,
            token_env=token_env != TOKEN_VARIABLE,
            allowed_host=allowed_host,
            allowed_origin=allowed_origin,
            per_session=per_session,
            stateless=stateless,
        )
    if per_session and (stateless or conversation):
        raise typer.BadParameter(
            "--per-session cannot be combined with --stateless or --conversation."
        )
    key = context.require_key()
    _require_sdk()
    from multimail.sessions import SqliteSessionStore
    from multimail.tools import ApproverToolkit, Toolkit
    from multimail.trust import TrustPolicy
    from multimail_mcp import Conversations, HttpOptions, McpServer

    toolkit_class = ApproverToolkit if role == "approver" else Toolkit
    toolkit = toolkit_class(
        key,
        base_url=context.url,
        mailbox=context.mailbox,
        include=include or None,
        exclude=exclude or None,
        policy=TrustPolicy(policy, listed=listed or ()),
        store=SqliteSessionStore(store) if store else None,
        max_chars=max_chars,
    )
    server = McpServer(toolkit, Conversations(conversation, per_session), full_data=full_data)
    if not http:
        _serve_stdio(server)
        return
    options = HttpOptions(
        host=host,
        port=port,
        token=_get_token(token_env),
        allowed_hosts=tuple(allowed_host or ()),
        allowed_origins=tuple(allowed_origin or ()),
        stateless=stateless,
    )
    _serve_http(context, server, options)


def _refuse_http_options(**changed: object) -> None:
    names = [f"--{name.replace('_', '-')}" for name, value in changed.items() if value]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} needs --http.")


def _require_sdk() -> None:
    try:
        import mcp.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise CommandError(
            f"This command needs the package {error.name!r}.",
            'Install it: pip install "multimail[mcp]".',
            "not_installed",
        ) from None


def _log_to_stderr() -> None:
    """Log warnings and the guard's decisions to stderr, without secrets."""
    from multimail.trust.masking import MaskingFilter

    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(MaskingFilter())
    logging.basicConfig(handlers=[handler], format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("multimail.guard").setLevel(logging.INFO)


def _get_token(variable: str) -> Secret | None:
    from multimail._config import Secret

    value = os.environ.get(variable, "").strip()
    return Secret(value) if value else None


def _serve_stdio(server: McpServer) -> None:
    import anyio

    from multimail_mcp.stdio import serve_stdio

    _log_to_stderr()
    anyio.run(serve_stdio, server)


def _serve_http(context: CommandContext, server: McpServer, options: HttpOptions) -> None:
    import anyio

    from multimail_mcp.http import serve_http

    _log_to_stderr()

    def ready(url: str) -> None:
        if context.as_json:
            print(json.dumps({"url": url}), flush=True)
        else:
            console().print(f"multimail is ready for MCP clients at {url}")

    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again after it has stopped, for the handler set here.
        signal.signal(number, lambda *_: sys.exit(0))
    anyio.run(serve_http, server, options, ready)
