"""Spam: a score that anybody can add up again, and what a mailbox makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail_server.mail.scoring import score
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]

ZONE = """
strict.example. 60 IN TXT "v=spf1 -all"
_dmarc.strict.example. 60 IN TXT "v=DMARC1; p=reject"
open.example. 60 IN TXT "v=spf1 ip4:127.0.0.1 -all"
"""


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    path = tmp_path / "zone"
    path.write_text(ZONE)
    return path


@pytest.fixture
def sorting(start: Start, zone: Path) -> Callable[[str], ServerUnderTest]:
    """Start a server whose first mailbox has a spam filter."""

    def start_one(spam_filter: str, **settings: Any) -> ServerUnderTest:
        server = start(dns_zone=zone, **settings)
        path = f"/v1/mailboxes/{server.mailbox.id}"
        changed = server.http("admin").patch(path, json={"spam_filter": spam_filter}).json()
        assert changed["spam_filter"] == spam_filter
        return server

    return start_one


def forged(server: ServerUnderTest) -> str:
    server.deliver("Send xylophones.", subject="Forged", sender="ceo@strict.example")
    return str(server.wait_for_message("Forged")["id"])


def read(client: httpx.Client, server: ServerUnderTest, email_id: str) -> dict[str, Any]:
    reply = client.get(f"/v1/mailboxes/{server.mailbox.id}/emails/{email_id}")
    row: dict[str, Any] = reply.json()
    return row


@pytest.mark.parametrize(
    ("evidence", "points", "verdict"),
    [
        ({}, 1, "clean"),
        ({"dkim": [{"result": "pass"}], "dmarc": {"result": "pass", "policy": "reject"}}, 0,
         "clean"),
        ({"spf": {"result": "pass"}}, 0, "clean"),
        ({"spf": {"result": "temperror"}, "dmarc": {"result": "temperror"}}, 0, "clean"),
        ({"dkim": [{"result": "fail"}], "spf": {"result": "softfail"}, "flags": ["old"]}, 3,
         "suspect"),
        ({"dmarc": {"result": "fail", "policy": "quarantine"}, "spf": {"result": "pass"}}, 4,
         "suspect"),
        ({"dmarc": {"result": "fail", "policy": "reject"}, "spf": {"result": "fail"}}, 8, "spam"),
        ({"structure": ["there is no From"]}, 6, "spam"),
    ],
)  # fmt: skip
def test_the_score_is_the_sum_of_its_reasons(
    evidence: dict[str, Any], points: float, verdict: str
) -> None:
    found = score(evidence)
    assert (found.score, found.verdict) == (points, verdict)
    assert sum(float(reason.partition(":")[0]) for reason in found.reasons) == points


def test_without_a_filter_the_score_is_told_and_decides_nothing(start: Start, zone: Path) -> None:
    server = start(dns_zone=zone)
    row = read(server.http("agent"), server, forged(server))
    assert (row["status"], row["spam_verdict"]) == ("read", "spam")
    assert row["spam_score"] == sum(
        float(reason.partition(":")[0]) for reason in row["spam_reasons"]
    )
    assert any("reject" in reason for reason in row["spam_reasons"])


def test_flag_sets_aside_and_shows(sorting: Callable[[str], ServerUnderTest]) -> None:
    server = sorting("flag")
    agent = server.http("agent")
    email_id = forged(server)
    server.deliver("Hello", subject="Honest", sender="ann@open.example")
    listed = agent.get("/v1/emails", params={"status": "spam_flagged"}).json()["emails"]
    assert [row["id"] for row in listed] == [email_id]
    row = read(agent, server, email_id)
    assert row["status"] == "spam_flagged"
    assert "xylophones" in row["markdown"]
    assert server.wait_for_message("Honest")["status"] == "unread"
    inbox = f"/v1/mailboxes/{server.mailbox.id}/emails"
    unread = agent.get(inbox, params={"status": "unread"}).json()["emails"]
    assert [row["subject"] for row in unread] == ["Honest"]


def test_quarantine_locks_away_until_a_reviewer_lets_it_out(
    sorting: Callable[[str], ServerUnderTest],
) -> None:
    server = sorting("quarantine")
    agent, reviewer = server.http("agent"), server.http("reviewer")
    email_id = forged(server)
    where = f"/v1/mailboxes/{server.mailbox.id}/emails/{email_id}"
    for path in (where, f"{where}/raw", "/v1/emails?status=spam_quarantined", "/v1/emails"):
        assert "xylophones" not in agent.get(path).text
        assert "Forged" not in agent.get(path).text
    guess = agent.get(where.rpartition("/")[0], params={"subject_contains": "Forged"})
    assert guess.json()["emails"] == []
    assert "xylophones" in read(reviewer, server, email_id)["markdown"]
    refused = agent.post(f"/v1/emails/{email_id}/not-spam")
    assert (refused.status_code, refused.json()["code"]) == (403, "reviewer_needed")
    freed = reviewer.post(f"/v1/emails/{email_id}/not-spam").json()
    assert (freed["status"], freed["spam_verdict"]) == ("unread", "reported_clean")
    assert "xylophones" in read(agent, server, email_id)["markdown"]


def test_a_mailbox_that_holds_everything_only_takes_the_advice(
    sorting: Callable[..., ServerUnderTest],
) -> None:
    server = sorting("quarantine", oversight_mode="gated_all")
    email_id = forged(server)
    item = server.http("reviewer").get("/v1/oversight/pending").json()["pending"][0]
    assert (item["id"], item["status"]) == (email_id, "pending_inbound_approval")
    assert item["spam_verdict"] == "spam"
    assert server.http("agent").post(f"/v1/emails/{email_id}/not-spam").status_code == 409


def test_a_report_moves_a_message_there_and_back(start: Start) -> None:
    server = start()
    agent = server.http("agent")
    server.deliver("Hello", subject="Plain")
    email_id = server.wait_for_message("Plain")["id"]
    flagged = agent.post(f"/v1/emails/{email_id}/report-spam").json()
    assert (flagged["status"], flagged["spam_verdict"]) == ("spam_flagged", "reported_spam")
    assert agent.post(f"/v1/emails/{email_id}/report-spam").json()["status"] == "spam_flagged"
    assert agent.post(f"/v1/emails/{email_id}/not-spam").json()["status"] == "unread"
    assert agent.get("/v1/emails").json()["emails"] == []


def test_only_received_mail_is_spam(start: Start) -> None:
    server = start()
    agent = server.http("agent")
    body = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    sent = agent.post(f"/v1/mailboxes/{server.mailbox.id}/send", json=body).json()["id"]
    assert agent.post(f"/v1/emails/{sent}/report-spam").status_code == 409
    assert agent.get("/v1/emails", params={"status": "sent"}).status_code == 400
    assert agent.post("/v1/emails/msg_nothing/report-spam").status_code == 404


def test_spam_of_all_mailboxes_is_paged_newest_first(start: Start) -> None:
    server = start()
    agent = server.http("agent")
    server.http("admin").post("/v1/mailboxes", json={"address": "second"})
    for number in range(6):
        to = "second@multimail.test" if number % 2 else server.mailbox.address
        server.deliver(f"text {number}", subject=f"s{number}", to=to)
        found = server.wait_for_message(f"s{number}")
        agent.post(f"/v1/emails/{found['id']}/report-spam")
    subjects: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        page = agent.get("/v1/emails", params={"limit": 2, "cursor": cursor or ""}).json()
        subjects += [row["subject"] for row in page["emails"]]
        cursor = page["cursor"]
    assert cursor is None
    assert subjects == ["s5", "s4", "s3", "s2", "s1", "s0"]
