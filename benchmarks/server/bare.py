"""Bare servers to compare with: the least that accepts a send or a mail with the same durability.

    python -m benchmarks.server.bare http DATA   # a Starlette handler, one row for each request
    python -m benchmarks.server.bare smtp [DATA] # aiosmtpd; without DATA it discards the mail

Each commits durably before it responds (SQLite, WAL, synchronous FULL), and prints its address as
one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import sys
import threading
import uuid

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def _open_database(path: str, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(schema)
    return connection


def _build_app(path: str) -> Starlette:
    """Return an app that stores what is posted to /send, each with a commit of its own."""
    columns = "id TEXT PRIMARY KEY, subject TEXT, markdown TEXT, recipients TEXT"
    connection = _open_database(path, f"CREATE TABLE messages ({columns})")
    lock = threading.Lock()

    def store(body: bytes) -> dict[str, str]:
        message = json.loads(body)
        recipients = json.dumps(message["to"])
        row = (uuid.uuid4().hex, message["subject"], message["markdown"], recipients)
        with lock:
            connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
        return {"id": row[0], "status": "stored"}

    async def send(request: Request) -> JSONResponse:
        return JSONResponse(await run_in_threadpool(store, await request.body()), 202)

    return Starlette(routes=[Route("/send", send, methods=["POST"])])


def serve_http(path: str) -> None:
    """Serve HTTP until the process is stopped."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(_build_app(path), lifespan="off", access_log=False, log_config=None)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


class _MailHandler:
    def __init__(self, path: str | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            schema = "CREATE TABLE messages (id INTEGER PRIMARY KEY, raw BLOB)"
            self._connection = _open_database(path, schema)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Store the message, and accept it."""
        del server, session
        if self._connection is not None:
            row = (envelope.content,)
            self._connection.execute("INSERT INTO messages (raw) VALUES (?)", row)
        return "250 OK"


async def serve_smtp(path: str | None) -> None:
    """Serve SMTP until the process is stopped."""
    loop = asyncio.get_running_loop()
    handler = _MailHandler(path)
    server = await loop.create_server(lambda: SMTP(handler, hostname="bare"), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(json.dumps({"smtp": f"{host}:{port}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "http":
        serve_http(sys.argv[2])
    else:
        asyncio.run(serve_smtp(sys.argv[2] if len(sys.argv) > 2 else None))
