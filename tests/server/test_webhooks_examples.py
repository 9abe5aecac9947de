"""The examples of webhook endpoints, run: a real server posts to them over real HTTP."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from multimail_server.harness import ServerUnderTest
from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

Start = Callable[..., ServerUnderTest]
EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name: str) -> ModuleType:
    """Run an example as a module, skipped where its framework is not installed."""
    pytest.importorskip(name.removeprefix("webhook_"), reason="it is in the extra `dev`")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def under_uvicorn(app: Any) -> Iterator[str]:
    """Serve an ASGI app; yield its base URL."""
    import uvicorn

    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            ready.set()

    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert ready.wait(20)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@contextmanager
def under_werkzeug(app: Any) -> Iterator[str]:
    """Serve a WSGI app; yield its base URL."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def letter(subject: str, recipient: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "ann@example.com", recipient, subject
    message["Message-ID"] = f"<{subject.lower()}@example.com>"
    message.set_content("Are you there?")
    return message.as_bytes()


@pytest.fixture
def house(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ServerUnderTest, Callable[[bytes], bytes]]:
    """A server that can check the mail of example.com, and what signs that mail."""
    private, record = generate_key()
    zone = tmp_path / "zone"
    zone.write_text(zone_lines([("s1._domainkey.example.com", record)]), "utf-8")
    server = start(dns_zone=zone)
    monkeypatch.setenv("MULTIMAIL_API_URL", server.url)
    monkeypatch.setenv("MULTIMAIL_API_KEY", server.keys.agent)
    monkeypatch.delenv("MULTIMAIL_MAILBOX", raising=False)

    def sign(raw: bytes) -> bytes:
        return sign_dkim(raw, domain="example.com", selector="s1", private_key_pem=private)

    return server, sign


@pytest.mark.parametrize(
    ("name", "serving"), [("webhook_fastapi", under_uvicorn), ("webhook_flask", under_werkzeug)]
)
def test_an_agent_is_woken_for_mail_that_is_vouched_for(
    name: str,
    serving: Callable[[Any], Any],
    house: tuple[ServerUnderTest, Callable[[bytes], bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server, sign = house
    module = load(name)
    with serving(module.app) as base_url:
        url, admin = f"{base_url}/webhooks/multimail", server.http("admin")
        body = {"url": url, "events": ["email.received", "oversight.pending"]}
        secret = admin.post("/v1/webhooks", json=body).json()["signing_secret"]
        monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", secret)
        server.deliver(sign(letter("Signed", server.mailbox.address)), sender="ann@example.com")
        server.deliver(letter("Unsigned", server.mailbox.address), sender="ann@example.com")
        mail = {"to": ["a@example.com"], "subject": "Held", "markdown": "m"}
        path = f"/v1/mailboxes/{server.mailbox.id}/send"
        server.http("agent").post(path, json=mail).raise_for_status()

        def all_delivered() -> list[dict[str, Any]] | None:
            query = {"status": "delivered"}
            rows = admin.get("/v1/webhook-deliveries", params=query).json()["deliveries"]
            return rows if len(rows) == 3 else None

        rows = server.room.desk.signals.wait_for(all_delivered, 20)
        assert rows is not None, admin.get("/v1/webhook-deliveries").text
        assert {row["response_status"] for row in rows} == {204}
        replay = f"/v1/webhook-deliveries/{rows[-1]['id']}/replay"
        admin.post(replay).raise_for_status()
        assert server.room.desk.signals.wait_for(all_delivered, 20)
        assert httpx.post(url, content=b"{}").status_code == 400
        forged = {"X-MultiMail-Signature": "0" * 64}
        assert httpx.post(url, content=b"{}", headers=forged).status_code == 400
    said = capsys.readouterr().out
    signed, unsigned = (server.wait_for_message(one)["id"] for one in ("Signed", "Unsigned"))
    assert f"{signed}: here an agent would answer ann@example.com" in said
    assert f"{unsigned}: hold, " in said
    assert said.count(signed) == 1
