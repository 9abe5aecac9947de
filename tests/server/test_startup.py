"""The start of a server: what it loads before its first answer, by modules, and what it makes."""

from __future__ import annotations

import gc
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from multimail_cli.serve import _import_server
from multimail_server.store.migrate import load_migrations
from multimail_server.store.protocol import StoreUnavailableError
from multimail_server.store.sql import SQLITE
from multimail_server.store.sqlite import SqliteStore

MIGRATIONS = load_migrations(SQLITE, 0, "data.db")

PROGRAM = """
import http.client, sys
from multimail_cli.main import app
from multimail_server.server import EmbeddedServer
from multimail_server.config import ServerConfig
with EmbeddedServer(ServerConfig(port=0, smtp_port=0)) as server:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", "/v1/mailboxes", headers={"X-API-Key": server.keys.agent})
    assert connection.getresponse().status == 200
    print(*sys.modules)
"""
LATE = {
    *("markdown_it", "selectolax", "bs4", "markdownify", "jinja2", "publicsuffixlist"),
    *("dkim", "spf", "dns", "nacl", "importlib.metadata", "mailbox", "psycopg", "httpx"),
    *("multimail_server.api.openapi", "multimail_server.pages.untrusted_html"),
    *("multimail_server.mail.html.visibility", "multimail_server.mail.auth.authenticate"),
}


def test_the_first_answer_needs_none_of_what_comes_later() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60
    )
    assert not set(done.stdout.split()) & LATE


def test_a_body_is_built_once_though_many_threads_ask() -> None:
    code = """
import sys, threading
from multimail_server.api.schemas.base import ensure_model_built
from multimail_server.api.schemas.sending import SendIn
sys.setswitchinterval(1e-6)
assert not SendIn.__pydantic_complete__
begin, read = threading.Barrier(16), []
def one():
    begin.wait()
    text = '{"to": ["ann@example.org"], "subject": "s", "markdown": "m"}'
    read.append(ensure_model_built(SendIn).model_validate_json(text).subject)
threads = [threading.Thread(target=one) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(read == ["s"] * 16)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "True", done.stderr


def test_the_collector_is_left_as_it_was() -> None:
    assert gc.isenabled()
    _import_server()
    assert gc.isenabled()
    gc.disable()
    try:
        _import_server()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_file_takes_all_steps_of_the_schema_or_none(tmp_path: Path) -> None:
    free, blocked = tmp_path / "free.db", tmp_path / "blocked.db"
    for path in (free, blocked):
        with closing(sqlite3.connect(path)) as old:
            old.executescript(f"BEGIN;{MIGRATIONS[0]};PRAGMA user_version = 1;COMMIT;")
    SqliteStore(free).close()
    assert _state(free)[0] == len(MIGRATIONS)
    with closing(sqlite3.connect(blocked)) as old:
        old.execute("CREATE TABLE stamps (here TEXT)")  # in the way of a later step
    before = _state(blocked)
    with pytest.raises(StoreUnavailableError, match="stamps"):
        SqliteStore(blocked)
    assert _state(blocked) == before
    assert before[0] == 1


def _state(path: Path) -> tuple[int, list[str]]:
    with closing(sqlite3.connect(path)) as file:
        names = file.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
        return file.execute("PRAGMA user_version").fetchone()[0], [name for (name,) in names]
