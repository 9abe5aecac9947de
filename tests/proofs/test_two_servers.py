"""Two `multimail serve` processes on one PostgreSQL database are one server in two places."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg
import pytest
from tests.proofs.served import Nursery
from tests.proofs.sink import Sink
from tests.server.endpoints import listening
from tests.support.postgres import Cluster

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork is POSIX"),
    pytest.mark.xdist_group("two servers"),
]

MESSAGES = 40


@dataclass(slots=True)
class Two:
    """The banners of both servers, and their database; the first of them made the keys."""

    first: dict[str, Any]
    second: dict[str, Any]
    database: str

    def http(self, place: str, key: str) -> httpx.Client:
        """Return a client of one of them, with the key of a role or any other."""
        banner = self.first if place == "first" else self.second
        key = self.first["keys"].get(key, key)
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=banner["url"], headers=headers, timeout=30.0)


@pytest.fixture(scope="module")
def running_sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


@pytest.fixture
def sink(running_sink: Sink) -> Sink:
    """A relay that has taken nothing yet."""
    running_sink.hand_overs.clear()
    running_sink.on_hand_over = lambda _: None
    return running_sink


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, postgres: Cluster, running_sink: Sink
) -> Iterator[Two]:
    relay, database_url = f"smtp://127.0.0.1:{running_sink.port}", postgres.new_database()
    options = ("--port", "0", "--smtp-port", "0", "--live", "--relay", relay)
    folder = tmp_path_factory.mktemp("two")
    logs = [folder / "first.log", folder / "second.log"]
    with ExitStack() as stack:
        nurseries = [stack.enter_context(Nursery(log)) for log in logs]
        served = []
        for nursery in nurseries:
            served.append(nursery.begin(*options, "--database", database_url))
            nursery.await_banner(served[-1])
        yield Two(served[0].banner, served[1].banner, database_url)
        for one, nursery in zip(served, nurseries, strict=True):
            one.kill()
            nursery.await_end()
    postgres.drop(database_url)
    assert [log.read_text() for log in logs] == ["", ""]


def test_each_message_is_handed_over_once_and_both_tell_the_same(two: Two, sink: Sink) -> None:
    assert two.second["keys"] is None
    assert two.second["mailbox"] == two.first["mailbox"]
    box = f"/v1/mailboxes/{two.first['mailbox']['id']}"
    agents = [two.http("first", "agent"), two.http("second", "agent")]
    reviewers = [two.http("second", "reviewer"), two.http("first", "reviewer")]

    def send_and_approve(number: int) -> None:
        body = {"to": ["a@elsewhere.test"], "subject": f"Number {number}", "markdown": "Hello."}
        sent = agents[number % 2].post(f"{box}/send", json=body).json()
        # The other server decides, and either hands it over.
        asked = {"email_id": sent["id"], "action": "approve"}
        told: dict[str, Any] = {"message_status": "sending"}
        while told["message_status"] == "sending":  # answered where a hand-over takes its time
            told = reviewers[number % 2].post("/v1/oversight/decide", json=asked).json()
        assert told["message_status"] == "sent", told

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send_and_approve, range(MESSAGES)))
    wanted = {f"Number {number}" for number in range(MESSAGES)}
    assert sorted(one.token for one in sink.hand_overs) == sorted(wanted)
    inboxes = [agent.get(f"{box}/emails", params={"limit": 100}).json() for agent in agents]
    assert inboxes[0] == inboxes[1]
    assert {row["subject"] for row in inboxes[0]["emails"]} == wanted
    with two.http("second", "admin") as admin:
        entries = admin.get("/v1/audit-log", params={"limit": 100}).json()["entries"]
    delivered = [entry for entry in entries if entry["action"] == "email.deliver"]
    assert len(delivered) == len({entry["resource_id"] for entry in delivered})
    for client in (*agents, *reviewers):
        client.close()
    with psycopg.connect(two.database) as connection:
        sql = "SELECT left(id, 13) FROM audit ORDER BY xmin::text::bigint, id"
        moments = [row[0] for row in connection.execute(sql)]
    assert moments == sorted(moments), "the log's order is not that of the commits"


def test_a_key_revoked_in_one_is_dead_in_the_other_at_once(two: Two, sink: Sink) -> None:
    box = f"/v1/mailboxes/{two.first['mailbox']['id']}"
    with (
        two.http("first", "admin") as admin,
        two.http("second", "reviewer") as reviewer,
        ExitStack() as stack,
    ):
        made = admin.post("/v1/api-keys", json={"name": "more", "scopes": ["read", "send"]}).json()
        agent = stack.enter_context(two.http("second", made["key"]))
        body = {"to": ["a@elsewhere.test"], "subject": "Late", "markdown": "Hello."}
        held = agent.post(f"{box}/send", json=body).json()["id"]
        assert admin.delete(f"/v1/api-keys/{made['id']}").status_code == 200
        assert agent.get(f"{box}/emails").status_code == 401
        asked = {"email_id": held, "action": "approve"}
        told = reviewer.post("/v1/oversight/decide", json=asked).json()
        assert told["message_status"] == "send_failed"
    assert sink.hand_overs == []


def test_both_prove_themselves_with_the_same_keys(two: Two) -> None:
    at = "/.well-known/multimail-signing-key"
    assert httpx.get(two.first["url"] + at).content == httpx.get(two.second["url"] + at).content


def test_events_are_posted_once_and_in_order(database_url: str) -> None:
    config = ServerConfig(port=0, smtp_port=0, database=database_url)
    with ExitStack() as stack:
        servers = [stack.enter_context(ServerUnderTest(config)) for _ in range(2)]
        endpoint = stack.enter_context(listening())
        with servers[0].http("admin") as admin:
            body = {"url": endpoint.url, "events": ["message.received"]}
            assert admin.post("/v1/webhooks", json=body).status_code == 201
        for number in range(20):
            servers[number % 2].deliver("Hello.", subject=f"Number {number}")
        posted = endpoint.wait(20)
        with servers[0].http("admin") as admin:
            rows = admin.get("/v1/webhook-deliveries", params={"limit": 100}).json()["deliveries"]
    assert [one.id for one in posted] == [row["id"] for row in reversed(rows)]
