"""Bare aiosmtpd: takes mail and answers 250. With a data file it keeps each message durably first.

It prints its address as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys

from aiosmtpd.smtp import SMTP, Envelope, Session


class _Handler:
    def __init__(self, path: str | None) -> None:
        self._connection: sqlite3.Connection | None = None
        if path is not None:
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, raw BLOB)")

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep the message, and accept it."""
        del server, session
        if self._connection is not None:
            row = (envelope.content,)
            self._connection.execute("INSERT INTO messages (raw) VALUES (?)", row)
        return "250 OK"


async def _serve(path: str | None) -> None:
    loop = asyncio.get_running_loop()
    handler = _Handler(path)
    server = await loop.create_server(lambda: SMTP(handler, hostname="bare"), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(json.dumps({"smtp": f"{host}:{port}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1] if len(sys.argv) > 1 else None))
