"""The examples of webhook endpoints, ready to run: how they are served, what mail they take."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from tests.support.server import Json, ServerFixture

from multimail_cli.demo.scripted_model import Conversation, Turn, call, say
from multimail_server.mail.signing import generate_key, sign_dkim, zone_lines

EXAMPLES = Path(__file__).parents[2] / "examples"
_SIGNING = generate_key()
_NUMBERS = itertools.count(1)


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
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def under_werkzeug(app: Any) -> Iterator[str]:
    """Serve a WSGI app; yield its base URL."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def write_zone(folder: Path) -> Path:
    """Write a zone: example.com signs its mail, bank.example disowns what is not signed."""
    zone = folder / "zone"
    records = [
        ("s1._domainkey.example.com", _SIGNING[1]),
        ("_dmarc.bank.example", "v=DMARC1; p=reject"),
    ]
    zone.write_text(zone_lines(records), "utf-8")
    return zone


@dataclass(frozen=True)
class WebhookFixture:
    """A server whose events are posted to an example."""

    server: ServerFixture

    def subscribe(self, base_url: str, *events: str) -> str:
        """Have events posted to an example; return the signing secret."""
        body = {"url": f"{base_url}/webhooks/multimail", "events": ["email.received", *events]}
        answer = self.server.http("admin").post("/v1/webhooks", json=body).raise_for_status()
        return str(answer.json()["signing_secret"])

    def receive(self, sender: str, *, signed: bool = False) -> Json:
        """Receive a mail by SMTP; return it as a reviewer sees it."""
        subject = f"Mail {next(_NUMBERS)}"
        raw = build_message(subject, sender, self.server.mailbox.address, signed=signed)
        self.server.deliver(raw, sender=sender)
        return self.server.wait_for_message(subject)

    def deliveries(self, status: str, count: int) -> list[Json]:
        """Return the deliveries of a status as soon as there are so many."""
        admin = self.server.http("admin")

        def look() -> list[Json] | None:
            answer = admin.get("/v1/webhook-deliveries", params={"status": status})
            rows: list[Json] = answer.json()["deliveries"]
            return rows if len(rows) == count else None

        return self.server.wait_until(look)

    def await_tag(self, mail: Json, value: str) -> None:
        """Wait until the example has tagged a mail with its result."""

        def is_tagged(row: Json) -> bool:
            return bool(row["id"] == mail["id"] and row["tags"].get("agent") == value)

        self.server.wait_for_message(is_tagged, timeout=120)

    def replies(self) -> list[Json]:
        """Return what the agents wrote."""
        with self.server.http("reviewer") as reviewer:
            path = f"/v1/mailboxes/{self.server.mailbox.id}/emails"
            answer = reviewer.get(path, params={"direction": "outbound"}).raise_for_status()
            rows: list[Json] = answer.json()["emails"]
            return rows


def build_message(subject: str, sender: str, recipient: str, *, signed: bool) -> bytes:
    """Return a mail, with the signature of example.com if asked for."""
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Message-ID"] = f"<{subject.lower().replace(' ', '-')}@example.com>"
    message.set_content("Are you there?")
    raw = message.as_bytes()
    if not signed:
        return raw
    return sign_dkim(raw, domain="example.com", selector="s1", private_key_pem=_SIGNING[0])


def environment(server: ServerFixture, model: str) -> dict[str, str]:
    """Return what an example reads from its environment; nothing of it calls home."""
    return {
        "MULTIMAIL_API_URL": server.url,
        "MULTIMAIL_API_KEY": server.keys.agent,
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model,
        "AGNO_TELEMETRY": "false",
        "LANGSMITH_TRACING": "false",
    }


class Answering:
    """A model that answers the mail it is asked to, in other words each time.

    Args:
        at_turn: Called before each turn with its number in the conversation.
    """

    def __init__(self, at_turn: Callable[[int], None] = lambda turn: None) -> None:
        self._at_turn = at_turn
        self._begun = 0

    def __call__(self, conversation: Conversation) -> Turn:
        self._at_turn(conversation.turns)
        if conversation.turns:
            return say("Answered.")
        self._begun += 1
        match = re.search(r"msg_\w+", conversation.last_user_text)
        assert match is not None
        return call("reply_email", email_id=match[0], body=f"We are on it ({self._begun}).")


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
        self._output: list[str] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        """Its output so far."""
        return "".join(self._output)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._output.append(line)
            if " ready." in line:
                self._ready.set()
        self._ready.set()

    def await_ready(self) -> None:
        """Wait until it takes jobs."""
        assert self._ready.wait(300)
        assert self._process.poll() is None, self.output

    def kill(self) -> None:
        """End it, and the process in which it runs jobs, by SIGKILL."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
