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

from .output import CommandError, console
from .session import Session, command

if TYPE_CHECKING:
    from multimail._config import Secret
    from multimail_mcp import HttpOptions, McpServer

app = typer.Typer()

_HOST, _PORT = "127.0.0.1", 8765
TOKEN_VARIABLE = "MULTIMAIL_MCP_TOKEN"  # noqa: S105 - the name of a variable


@command(app)
def mcp(
    session: Session,
    role: Annotated[
        Literal["agent", "approver"], typer.Option(help="Whose tools: those that send, or decide.")
    ] = "agent",
    include: Annotated[
        list[str] | None, typer.Option(metavar="TOOL", help="Only this tool; repeat it.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="TOOL", help="All but this tool; repeat it.")
    ] = None,
    policy: Annotated[
        Literal["standard", "strict"], typer.Option(help="What mail may cause.")
    ] = "standard",
    listed: Annotated[
        list[str] | None,
        typer.Option(metavar="SENDER", help="An address or domain you vouch for; repeat it."),
    ] = None,
    max_chars: Annotated[
        int, typer.Option(min=1000, help="The most characters of a result's text.")
    ] = 8000,
    full_data: Annotated[
        bool, typer.Option("--full-data", help="Structured results with senders' words, unmarked.")
    ] = False,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Remember conversations in this file.")
    ] = None,
    conversation: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take all requests as one conversation.")
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Listen for streamable HTTP; default stdin and stdout.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = _HOST,
    port: Annotated[int, typer.Option(help="With --http: the port; 0 picks a free one.")] = _PORT,
    token_env: Annotated[
        str, typer.Option(metavar="NAME", help="With --http: the variable with its token.")
    ] = TOKEN_VARIABLE,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With --http: a name it is reached by; repeat it."),
    ] = None,
    allowed_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="With --http: a web origin that may ask; repeat it."),
    ] = None,
    per_session: Annotated[
        bool, typer.Option("--per-session", help="With --http: each session is a conversation.")
    ] = False,
    stateless: Annotated[
        bool, typer.Option("--stateless", help="With --http: keep no sessions of the protocol.")
    ] = False,
) -> None:
    """Serve the mailbox's tools to clients of the Model Context Protocol (MCP)."""
    if not http:
        _need_no_http(
            host=host != _HOST,
            port=port != _PORT,
            token_env=token_env != TOKEN_VARIABLE,
            allowed_host=allowed_host,
            allowed_origin=allowed_origin,
            per_session=per_session,
            stateless=stateless,
        )
    if per_session and (stateless or conversation):
        raise typer.BadParameter("--per-session goes with neither --stateless nor --conversation.")
    key = session.needed_key()
    _need_the_sdk()
    from multimail.sessions import SqliteSessionStore
    from multimail.tools import ApproverToolkit, Toolkit
    from multimail.trust import TrustPolicy
    from multimail_mcp import Conversations, HttpOptions, McpServer

    pack = ApproverToolkit if role == "approver" else Toolkit
    toolkit = pack(
        key,
        base_url=session.url,
        mailbox=session.mailbox,
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
        token=_token(token_env),
        allowed_hosts=tuple(allowed_host or ()),
        allowed_origins=tuple(allowed_origin or ()),
        stateless=stateless,
    )
    _serve_http(session, server, options)


def _need_no_http(**given: object) -> None:
    names = [f"--{name.replace('_', '-')}" for name, value in given.items() if value]
    if names:
        raise typer.BadParameter(f"{', '.join(names)} needs --http.")


def _need_the_sdk() -> None:
    try:
        import mcp.server  # noqa: F401
    except ModuleNotFoundError as error:
        raise CommandError(
            f"This command needs the package {error.name!r}.",
            'Install what it needs: pip install "multimail[mcp]".',
            "not_installed",
        ) from None


def _log_to_stderr() -> None:
    """Show warnings, and what the guard held or refused, on stderr and without secrets."""
    from multimail.trust.masking import MaskingFilter

    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(MaskingFilter())
    logging.basicConfig(handlers=[handler], format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("multimail.guard").setLevel(logging.INFO)


def _token(variable: str) -> Secret | None:
    from multimail._config import Secret

    value = os.environ.get(variable, "").strip()
    return Secret(value) if value else None


def _serve_stdio(server: McpServer) -> None:
    import anyio

    from multimail_mcp.stdio import serve_stdio

    _log_to_stderr()
    anyio.run(serve_stdio, server)


def _serve_http(session: Session, server: McpServer, options: HttpOptions) -> None:
    import anyio

    from multimail_mcp.http import serve_http

    _log_to_stderr()

    def ready(url: str) -> None:
        if session.as_json:
            print(json.dumps({"url": url}), flush=True)
        else:
            console().print(f"multimail is ready for MCP clients at {url}")

    for one in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal that ended it once more, for whom it was before.
        signal.signal(one, lambda *_: sys.exit(0))
    anyio.run(serve_http, server, options, ready)
