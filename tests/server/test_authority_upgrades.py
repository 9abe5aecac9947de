"""Looser modes: only by a code that the human hands on, and only the mode that it was made for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail_server import VirtualClock
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


@pytest.fixture
def told() -> list[str]:
    """The lines that the person at the terminal sees."""
    return []


@pytest.fixture
def running(start: Start, clock: VirtualClock, told: list[str]) -> ServerUnderTest:
    return start(clock=clock, notify_operator=told.append)


def ask(server: ServerUnderTest, target: str = "autonomous", key: str = "agent") -> httpx.Response:
    path = f"/v1/mailboxes/{server.mailbox.id}/request-upgrade"
    return server.http(key).post(path, json={"target_mode": target})


def redeem(server: ServerUnderTest, code: str, key: str = "agent") -> httpx.Response:
    path = f"/v1/mailboxes/{server.mailbox.id}/upgrade"
    return server.http(key).post(path, json={"code": code})


def waiting(server: ServerUnderTest) -> list[dict[str, Any]]:
    reply = server.http("reviewer").get("/v1/oversight/upgrade-requests")
    rows: list[dict[str, Any]] = reply.json()["upgrade_requests"]
    return rows


def mode(server: ServerUnderTest) -> str:
    reply = server.http("agent").get(f"/v1/mailboxes/{server.mailbox.id}")
    return str(reply.json()["oversight_mode"])


def test_the_code_loosens_the_mailbox_and_releases_nothing_that_was_held(
    running: ServerUnderTest,
) -> None:
    agent = running.http("agent")
    mail = {"to": ["a@example.com"], "subject": "s", "markdown": "m"}
    held = agent.post(f"/v1/mailboxes/{running.mailbox.id}/send", json=mail).json()
    assert ask(running).status_code == 202
    done = redeem(running, waiting(running)[0]["code"])
    assert (done.status_code, done.json()["oversight_mode"]) == (200, "autonomous")
    assert mode(running) == "autonomous"
    row = agent.get(f"/v1/mailboxes/{running.mailbox.id}/emails/{held['id']}").json()
    assert row["status"] == "pending_send_approval"
    assert running.outbox() == []
    free = agent.post(f"/v1/mailboxes/{running.mailbox.id}/send", json=mail).json()
    assert free["held"] is False


def test_nobody_but_the_reviewer_and_the_terminal_sees_the_code(
    running: ServerUnderTest, told: list[str]
) -> None:
    answer = ask(running)
    code = waiting(running)[0]["code"]
    assert code in told[0]
    assert "autonomous" in told[0]
    assert running.mailbox.address in told[0]
    agent, admin = running.http("agent"), running.http("admin")
    for client in (agent, admin):
        assert client.get("/v1/oversight/upgrade-requests").status_code == 403
    notices = running.http("reviewer").get("/v1/notifications")
    for reply in (answer, agent.get("/v1/audit-log"), admin.get("/v1/export"), notices):
        assert code not in reply.text
    assert notices.json()["notifications"][0]["kind"] == "upgrade_request"


def test_a_code_is_kept_as_a_digest_and_not_shown_after_a_restart(
    start: Start, tmp_path: Path, told: list[str]
) -> None:
    server = start(data=tmp_path / "mail.db", notify_operator=told.append)
    keys = server.keys
    ask(server)
    code = waiting(server)[0]["code"]
    server.stop()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert code.encode() not in content
        assert code.replace("-", "").encode() not in content
    again = start(data=tmp_path / "mail.db")
    rows = again.http(keys.reviewer).get("/v1/oversight/upgrade-requests").json()
    assert rows["upgrade_requests"][0]["code"] is None
    assert redeem(again, code, keys.agent).status_code == 200


def test_a_code_works_once_and_however_it_was_copied(running: ServerUnderTest) -> None:
    ask(running, "monitored")
    code = waiting(running)[0]["code"]
    sloppy = f" {code.lower().replace('-', '').replace('0', 'o').replace('1', 'l')} "
    assert redeem(running, sloppy).status_code == 200
    assert waiting(running) == []
    again = redeem(running, code)
    assert (again.status_code, again.json()["code"]) == (403, "wrong_code")


def test_a_code_ends_after_a_day(running: ServerUnderTest, clock: VirtualClock) -> None:
    ask(running)
    code = waiting(running)[0]["code"]
    clock.advance(timedelta(hours=24))
    assert waiting(running) == []
    assert redeem(running, code).status_code == 403
    assert mode(running) == "gated_send"


def test_five_wrong_codes_end_the_right_one(running: ServerUnderTest) -> None:
    ask(running)
    code = waiting(running)[0]["code"]
    for _ in range(4):
        assert redeem(running, "0000-0000-0000-0000").status_code == 403
    assert len(waiting(running)) == 1
    assert redeem(running, "é" * 20).status_code == 403
    assert redeem(running, code).status_code == 403
    assert mode(running) == "gated_send"


def test_three_requests_an_hour(running: ServerUnderTest, clock: VirtualClock) -> None:
    assert [ask(running).status_code for _ in range(4)] == [202, 202, 202, 429]
    refused = ask(running)
    assert refused.json()["code"] == "too_many_requests"
    clock.advance(timedelta(seconds=int(refused.headers["retry-after"])))
    assert ask(running).status_code == 202


def test_tightening_meanwhile_ends_the_code(running: ServerUnderTest) -> None:
    ask(running)
    code = waiting(running)[0]["code"]
    path = f"/v1/mailboxes/{running.mailbox.id}"
    running.http("admin").patch(path, json={"oversight_mode": "read_only"})
    assert waiting(running) == []
    assert redeem(running, code).status_code == 403
    assert mode(running) == "read_only"


def test_an_old_code_does_not_come_back_with_the_old_mode(running: ServerUnderTest) -> None:
    ask(running)
    old = waiting(running)[0]["code"]
    path = f"/v1/mailboxes/{running.mailbox.id}"
    running.http("admin").patch(path, json={"oversight_mode": "read_only"})
    ask(running, "gated_send")
    assert redeem(running, waiting(running)[0]["code"]).status_code == 200
    assert redeem(running, old).status_code == 403
    assert mode(running) == "gated_send"


def test_revoking_the_key_that_asked_ends_the_code(running: ServerUnderTest) -> None:
    admin = running.http("admin")
    made = admin.post("/v1/api-keys", json={"name": "n", "scopes": ["send"]}).json()
    ask(running, key=made["key"])
    code = waiting(running)[0]["code"]
    admin.delete(f"/v1/api-keys/{made['id']}")
    refused = redeem(running, code)
    assert (refused.status_code, refused.json()["code"]) == (409, "key_revoked")
    assert mode(running) == "gated_send"


def test_a_code_is_for_its_own_mailbox(running: ServerUnderTest) -> None:
    other = running.http("admin").post("/v1/mailboxes", json={"address": "other"}).json()["id"]
    ask(running)
    code = waiting(running)[0]["code"]
    wrong = running.http("agent").post(f"/v1/mailboxes/{other}/upgrade", json={"code": code})
    assert wrong.status_code == 403
    assert redeem(running, code).status_code == 200


@pytest.mark.parametrize("target", ["gated_send", "gated_all", "read_only"])
def test_what_is_not_looser_is_not_asked_for(running: ServerUnderTest, target: str) -> None:
    refused = ask(running, target)
    assert (refused.status_code, refused.json()["code"]) == (400, "not_looser")
    assert ask(running, "yolo").status_code == 400
    assert waiting(running) == []


def test_two_that_redeem_at_once_have_one_winner(running: ServerUnderTest) -> None:
    ask(running)
    code = waiting(running)[0]["code"]
    barrier = threading.Barrier(2)

    def at_once(_: int) -> int:
        barrier.wait(10)
        return redeem(running, code).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(at_once, range(2))) == [200, 403]


def test_a_bound_reviewer_sees_the_codes_of_its_mailbox_alone(running: ServerUnderTest) -> None:
    admin = running.http("admin")
    other = admin.post("/v1/mailboxes", json={"address": "other"}).json()["id"]
    body = {"name": "r", "scopes": ["oversight"], "mailbox_id": other}
    bound = running.http(admin.post("/v1/api-keys", json=body).json()["key"])
    ask(running)
    assert bound.get("/v1/oversight/upgrade-requests").json() == {"upgrade_requests": []}
    assert bound.get("/v1/notifications").json()["notifications"] == []


def test_tightening_gated_all_to_read_only_goes_on_holding_inbound_mail(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    agent, admin = server.http("agent"), server.http("admin")
    path = f"/v1/mailboxes/{server.mailbox.id}"
    tightened = admin.patch(path, json={"oversight_mode": "read_only"}).json()
    assert (tightened["oversight_mode"], tightened["holds_inbound"]) == ("read_only", True)
    admin.patch(path, json={"display_name": "still", "hold_inbound": None})
    server.deliver("The secret is xylophone.", subject="Secret")
    row = agent.get(f"{path}/emails").json()["emails"][0]
    assert row["status"] == "pending_inbound_approval"
    assert "xylophone" not in agent.get(f"{path}/emails/{row['id']}").text
    assert ask(server, "gated_send").status_code == 202
    code = waiting(server)[0]["code"]
    assert redeem(server, code).json()["holds_inbound"] is False
    assert agent.get(f"{path}/emails/{row['id']}").json()["status"] == "pending_inbound_approval"


def test_read_only_from_another_mode_shows_what_comes_in(start: Start) -> None:
    server = start()
    path = f"/v1/mailboxes/{server.mailbox.id}"
    changed = server.http("admin").patch(path, json={"oversight_mode": "read_only"}).json()
    assert changed["holds_inbound"] is False
    server.deliver("Hello", subject="Open")
    assert server.wait_for_message("Open")["status"] == "unread"
