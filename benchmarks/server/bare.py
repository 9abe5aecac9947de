"""The measure of a send: the least that a Starlette handler with SQLite can do to keep a message.

One connection, one durable commit for each request (WAL, synchronous FULL), JSON in and out.
Run it with a data file; it prints its port.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import threading
import uuid

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_SCHEMA = (
    "CREATE TABLE messages (id TEXT PRIMARY KEY, subject TEXT, markdown TEXT, recipients TEXT)"
)


def make_app(path: str) -> Starlette:
    """Return the app that keeps what is posted to /send in `path`."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_SCHEMA)
    lock = threading.Lock()

    def keep(body: bytes) -> dict[str, str]:
        sent = json.loads(body)
        row = (uuid.uuid4().hex, sent["subject"], sent["markdown"], json.dumps(sent["to"]))
        with lock:
            connection.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row)
        return {"id": row[0], "status": "stored"}

    async def send(request: Request) -> JSONResponse:
        return JSONResponse(await run_in_threadpool(keep, await request.body()), 202)

    return Starlette(routes=[Route("/send", send, methods=["POST"])])


def main() -> None:
    """Serve until the process is ended."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    config = uvicorn.Config(
        make_app(sys.argv[1]), lifespan="off", access_log=False, log_config=None
    )
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
