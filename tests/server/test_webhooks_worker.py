"""Webhook, queue, workers: mail by SMTP, a signed event, Celery on Redis, one reply to approve."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from tests.server.webhook_apps import (
    EXAMPLES,
    Answering,
    House,
    environment,
    load,
    under_uvicorn,
    zone_in,
)
from tests.support.redis_server import RedisServer

from multimail_cli.demo.scripted_model import ScriptedModel
from multimail_server.testing.server import ServerUnderTest

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL and fork are POSIX"),
    pytest.mark.timeout(600),
]

if TYPE_CHECKING:
    from redis import Redis

Start = Callable[..., ServerUnderTest]


class Worker:
    """A Celery worker in a process group of its own, with what it says."""

    def __init__(self) -> None:
        command = ("celery", "--app", "webhook_celery:queue", "worker", "--concurrency", "1")
        name = ("--hostname", f"{uuid4().hex}@%h", "--loglevel", "INFO")
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command, *name],
            cwd=EXAMPLES,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._said: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def said(self) -> str:
        """All that it has said so far."""
        return "".join(self._said)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.append(line)
            if " ready." in line:
                self._ready.set()
        self._ready.set()

    def await_ready(self) -> None:
        """Wait until it takes jobs."""
        assert self._ready.wait(300)
        assert self._process.poll() is None, self.said

    def kill(self) -> None:
        """End it, and the process in which it runs jobs, by SIGKILL."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()


@dataclass(frozen=True)
class Plant:
    """All of it: the house, the endpoint, the queue, the workers."""

    house: House
    redis: RedisServer
    workers: list[Worker]

    def hire(self, count: int) -> None:
        """Start workers, and wait until all take jobs."""
        new = [Worker() for _ in range(count)]
        self.workers.extend(new)
        for one in new:
            one.await_ready()

    def kill_who_has_a_job(self) -> None:
        """Kill the worker that runs a job at this moment."""
        (busy,) = [one for one in self.workers if "received" in one.said]
        busy.kill()
        self.workers.remove(busy)
        with self._broker() as broker:  # the time for which the queue would wait for it has passed
            (waiting,) = broker.zrange("unacked_index", 0, -1)
            broker.zadd("unacked_index", {str(waiting): 1})

    def dismiss(self) -> None:
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
) -> Iterator[Callable[[Answering], Plant]]:
    """Build it around a model."""
    with ExitStack() as stack:

        def make(answering: Answering) -> Plant:
            model = stack.enter_context(ScriptedModel(answering))
            redis = stack.enter_context(RedisServer(tmp_path))
            house = House(start(dns_zone=zone_in(tmp_path)))
            for name, value in environment(house.server, model.base_url).items():
                monkeypatch.setenv(name, value)
            monkeypatch.setenv("REDIS_URL", redis.url)
            base_url = stack.enter_context(under_uvicorn(load("webhook_celery").app))
            monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", house.subscribe(base_url))
            plant = Plant(house, redis, [])
            stack.callback(plant.dismiss)
            return plant

        yield make


def test_mail_is_answered_once_by_whichever_worker_takes_it(
    build: Callable[[Answering], Plant],
) -> None:
    plant = build(Answering())
    plant.hire(2)
    proven = [plant.house.receive("ann@example.com", signed=True) for _ in range(3)]
    unsigned = plant.house.receive("ann@example.com")
    for mail in proven:
        plant.house.await_tag(mail, "answered")
    plant.house.await_tag(unsigned, "needs-human")
    replies = plant.house.replies()
    assert {one["status"] for one in replies} == {"pending_send_approval"}
    assert sorted(one["thread_id"] for one in replies) == sorted(
        mail["thread_id"] for mail in proven
    )
    plant.dismiss()
    rows = plant.house.deliveries("delivered", 4)
    for row in rows:
        replay = f"/v1/webhook-deliveries/{row['id']}/replay"
        plant.house.server.http("admin").post(replay).raise_for_status()
    again = plant.house.deliveries("delivered", 4)
    assert {row["response_status"] for row in rows + again} == {202}
    assert plant.queued() == 0


@pytest.mark.parametrize("turn", [0, 1], ids=["before the reply", "after the reply"])
def test_the_job_of_a_worker_that_is_killed_runs_again_and_sends_once(
    build: Callable[[Answering], Plant], turn: int
) -> None:
    killed: list[int] = []
    turns: list[int] = []

    def kill_once(now: int) -> None:
        turns.append(now)
        if now == turn and not killed:
            killed.append(now)
            plant.kill_who_has_a_job()

    plant = build(Answering(kill_once))
    plant.hire(2)
    mail = plant.house.receive("ann@example.com", signed=True)
    plant.house.await_tag(mail, "answered")
    assert turns == [*range(turn + 1), 0, 1], "the second worker began anew"
    (reply,) = plant.house.replies()
    assert reply["status"] == "pending_send_approval"
    assert reply["thread_id"] == mail["thread_id"]


def test_an_event_that_cannot_be_queued_comes_again(build: Callable[[Answering], Plant]) -> None:
    plant = build(Answering())
    plant.redis.stop()
    mail = plant.house.receive("ann@example.com", signed=True)

    def failed() -> Any:
        answer = plant.house.server.http("admin").get("/v1/webhook-deliveries").json()
        return answer["deliveries"] and answer["deliveries"][0]["response_status"] == 500

    assert plant.house.server.services.context.commits.wait_for(lambda: failed() or None, 60)
    plant.redis.start()
    (row,) = plant.house.deliveries("delivered", 1)
    assert row["response_status"] == 202
    plant.hire(1)
    plant.house.await_tag(mail, "answered")
    assert len(plant.house.replies()) == 1
