"""Workers: a conversation that goes on elsewhere is guarded by what both remember."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Any
from uuid import uuid4

import pytest
from tests.sessions.support import Durable, open_store_at
from tests.support.redis_server import RedisServer
from tests.tools.asking import asked, tainted
from tests.tools.support import Connect, Inbox, Json, decided, get_error_code

from multimail.sessions import MemorySessionStore
from multimail.trust import Action, TrustPolicy

BOB, CAROL, EVE = "bob@example.org", "carol@example.org", "eve@evil.example"


ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "redis"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where workers remember together."""
    if request.param == "sqlite":
        return str(tmp_path / "guard.db")
    return f"{request.getfixturevalue('redis_server').url}#{uuid4().hex}:"


@pytest.fixture
def durable(where: str) -> Iterator[list[Durable]]:
    """Two workers' views of one store."""
    both = [open_store_at(where) for _ in range(2)]
    yield both
    for one in both:
        one.close()


async def test_two_workers_share_taint_and_what_is_known(
    auto_box: Inbox, connect: Connect, durable: list[Durable]
) -> None:
    one, two = (connect(auto_box, store=store) for store in durable)
    assert (await asked(two, BOB, session_id="s")).action is Action.ALLOW
    await tainted(auto_box, one, "s")
    assert (await asked(two, BOB, session_id="s")).action is Action.HOLD
    held = await one("send_email", to=BOB, subject="First", body="Hello.", session_id="s")
    auto_box.decide(held.data["id"])
    assert (await asked(two, BOB, session_id="s")).action is Action.ALLOW
    one.toolkit.declare_recipients([CAROL], session_id="s")
    assert (await asked(two, CAROL, session_id="s")).action is Action.ALLOW
    two.toolkit.reset("s")
    assert (await asked(one, EVE, session_id="s")).action is Action.ALLOW


async def test_two_workers_share_one_cap(
    auto_box: Inbox, connect: Connect, durable: list[Durable]
) -> None:
    policy = TrustPolicy(sends_per_session=3)
    one, two = (connect(auto_box, store=store, policy=policy) for store in durable)
    workers = (one, two, one, two)
    codes = [(await asked(worker, session_id="s")).code for worker in workers]
    assert codes == ["allowed", "allowed", "allowed", "cap_per_session"]


WORKER = """
import json, sys
from multimail.tools import Toolkit
from tests.support.redis_server import RedisServer
from tests.sessions.support import open_store_at

given = json.load(sys.stdin)
store = open_store_at(given["where"])
toolkit = Toolkit(given["key"], base_url=given["url"], store=store)
results = [toolkit.call(*call, session_id="s") for call in given["calls"]]
print(json.dumps([one.as_data() for one in results]))
toolkit.close()
store.close()
"""


def other_process(box: Inbox, where: str, *calls: tuple[str, Json]) -> list[Json]:
    """Return the data of tool calls that another process made."""
    facts = {"where": where, "key": box.agent_key, "url": box.server.url, "calls": calls}
    done = run(
        [sys.executable, "-c", WORKER],
        input=json.dumps(facts),
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: list[Json] = json.loads(done.stdout)
    return found


def test_a_conversation_that_goes_on_in_another_process_is_as_guarded(
    auto_box: Inbox, where: str
) -> None:
    mail = auto_box.receive_proven()
    send = {"to": BOB, "subject": "x", "body": "y"}
    (read,) = other_process(auto_box, where, ("read_email", {"email_id": mail["id"]}))
    assert read["trust"]["label"] == "authenticated"
    (held,) = other_process(auto_box, where, ("send_email", send))
    assert held["held"] is True
    assert held["decision"]["code"] == "recipient_from_mail"
    auto_box.decide(held["id"])
    (sent,) = other_process(auto_box, where, ("send_email", send | {"subject": "Again"}))
    assert sent["held"] is False
    assert sent["decision"]["action"] == "allow"


@pytest.fixture
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Durable, str]:
    """A store whose memory has gone, and the code of the error that tools answer with."""
    if request.param == "sqlite":
        file = open_store_at(str(tmp_path / "guard.db"))
        file.close()
        return file, "internal"
    with RedisServer(tmp_path) as server:
        return open_store_at(server.url), "memory_unavailable"


@pytest.mark.parametrize("broken", ["sqlite", "redis"], indirect=True)
async def test_a_guard_that_cannot_remember_shows_and_sends_nothing(
    auto_box: Inbox, connect: Connect, broken: tuple[Durable, str]
) -> None:
    store, code = broken
    mail = auto_box.receive_proven("A secret body.")
    tools = connect(auto_box, store=store)
    for name, arguments in [
        ("check_inbox", {}),
        ("read_email", {"email_id": mail["id"]}),
        ("get_thread", {"thread_id": mail["thread_id"]}),
        ("send_email", {"to": BOB, "subject": "x", "body": "y"}),
        ("reply_email", {"email_id": mail["id"], "body": "y"}),
        ("add_contact", {"email": "zoe@example.org", "name": "Zoe"}),
        ("tag_email", {"email_id": mail["id"], "tags": ["seen"]}),
    ]:
        result = await tools.call(name, arguments)
        assert get_error_code(result) == code
        assert "secret" not in str(result.as_data())
    assert auto_box.mails() == []
    assert auto_box.mail(mail["id"])["tags"] == {}


class Forgetful(MemorySessionStore):
    """A store whose disk is full once a message was held."""

    def add_held(self, scope: str, email_id: str, addresses: Any) -> None:
        raise OSError("No space left on device")


async def test_what_was_sent_is_not_reported_as_if_it_was_not(
    auto_box: Inbox, connect: Connect
) -> None:
    tools = connect(auto_box, store=Forgetful())
    await tainted(auto_box, tools)
    result = await tools("send_email", to=BOB, subject="x", body="y")
    (held,) = auto_box.mails()
    assert held["id"] in result.text
    assert decided(result).action is Action.HOLD
