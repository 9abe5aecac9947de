"""Spam: a score that is the sum of its reasons, and what a mailbox's filter makes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail_server.mail.scoring import score_message

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
def filtering(start: Start, zone: Path) -> Callable[..., ServerFixture]:
    """Start a server whose first mailbox has a spam filter."""

    def start_filtering(spam_filter: str, **settings: Any) -> ServerFixture:
        server = start(dns_zone=zone, **settings)
        assert server.configure(spam_filter=spam_filter).json()["spam_filter"] == spam_filter
        return server

    return start_filtering


def receive_forged(server: ServerFixture) -> str:
    mail = server.receive("Send xylophones.", subject="Forged", sender="ceo@strict.example")
    return str(mail["id"])


def read(server: ServerFixture, email_id: str) -> Json:
    row: Json = server.agent.get(f"{server.box}/emails/{email_id}").json()
    return row


def add_up(reasons: list[str]) -> float:
    return sum(float(reason.partition(":")[0]) for reason in reasons)


@pytest.mark.parametrize(
    ("evidence", "points", "verdict"),
    [
        ({}, 1, "clean"),
        (
            {"dkim": [{"result": "pass"}], "dmarc": {"result": "pass", "policy": "reject"}},
            0,
            "clean",
        ),
        ({"spf": {"result": "pass"}}, 0, "clean"),
        ({"spf": {"result": "temperror"}, "dmarc": {"result": "temperror"}}, 0, "clean"),
        (
            {"dkim": [{"result": "fail"}], "spf": {"result": "softfail"}, "flags": ["old"]},
            3,
            "suspect",
        ),
        (
            {"dmarc": {"result": "fail", "policy": "quarantine"}, "spf": {"result": "pass"}},
            4,
            "suspect",
        ),
        ({"dmarc": {"result": "fail", "policy": "reject"}, "spf": {"result": "fail"}}, 8, "spam"),
        ({"structure": ["there is no From"]}, 6, "spam"),
    ],
)
def test_the_score_is_the_sum_of_its_reasons(evidence: Json, points: float, verdict: str) -> None:
    result = score_message(evidence)
    assert (result.score, result.verdict) == (points, verdict)
    assert add_up(list(result.reasons)) == points


def test_without_a_filter_the_score_is_shown_and_decides_nothing(start: Start, zone: Path) -> None:
    server = start(dns_zone=zone)
    row = read(server, receive_forged(server))
    assert (row["status"], row["spam_verdict"]) == ("read", "spam")
    assert row["spam_score"] == add_up(row["spam_reasons"])
    assert any("reject" in reason for reason in row["spam_reasons"])


def test_the_filter_flag_sets_spam_aside_and_shows_it(
    filtering: Callable[..., ServerFixture],
) -> None:
    server = filtering("flag")
    email_id = receive_forged(server)
    honest = server.receive("Hello", subject="Honest", sender="ann@open.example")
    assert honest["status"] == "unread"
    listed = server.agent.get("/v1/emails", params={"status": "spam_flagged"}).json()["emails"]
    assert [row["id"] for row in listed] == [email_id]
    row = read(server, email_id)
    assert row["status"] == "spam_flagged"
    assert "xylophones" in row["markdown"]
    assert [row["subject"] for row in server.emails(status="unread")] == ["Honest"]


def test_the_filter_quarantine_hides_spam_until_a_reviewer_releases_it(
    filtering: Callable[..., ServerFixture],
) -> None:
    server = filtering("quarantine")
    email_id = receive_forged(server)
    where = f"{server.box}/emails/{email_id}"
    for path in (where, f"{where}/raw", "/v1/emails?status=spam_quarantined", "/v1/emails"):
        shown = server.agent.get(path).text
        assert "xylophones" not in shown
        assert "Forged" not in shown
    assert server.emails(subject_contains="Forged") == []
    assert "xylophones" in server.email(email_id)["markdown"]
    path = f"/v1/emails/{email_id}/not-spam"
    assert refusal(server.agent.post(path)) == (403, "reviewer_needed")
    released = server.reviewer.post(path).json()
    assert (released["status"], released["spam_verdict"]) == ("unread", "reported_clean")
    assert "xylophones" in read(server, email_id)["markdown"]


def test_a_gated_mailbox_holds_spam_as_all_mail_and_shows_the_verdict(
    filtering: Callable[..., ServerFixture],
) -> None:
    server = filtering("quarantine", oversight_mode="gated_all")
    email_id = receive_forged(server)
    [item] = server.pending()
    assert (item["id"], item["status"]) == (email_id, "pending_inbound_approval")
    assert item["spam_verdict"] == "spam"
    assert server.agent.post(f"/v1/emails/{email_id}/not-spam").status_code == 409


def test_a_report_moves_a_message_there_and_back(start: Start) -> None:
    server = start()
    path = f"/v1/emails/{server.receive()['id']}"
    flagged = server.agent.post(f"{path}/report-spam").json()
    assert (flagged["status"], flagged["spam_verdict"]) == ("spam_flagged", "reported_spam")
    assert server.agent.post(f"{path}/report-spam").json()["status"] == "spam_flagged"
    assert server.agent.post(f"{path}/not-spam").json()["status"] == "unread"
    assert server.agent.get("/v1/emails").json()["emails"] == []


def test_only_received_mail_can_be_reported_as_spam(server: ServerFixture) -> None:
    sent = server.sent()["id"]
    assert server.agent.post(f"/v1/emails/{sent}/report-spam").status_code == 409
    assert server.agent.get("/v1/emails", params={"status": "sent"}).status_code == 400
    assert server.agent.post("/v1/emails/msg_nothing/report-spam").status_code == 404


def test_spam_of_all_mailboxes_is_paged_newest_first(start: Start) -> None:
    server = start()
    server.create_mailbox("second")
    for number in range(6):
        to = "second@multimail.test" if number % 2 else server.mailbox.address
        mail = server.receive(f"text {number}", subject=f"s{number}", to=to)
        server.agent.post(f"/v1/emails/{mail['id']}/report-spam")
    subjects: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = server.agent.get("/v1/emails", params={"limit": 2, "cursor": cursor}).json()
        assert len(page["emails"]) == 2
        subjects += [row["subject"] for row in page["emails"]]
        cursor = page["cursor"]
    assert subjects == ["s5", "s4", "s3", "s2", "s1", "s0"]
