"""Seeded ids and keys: two runs are equal, and keys stay random unless seeding is requested."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import ServerFixture, Start

from multimail_server import ServerConfig, ServerStartError, SystemClock
from multimail_server.testing import VirtualClock
from multimail_server.testing.support import SeededIds


def a_run(start: Start, **settings: Any) -> list[Any]:
    """Do what a test might do, and return every id that it saw."""
    server = start(oversight_mode="autonomous", **settings)
    server.deliver("Hello", sender="ann@example.org")
    mail = server.wait_for_message()
    path = server.box
    body = {"markdown": "Hi", "attachments": [{"name": "a.txt", "content_base64": "YQ=="}]}
    reply = server.agent.post(f"{path}/reply/{mail['id']}", json=body).json()
    sent = server.wait_for_message(direction="outbound", status="sent")
    server.stop()
    return [server.mailbox.id, mail["id"], mail["thread_id"], mail["rfc_message_id"],
            reply["id"], sent["rfc_message_id"]]  # fmt: skip


def test_the_same_seed_gives_the_same_ids(start: Start) -> None:
    first, again = (a_run(start, seed=7) for _ in range(2))
    assert first == again
    assert not set(first) & set(a_run(start, seed=8))


def test_ids_have_the_usual_form_and_increase() -> None:
    ids = SeededIds(SystemClock(), 1)
    new_ids = [ids.new("msg") for _ in range(200)]
    assert new_ids == sorted(set(new_ids))
    assert all(re.fullmatch(r"msg_[0-9A-Z]{26}", made_id) for made_id in new_ids)


def test_other_threads_do_not_change_the_ids_of_a_kind() -> None:
    alone, beside = SeededIds(SystemClock(), 3), SeededIds(VirtualClock(), 3)
    noise = threading.Thread(target=lambda: [beside.new("req") for _ in range(500)])
    noise.start()
    ids = [beside.new("msg") for _ in range(100)]
    noise.join()
    assert ids == [alone.new("msg") for _ in range(100)]


def test_keys_are_random_unless_seeded_keys_are_asked_for(start: Start) -> None:
    assert start(seed=7).keys != start(seed=7).keys
    first, second = start(seed=7, seeded_keys=True), start(seed=7, seeded_keys=True)
    assert first.keys == second.keys
    assert len({first.keys.agent, first.keys.reviewer, first.keys.admin}) == 3
    assert re.fullmatch(r"mm_test_[\w-]{32}", first.keys.agent)
    assert first.agent.get("/v1/mailboxes").status_code == 200


def test_a_live_key_is_never_one_that_can_be_guessed(start: Start) -> None:
    live_keys = [
        start(seed=7, seeded_keys=True)
        .http("admin")
        .post("/v1/api-keys", json={"name": "more", "scopes": ["read"], "live": live})
        .json()["key"]
        for live in (True, True, False, False)
    ]
    assert live_keys[0].startswith("mm_live_")
    assert live_keys[0] != live_keys[1]
    assert live_keys[2] == live_keys[3]


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": None},
        {"live": True},
        {"host": "0.0.0.0"},
        {"relay": "smtp://127.0.0.1:9"},
    ],
)
def test_keys_that_can_be_guessed_are_refused_where_others_could_use_them(
    settings: dict[str, Any],
) -> None:
    wanted = {"seed": 1, "seeded_keys": True, "port": 0, "smtp_port": 0, **settings}
    with pytest.raises(ServerStartError, match="seeded keys"):
        ServerFixture(ServerConfig(**wanted)).start()


def test_a_seed_does_not_repeat_the_ids_of_a_data_file(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "mail.db"
    start(data=data, seed=1).stop()
    with pytest.raises(ServerStartError, match="new file"):
        start(data=data, seed=1)
    start(data=data).stop()
