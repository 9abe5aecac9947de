"""Webhook, queue, workers: mail by SMTP, a signed event, Celery on Redis, one reply to approve."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.server.webhook_examples import (
    Answering,
    WebhookFixture,
    Worker,
    environment,
    load,
    under_uvicorn,
    write_zone,
)
from tests.support.redis_server import RedisServer
from tests.support.server import Start

from multimail_cli.demo.scripted_model import ScriptedModel

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(600),
]

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True)
class QueueFixture:
    """All of it: the fixture, the endpoint, the queue, the workers."""

    fixture: WebhookFixture
    redis: RedisServer
    workers: list[Worker]

    def start_workers(self, count: int) -> None:
        """Start workers, and wait until all take jobs."""
        new = [Worker() for _ in range(count)]
        self.workers.extend(new)
        for worker in new:
            worker.await_ready()

    def kill_busy_worker(self) -> None:
        """Kill the worker that runs a job at this moment."""
        (busy,) = [worker for worker in self.workers if "received" in worker.output]
        busy.kill()
        self.workers.remove(busy)
        with self._broker() as broker:  # the time for which the queue would wait for it has passed
            (waiting,) = broker.zrange("unacked_index", 0, -1)
            broker.zadd("unacked_index", {str(waiting): 1})

    def stop_workers(self) -> None:
        """End all workers."""
        while self.workers:
            self.workers.pop().kill()

    def queued(self) -> int:
        """Return how many jobs wait for a worker."""
        with self._broker() as broker:
            return broker.llen("celery")

    def _broker(self) -> Redis:
        from redis import Redis

        return Redis.from_url(self.redis.url, decode_responses=True)


@pytest.fixture
def build(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Answering], QueueFixture]]:
    """Build it around a model."""
    with ExitStack() as stack:

        def make(answering: Answering) -> QueueFixture:
            model = stack.enter_context(ScriptedModel(answering))
            redis = stack.enter_context(RedisServer(tmp_path))
            fixture = WebhookFixture(start(dns_zone=write_zone(tmp_path)))
            for name, value in environment(fixture.server, model.base_url).items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("REDIS_URL", redis.url)
            base_url = stack.enter_context(under_uvicorn(load("webhook_celery").app))
            monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", fixture.subscribe(base_url))
            queue = QueueFixture(fixture, redis, [])
            stack.callback(queue.stop_workers)
            return queue

        yield make


def test_mail_is_answered_once_by_whichever_worker_takes_it(
    build: Callable[[Answering], QueueFixture],
) -> None:
    queue = build(Answering())
    queue.start_workers(2)
    proven = [queue.fixture.receive("ann@example.com", signed=True) for _ in range(3)]
    unsigned = queue.fixture.receive("ann@example.com")
    for mail in proven:
        queue.fixture.await_tag(mail, "answered")
    queue.fixture.await_tag(unsigned, "needs-human")
    replies = queue.fixture.replies()
    assert {worker["status"] for worker in replies} == {"pending_send_approval"}
    assert sorted(worker["thread_id"] for worker in replies) == sorted(
        mail["thread_id"] for mail in proven
    )
    queue.stop_workers()
    rows = queue.fixture.deliveries("delivered", 4)
    for row in rows:
        replay = f"/v1/webhook-deliveries/{row['id']}/replay"
        queue.fixture.server.admin.post(replay).raise_for_status()
    again = queue.fixture.deliveries("delivered", 4)
    assert {row["response_status"] for row in rows + again} == {202}
    assert queue.queued() == 0


@pytest.mark.parametrize("turn", [0, 1], ids=["before the reply", "after the reply"])
def test_the_job_of_a_worker_that_is_killed_runs_again_and_sends_once(
    build: Callable[[Answering], QueueFixture], turn: int
) -> None:
    killed: list[int] = []
    turns: list[int] = []

    def kill_once(now: int) -> None:
        turns.append(now)
        if now == turn and not killed:
            killed.append(now)
            queue.kill_busy_worker()

    queue = build(Answering(kill_once))
    queue.start_workers(2)
    mail = queue.fixture.receive("ann@example.com", signed=True)
    queue.fixture.await_tag(mail, "answered")
    assert turns == [*range(turn + 1), 0, 1], "the second worker began anew"
    (reply,) = queue.fixture.replies()
    assert reply["status"] == "pending_send_approval"
    assert reply["thread_id"] == mail["thread_id"]


def test_an_event_that_cannot_be_queued_comes_again(
    build: Callable[[Answering], QueueFixture],
) -> None:
    queue = build(Answering())
    queue.redis.stop()
    mail = queue.fixture.receive("ann@example.com", signed=True)

    def failed() -> Any:
        answer = queue.fixture.server.admin.get("/v1/webhook-deliveries").json()
        return answer["deliveries"] and answer["deliveries"][0]["response_status"] == 500

    queue.fixture.server.wait_until(failed)
    queue.redis.start()
    (row,) = queue.fixture.deliveries("delivered", 1)
    assert row["response_status"] == 202
    queue.start_workers(1)
    queue.fixture.await_tag(mail, "answered")
    assert len(queue.fixture.replies()) == 1
