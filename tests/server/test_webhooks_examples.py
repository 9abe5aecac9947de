"""The examples of webhook endpoints, run: a real server posts to them over real HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.webhook_apps import (
    Answering,
    House,
    environment,
    load,
    under_uvicorn,
    under_werkzeug,
    zone_in,
)

from multimail_cli.demo.scripted_model import ScriptedModel
from multimail_server.testing.server import ServerUnderTest

Start = Callable[..., ServerUnderTest]


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model that answers what it is asked to answer."""
    with ScriptedModel(Answering()) as running:
        yield running


@pytest.fixture
def house(
    start: Start, model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> House:
    """A server that can check the mail of example.com."""
    server = start(dns_zone=zone_in(tmp_path))
    for name, value in environment(server, model.base_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEEN_EVENTS", str(tmp_path / "seen.sqlite3"))
    monkeypatch.delenv("MULTIMAIL_MAILBOX", raising=False)
    return House(server)


@pytest.mark.parametrize(
    ("name", "serving"), [("webhook_fastapi", under_uvicorn), ("webhook_flask", under_werkzeug)]
)
def test_only_proven_mail_wakes_the_agent(
    name: str,
    serving: Callable[[Any], Any],
    house: House,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = load(name)
    caplog.set_level(logging.INFO, module.log.name)
    with serving(module.app) as base_url:
        url, secret = f"{base_url}/webhooks/multimail", house.subscribe(base_url, "message.sent")
        monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", secret)
        unsigned = house.receive("ann@example.com")
        forged = house.receive("ceo@bank.example")
        signed = house.receive("ann@example.com", signed=True)
        house.await_tag(unsigned, "needs-human")
        reply = house.server.wait_for_message(direction="outbound", timeout=60)
        assert reply["status"] == "pending_send_approval"
        assert reply["thread_id"] == signed["thread_id"]
        rows = house.deliveries("delivered", 3)
        assert {row["response_status"] for row in rows} == {202}
        for row in rows:
            replay = f"/v1/webhook-deliveries/{row['id']}/replay"
            house.server.http("admin").post(replay).raise_for_status()
        assert {row["response_status"] for row in house.deliveries("delivered", 3)} == {200}
        assert httpx.post(url, content=b"{}").status_code == 400
        forged_headers = {"X-MultiMail-Signature": "0" * 64}
        assert httpx.post(url, content=b"{}", headers=forged_headers).status_code == 400
    said = [record.getMessage() for record in caplog.records if record.name == module.log.name]
    assert sorted(said) == sorted(
        [
            f"{unsigned['id']}: hold (sender_unauthenticated)",
            f"{forged['id']}: refuse (sender_failed)",
            f"{signed['id']}: allow (allowed)",
        ]
    )
    assert [reply["id"] for reply in house.replies()] == [reply["id"]]
    assert model.errors == []


class Failure(logging.Handler):
    """Hears that an example could not handle something."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.told = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.told.set()


@pytest.mark.parametrize(
    ("name", "serving"), [("webhook_fastapi", under_uvicorn), ("webhook_flask", under_werkzeug)]
)
def test_what_could_not_be_handled_can_be_replayed(
    name: str,
    serving: Callable[[Any], Any],
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load(name)
    module.log.addHandler(failed := Failure(logging.ERROR))
    with serving(module.app) as base_url:
        monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", house.subscribe(base_url))
        monkeypatch.setenv("MULTIMAIL_API_KEY", "mm_test_revoked")
        house.receive("ann@example.com", signed=True)
        (row,) = house.deliveries("delivered", 1)
        assert failed.told.wait(30)
        monkeypatch.setenv("MULTIMAIL_API_KEY", house.server.keys.agent)
        replay = f"/v1/webhook-deliveries/{row['id']}/replay"
        house.server.http("admin").post(replay).raise_for_status()
        house.server.wait_for_message(direction="outbound", timeout=60)
