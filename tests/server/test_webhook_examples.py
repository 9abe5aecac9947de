"""The examples of webhook endpoints, run: a real server posts to them over real HTTP."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.webhook_examples import (
    Answering,
    WebhookFixture,
    environment,
    load,
    under_uvicorn,
    under_werkzeug,
    write_zone,
)
from tests.support.server import Start

from multimail_cli.demo.scripted_model import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model that answers what it is asked to answer."""
    with ScriptedModel(Answering()) as running:
        yield running


@pytest.fixture
def fixture(
    start: Start, model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> WebhookFixture:
    """A server that can check the mail of example.com."""
    server = start(dns_zone=write_zone(tmp_path))
    for name, value in environment(server, model.base_url).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SEEN_EVENTS", str(tmp_path / "seen.sqlite3"))
    monkeypatch.delenv("MULTIMAIL_MAILBOX", raising=False)
    return WebhookFixture(server)


@pytest.mark.parametrize(
    ("name", "serving"), [("webhook_fastapi", under_uvicorn), ("webhook_flask", under_werkzeug)]
)
def test_only_proven_mail_wakes_the_agent(
    name: str,
    serving: Callable[[Any], Any],
    fixture: WebhookFixture,
    model: ScriptedModel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    module = load(name)
    caplog.set_level(logging.INFO, module.log.name)
    with serving(module.app) as base_url:
        url, secret = f"{base_url}/webhooks/multimail", fixture.subscribe(base_url, "message.sent")
        monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", secret)
        unsigned = fixture.receive("ann@example.com")
        forged = fixture.receive("ceo@bank.example")
        signed = fixture.receive("ann@example.com", signed=True)
        fixture.await_tag(unsigned, "needs-human")
        reply = fixture.server.wait_for_message(direction="outbound")
        assert reply["status"] == "pending_send_approval"
        assert reply["thread_id"] == signed["thread_id"]
        rows = fixture.deliveries("delivered", 3)
        assert {row["response_status"] for row in rows} == {202}
        for row in rows:
            replay = f"/v1/webhook-deliveries/{row['id']}/replay"
            fixture.server.admin.post(replay).raise_for_status()
        assert {row["response_status"] for row in fixture.deliveries("delivered", 3)} == {200}
        assert httpx.post(url, content=b"{}").status_code == 400
        forged_headers = {"X-MultiMail-Signature": "0" * 64}
        assert httpx.post(url, content=b"{}", headers=forged_headers).status_code == 400
    messages = [record.getMessage() for record in caplog.records if record.name == module.log.name]
    assert sorted(messages) == sorted(
        [
            f"{unsigned['id']}: hold (sender_unauthenticated)",
            f"{forged['id']}: refuse (sender_failed)",
            f"{signed['id']}: allow (allowed)",
        ]
    )
    assert [reply["id"] for reply in fixture.replies()] == [reply["id"]]
    assert model.errors == []


class Failure(logging.Handler):
    """Notes that an example logged an error."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.raised = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.raised.set()


@pytest.mark.parametrize(
    ("name", "serving"), [("webhook_fastapi", under_uvicorn), ("webhook_flask", under_werkzeug)]
)
def test_what_could_not_be_handled_can_be_replayed(
    name: str,
    serving: Callable[[Any], Any],
    fixture: WebhookFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = load(name)
    module.log.addHandler(failed := Failure(logging.ERROR))
    with serving(module.app) as base_url:
        monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", fixture.subscribe(base_url))
        monkeypatch.setenv("MULTIMAIL_API_KEY", "mm_test_revoked")
        fixture.receive("ann@example.com", signed=True)
        (row,) = fixture.deliveries("delivered", 1)
        assert failed.raised.wait(30)
        monkeypatch.setenv("MULTIMAIL_API_KEY", fixture.server.keys.agent)
        replay = f"/v1/webhook-deliveries/{row['id']}/replay"
        fixture.server.admin.post(replay).raise_for_status()
        fixture.server.wait_for_message(direction="outbound")
