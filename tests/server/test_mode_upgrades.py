"""Looser oversight modes: only with a code that a person has handed on, for the mode it names."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from tests.support.server import Json, ServerFixture, Start, refusal

from multimail_server.testing import VirtualClock


@pytest.fixture
def terminal() -> list[str]:
    """The lines that the person at the terminal sees."""
    return []


@pytest.fixture
def gated(start: Start, clock: VirtualClock, terminal: list[str]) -> ServerFixture:
    return start(clock=clock, notify_operator=terminal.append)


def request(
    server: ServerFixture, target: str = "autonomous", by: httpx.Client | None = None
) -> httpx.Response:
    return (by or server.agent).post(f"{server.box}/request-upgrade", json={"target_mode": target})


def redeem(server: ServerFixture, code: str, by: httpx.Client | None = None) -> httpx.Response:
    return (by or server.agent).post(f"{server.box}/upgrade", json={"code": code})


def requests(server: ServerFixture) -> list[Json]:
    reply = server.reviewer.get("/v1/oversight/upgrade-requests")
    rows: list[Json] = reply.json()["upgrade_requests"]
    return rows


def request_code(server: ServerFixture, target: str = "autonomous") -> str:
    assert request(server, target).status_code == 202
    return str(requests(server)[0]["code"])


def mode(server: ServerFixture) -> str:
    return str(server.agent.get(server.box).json()["oversight_mode"])


def test_the_code_loosens_the_mailbox_and_releases_nothing_that_was_held(
    gated: ServerFixture,
) -> None:
    held = gated.sent()
    done = redeem(gated, request_code(gated))
    assert (done.status_code, done.json()["oversight_mode"]) == (200, "autonomous")
    assert mode(gated) == "autonomous"
    assert gated.status(held["id"]) == "pending_send_approval"
    assert gated.outbox() == []
    assert gated.sent()["held"] is False


def test_only_the_reviewer_and_the_terminal_see_the_code(
    gated: ServerFixture, terminal: list[str]
) -> None:
    answer = request(gated)
    code = requests(gated)[0]["code"]
    assert all(text in terminal[0] for text in (code, "autonomous", gated.mailbox.address))
    for client in (gated.agent, gated.admin):
        assert client.get("/v1/oversight/upgrade-requests").status_code == 403
    notices = gated.reviewer.get("/v1/notifications")
    for reply in (
        answer,
        gated.agent.get("/v1/audit-log"),
        gated.admin.get("/v1/export"),
        notices,
    ):
        assert code not in reply.text
    assert notices.json()["notifications"][0]["kind"] == "upgrade_request"


def test_a_code_is_kept_as_a_digest_and_not_shown_after_a_restart(
    start: Start, tmp_path: Path
) -> None:
    server = start(data=tmp_path / "mail.db")
    keys, code = server.keys, request_code(server)
    server.stop()
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert code.encode() not in content
        assert code.replace("-", "").encode() not in content
    again = start(data=tmp_path / "mail.db")
    rows = again.http(keys.reviewer).get("/v1/oversight/upgrade-requests").json()
    assert rows["upgrade_requests"][0]["code"] is None
    assert redeem(again, code, again.http(keys.agent)).status_code == 200


def test_a_code_works_once_and_however_it_was_copied(gated: ServerFixture) -> None:
    code = request_code(gated, "monitored")
    sloppy = f" {code.lower().replace('-', '').replace('0', 'o').replace('1', 'l')} "
    assert redeem(gated, sloppy).status_code == 200
    assert requests(gated) == []
    assert refusal(redeem(gated, code)) == (403, "wrong_code")


def test_a_code_ends_after_a_day(gated: ServerFixture, clock: VirtualClock) -> None:
    code = request_code(gated)
    clock.advance(timedelta(hours=24))
    assert requests(gated) == []
    assert redeem(gated, code).status_code == 403
    assert mode(gated) == "gated_send"


def test_five_wrong_codes_end_the_right_one(gated: ServerFixture) -> None:
    code = request_code(gated)
    for _ in range(4):
        assert redeem(gated, "0000-0000-0000-0000").status_code == 403
    assert len(requests(gated)) == 1
    assert redeem(gated, "é" * 20).status_code == 403
    assert redeem(gated, code).status_code == 403
    assert mode(gated) == "gated_send"


def test_three_requests_an_hour(gated: ServerFixture, clock: VirtualClock) -> None:
    assert [request(gated).status_code for _ in range(3)] == [202, 202, 202]
    refused = request(gated)
    assert refusal(refused) == (429, "too_many_requests")
    clock.advance(timedelta(seconds=int(refused.headers["retry-after"])))
    assert request(gated).status_code == 202


def test_tightening_ends_a_code_for_good(gated: ServerFixture) -> None:
    old = request_code(gated)
    gated.configure(oversight_mode="read_only")
    assert requests(gated) == []
    assert redeem(gated, old).status_code == 403
    assert mode(gated) == "read_only"
    assert redeem(gated, request_code(gated, "gated_send")).status_code == 200
    assert redeem(gated, old).status_code == 403
    assert mode(gated) == "gated_send"


def test_revoking_the_key_that_asked_ends_the_code(gated: ServerFixture) -> None:
    key = gated.create_key("send")
    request(gated, by=gated.http(key["key"]))
    code = requests(gated)[0]["code"]
    gated.admin.delete(f"/v1/api-keys/{key['id']}")
    assert refusal(redeem(gated, code)) == (409, "key_revoked")
    assert mode(gated) == "gated_send"


def test_a_code_is_for_its_own_mailbox(gated: ServerFixture) -> None:
    other = gated.create_mailbox("other")["id"]
    code = request_code(gated)
    wrong = gated.agent.post(f"/v1/mailboxes/{other}/upgrade", json={"code": code})
    assert wrong.status_code == 403
    assert redeem(gated, code).status_code == 200


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("gated_send", "not_looser"),
        ("gated_all", "not_looser"),
        ("read_only", "not_looser"),
        ("yolo", "invalid_request"),
    ],
)
def test_only_a_looser_mode_can_be_asked_for(gated: ServerFixture, target: str, code: str) -> None:
    assert refusal(request(gated, target)) == (400, code)
    assert requests(gated) == []


def test_of_two_that_redeem_at_once_one_wins(gated: ServerFixture) -> None:
    code = request_code(gated)
    barrier = threading.Barrier(2)

    def redeem_together(_: int) -> int:
        barrier.wait(60)
        return redeem(gated, code).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(redeem_together, range(2))) == [200, 403]


def test_a_bound_reviewer_sees_the_codes_of_its_mailbox_alone(gated: ServerFixture) -> None:
    other = gated.create_mailbox("other")["id"]
    bound = gated.http(gated.create_key("oversight", mailbox_id=other)["key"])
    request(gated)
    assert bound.get("/v1/oversight/upgrade-requests").json() == {"upgrade_requests": []}
    assert bound.get("/v1/notifications").json()["notifications"] == []


def test_read_only_after_gated_all_still_holds_inbound_mail(start: Start) -> None:
    server = start(oversight_mode="gated_all")
    tightened = server.configure(oversight_mode="read_only").json()
    assert (tightened["oversight_mode"], tightened["holds_inbound"]) == ("read_only", True)
    server.configure(display_name="still", hold_inbound=None)
    server.deliver("The secret is xylophone.", subject="Secret")
    [row] = server.emails()
    assert row["status"] == "pending_inbound_approval"
    assert "xylophone" not in server.agent.get(f"{server.box}/emails/{row['id']}").text
    assert redeem(server, request_code(server, "gated_send")).json()["holds_inbound"] is False
    assert server.status(row["id"]) == "pending_inbound_approval"


def test_read_only_after_another_mode_shows_inbound_mail(start: Start) -> None:
    server = start()
    assert server.configure(oversight_mode="read_only").json()["holds_inbound"] is False
    assert server.receive(subject="Open")["status"] == "unread"
