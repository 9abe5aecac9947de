"""Two servers on one PostgreSQL database act as one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest
from tests.server.pages import Person
from tests.support.postgres import Cluster
from tests.support.server import Json, ServerFixture, accepted
from tests.support.server_launcher import ServerLauncher
from tests.support.smtp_sink import SmtpSink
from tests.support.webhook_receiver import WebhookReceiver

from multimail_server.config import ServerConfig
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork is POSIX"),
    pytest.mark.xdist_group("two servers"),
]

MESSAGES = 40


@dataclass(slots=True)
class Two:
    """The banners of two `multimail serve` processes, and their database; the first has keys."""

    first: dict[str, Any]
    second: dict[str, Any]
    database: str

    @property
    def box(self) -> str:
        return f"/v1/mailboxes/{self.first['mailbox']['id']}"

    def http(self, place: str, key: str) -> httpx.Client:
        """Return a client of one of them, with the key of a role or any other."""
        banner = self.first if place == "first" else self.second
        headers = {"Authorization": f"Bearer {self.first['keys'].get(key, key)}"}
        return httpx.Client(base_url=banner["url"], headers=headers, timeout=60.0)


@pytest.fixture(scope="module")
def shared_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as running:
        yield running


@pytest.fixture
def sink(shared_sink: SmtpSink) -> SmtpSink:
    """The relay of both servers; it has taken nothing yet."""
    shared_sink.messages.clear()
    return shared_sink


@pytest.fixture(scope="module")
def two(
    tmp_path_factory: pytest.TempPathFactory, postgres: Cluster, shared_sink: SmtpSink
) -> Iterator[Two]:
    database = postgres.new_database()
    options = ("--live", "--relay", shared_sink.url, "--database", database)
    folder = tmp_path_factory.mktemp("two")
    logs = [folder / "first.log", folder / "second.log"]
    with ExitStack() as stack:
        launchers = [stack.enter_context(ServerLauncher(log)) for log in logs]
        servers = [stack.enter_context(launcher.serve(*options)) for launcher in launchers]
        yield Two(servers[0].banner, servers[1].banner, database)
    postgres.drop(database)
    assert [log.read_text() for log in logs] == ["", ""]


def mail(subject: str) -> Json:
    return {"to": ["a@elsewhere.test"], "subject": subject, "markdown": "Hello."}


def subjects(sink: SmtpSink) -> list[str]:
    return [str(message.parsed["Subject"]) for message in sink.messages]


def test_each_message_is_handed_over_once_and_both_show_the_same(two: Two, sink: SmtpSink) -> None:
    assert two.second["keys"] is None
    assert two.second["mailbox"] == two.first["mailbox"]
    agents = [two.http("first", "agent"), two.http("second", "agent")]
    reviewers = [two.http("second", "reviewer"), two.http("first", "reviewer")]

    def send_and_approve(number: int) -> None:
        sent = accepted(agents[number % 2].post(f"{two.box}/send", json=mail(f"Number {number}")))
        # The other server decides, and either hands it over.
        decision = {"email_id": sent["id"], "action": "approve"}
        status = "sending"
        while status == "sending":  # answered where a hand-over takes its time
            reply = reviewers[number % 2].post("/v1/oversight/decide", json=decision)
            status = accepted(reply)["message_status"]
        assert status == "sent"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send_and_approve, range(MESSAGES)))
    wanted = {f"Number {number}" for number in range(MESSAGES)}
    assert sorted(subjects(sink)) == sorted(wanted)
    inboxes = [
        agent.get(f"{two.box}/emails", params={"limit": 100}).json()["emails"] for agent in agents
    ]
    assert inboxes[0] == inboxes[1]
    assert {row["subject"] for row in inboxes[0]} == wanted
    with two.http("second", "admin") as admin:
        entries = admin.get("/v1/audit-log", params={"limit": 100}).json()["entries"]
    delivered = [entry for entry in entries if entry["action"] == "email.deliver"]
    assert len(delivered) == len({entry["resource_id"] for entry in delivered})
    for client in (*agents, *reviewers):
        client.close()
    with psycopg.connect(two.database) as connection:
        # What was only read is recorded without waiting for the mailbox.
        sql = """SELECT left(id, 13) FROM audit
            WHERE action IN ('email.send', 'oversight.approve', 'email.deliver')
            ORDER BY xmin::text::bigint, place"""
        moments = [row[0] for row in connection.execute(sql)]
    assert len(moments) == 3 * MESSAGES
    assert moments == sorted(moments), "a mailbox's log is not in the order of its commits"


def test_a_key_revoked_in_one_is_dead_in_the_other_at_once(two: Two, sink: SmtpSink) -> None:
    with two.http("first", "admin") as admin, two.http("second", "reviewer") as reviewer:
        key = {"name": "more", "scopes": ["read", "send"]}
        new_key = accepted(admin.post("/v1/api-keys", json=key))
        with two.http("second", new_key["key"]) as agent:
            held = accepted(agent.post(f"{two.box}/send", json=mail("Late")))["id"]
            assert admin.delete(f"/v1/api-keys/{new_key['id']}").status_code == 200
            assert agent.get(f"{two.box}/emails").status_code == 401
        decision = {"email_id": held, "action": "approve"}
        reply = accepted(reviewer.post("/v1/oversight/decide", json=decision))
        assert reply["message_status"] == "send_failed"
    assert sink.messages == []


def test_both_prove_themselves_with_the_same_keys(two: Two) -> None:
    at = "/.well-known/multimail-signing-key"
    assert httpx.get(two.first["url"] + at).content == httpx.get(two.second["url"] + at).content


def test_events_are_posted_once_and_in_order(start_on: Callable[..., ServerFixture]) -> None:
    servers = [start_on(), start_on()]
    admin = servers[0].admin
    with WebhookReceiver() as endpoint:
        body = {"url": endpoint.url, "events": ["message.received"]}
        accepted(admin.post("/v1/webhooks", json=body), 201)
        for number in range(20):
            servers[number % 2].deliver("Hello.", subject=f"Number {number}")
        posted = endpoint.wait(20)
        rows = admin.get("/v1/webhook-deliveries", params={"limit": 100}).json()["deliveries"]
    assert [event.id for event in posted] == [row["id"] for row in reversed(rows)]


def test_a_balancer_may_send_a_browser_to_any_server(
    start_on: Callable[..., ServerFixture],
) -> None:
    first, second = start_on(), start_on()
    sent = first.sent(subject="For review")
    person = Person(first)
    for _ in range(2):
        person.sign_in("mm_test_wrong")
    assert person.sign_in(first.keys.reviewer).status_code == 303
    person.move_to(second)
    decided = person.decide(sent["id"], "reject")
    person.move_to(first)
    assert "Rejected: " in person.get(decided.headers["location"]).text
    person.post("/sign-out", {"csrf": person.csrf()})
    person.move_to(second)
    assert "For review" not in person.get("/").text
    # Wrong keys are counted together.
    answers = [person.sign_in("mm_test_wrong").status_code for _ in range(9)]
    assert answers == [401] * 8 + [429]


def test_a_reader_misses_nothing_of_a_server_whose_clock_is_behind(database_url: str) -> None:
    """Ids begin with the time of the server that draws them; readers go on behind the newest."""
    clocks = VirtualClock(), VirtualClock()
    clocks[0].advance(timedelta(minutes=5))
    with ExitStack() as stack:
        ahead, behind = (
            stack.enter_context(
                ServerUnderTest(
                    ServerConfig(port=0, smtp_port=0, database=database_url, clock=clock)
                )
            )
            for clock in clocks
        )
        ahead.deliver(subject="First")
        agent = stack.enter_context(ahead.http("agent"))
        box = f"/v1/mailboxes/{accepted(agent.get('/v1/mailboxes'))['mailboxes'][0]['id']}"
        (first,) = accepted(agent.get(f"{box}/emails"))["emails"]
        behind.deliver(subject="Second")
        with httpx.Client(base_url=behind.url, headers=agent.headers) as late:
            accepted(late.post(f"{box}/send", json=mail("Third")))
            reply = {"markdown": "Fourth."}
            accepted(late.post(f"{box}/reply/{first['id']}", json=reply))
        later = accepted(agent.get(f"{box}/emails", params={"since_id": first["id"]}))["emails"]
        assert [row["subject"] for row in later] == ["Re: First", "Third", "Second"]
        raw = agent.get(f"{box}/emails/{later[1]['id']}/raw")
        assert f"/v1/unsubscribe/{later[1]['id']}." in raw.text.replace("\r\n ", "")
