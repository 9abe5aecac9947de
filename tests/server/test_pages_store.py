"""What the human's page adds to the store: also in a data file that an older version has made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.server.pages import Person, get_text

from multimail_server.store.migrate import load_migrations
from multimail_server.store.sql import SQLITE
from multimail_server.testing.server import ServerUnderTest

MIGRATIONS = load_migrations(SQLITE, 0, "data.db")

Start = Callable[..., ServerUnderTest]


def test_an_older_data_file_knows_whom_it_wrote_to(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "data.db"
    server = start(data=path)
    body: dict[str, Any] = {"subject": "Offer", "markdown": "Hello"}
    with server.http("agent") as agent, server.http("reviewer") as reviewer:
        for to, action in (("Ann@example.com", "approve"), ("bob@example.com", "reject")):
            sent = agent.post(
                f"/v1/mailboxes/{server.mailbox.id}/send", json={**body, "to": [to]}
            ).json()
            decision = {"email_id": sent["id"], "action": action}
            assert reviewer.post("/v1/oversight/decide", json=decision).status_code == 200
        both = {**body, "to": ["ann@example.com", "bob@example.com"]}
        held = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=both).json()["id"]
    key = server.keys.reviewer
    server.stop()
    with sqlite3.connect(path) as database:
        for table in ("revisions", "approval_links", "approved_recipients"):
            database.execute(f"DROP TABLE {table}")
        (step,) = [step for step in MIGRATIONS if "approved_recipients" in step]
        database.executescript(step)
    database.close()

    person = Person(start(data=path))
    person.sign_in(key)
    shown = get_text(person.get(f"/review/{held}"))
    assert "To ann@example.com To bob@example.com new" in shown
