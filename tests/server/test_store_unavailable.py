"""A database that is locked or full: a 503 or a 451, nothing half done, and nothing lost."""

from __future__ import annotations

import resource
import smtplib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, refusal
from tests.support.server_launcher import ServerLauncher


def mail(number: int, **more: Any) -> Json:
    return {"to": "a@example.com", "subject": f"Mail {number}", "body": "Text.", **more}


def test_a_locked_database_is_a_503_that_can_be_tried_again(start: Start, tmp_path: Path) -> None:
    server = start(data=tmp_path / "mail.db")
    agent = server.agent
    lock = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    # The database is waited for, five seconds for what was asked at the same time.
    with ThreadPoolExecutor(1) as other:
        by_smtp = other.submit(deliver, server)
        refused = agent.post("/send_email", json=mail(1, idempotency_key="k"))
    assert refusal(refused) == (503, "store_unavailable")
    assert "Nothing was changed" in refused.json()["error"]
    assert refused.headers["Retry-After"] == "2"
    assert by_smtp.result() == 451
    # The line of a read is in the audit log before its answer leaves.
    assert agent.get("/check_inbox").status_code == 503
    lock.execute("ROLLBACK")
    lock.close()
    assert agent.get("/check_inbox").json()["messages"] == []
    done = [entry["action"] for entry in agent.get("/v1/audit-log").json()["entries"]]
    assert not {"email.send", "email.receive"} & set(done)
    again = agent.post("/send_email", json=mail(1, idempotency_key="k"))
    assert (again.status_code, "idempotent" in again.json()) == (202, False)
    assert deliver(server) == 250
    server.wait_for_message("Inbound")


def deliver(server: ServerFixture) -> int:
    """Send a message by SMTP; return the reply code."""
    host, _, port = server.smtp.rpartition(":")
    with smtplib.SMTP(host, int(port), timeout=60) as client:
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt(server.mailbox.address)
        return client.data("From: a@example.com\r\nSubject: Inbound\r\n\r\nMail.\r\n")[0]


def test_a_full_database_refuses_and_keeps_all_that_it_took(start: Start) -> None:
    server = start()
    agent = server.agent
    store = server.services.context.store
    pages = store.read(lambda tx: page_count(tx))
    store.write(lambda tx: limit_pages(tx, pages + 40))
    taken = fill(agent)
    assert taken
    assert server.reviewer.get("/list_pending").status_code == 200
    store.write(lambda tx: limit_pages(tx, 1_000_000))
    everything_is_there(agent, taken)


def page_count(tx: Any) -> int:
    """Return the size of the database; the store's protocol has no word for it."""
    count: int = tx._connection.execute("PRAGMA page_count").fetchone()[0]
    return count


def limit_pages(tx: Any, pages: int) -> None:
    """Let the database grow to so many pages and no further."""
    tx._connection.execute(f"PRAGMA max_page_count = {pages}")


def fill(agent: httpx.Client) -> list[str]:
    """Send until there is no room; return what was acknowledged."""
    taken: list[str] = []
    for number in range(500):
        answer = agent.post("/send_email", json=mail(number, body="x" * 20_000))
        if answer.status_code == 503:
            assert answer.json()["code"] == "store_unavailable"
            return taken
        assert answer.status_code == 202, answer.text
        taken.append(answer.json()["id"])
    raise AssertionError("it was never full")


def everything_is_there(agent: httpx.Client, taken: list[str]) -> None:
    """Check that what was acknowledged is there, and nothing else, each with its audit line."""
    assert agent.post("/send_email", json=mail(0, subject="After")).status_code == 202
    rows = agent.get("/list_pending", params={"limit": 100}).json()["items"]
    assert [row["id"] for row in rows[:-1]] == taken
    assert rows[-1]["subject"] == "After"
    entries = agent.get("/v1/audit-log", params={"limit": 100}).json()["entries"]
    sent = [entry["resource_id"] for entry in entries if entry["action"] == "email.send"]
    assert sent[::-1] == [*taken, rows[-1]["id"]]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux's prlimit")
def test_a_disk_that_takes_no_more_loses_nothing(tmp_path: Path) -> None:
    data, options = tmp_path / "mail.db", ("--data", str(tmp_path / "mail.db"))
    with ServerLauncher(tmp_path / "log") as launcher:
        with launcher.serve(*options) as process:
            headers = {"Authorization": f"Bearer {process.banner['keys']['agent']}"}
            agent = httpx.Client(base_url=process.banner["url"], headers=headers, timeout=60)
            size = data.with_name("mail.db-wal").stat().st_size + 500_000
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            taken = fill(agent)
            assert agent.get("/check_inbox").status_code == 200
        assert taken
        with launcher.serve(*options) as process:
            agent = httpx.Client(base_url=process.banner["url"], headers=headers, timeout=60)
            everything_is_there(agent, taken)
