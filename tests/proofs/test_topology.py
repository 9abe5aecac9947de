"""What `deploy/compose.yaml` describes, as processes of this machine with the same files.

Postfix, HAProxy, two servers, PostgreSQL, Redis and a Celery worker.
"""

from __future__ import annotations

import smtplib
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.pages import Person
from tests.server.webhook_examples import (
    Answering,
    Worker,
    build_message,
    load,
    under_uvicorn,
    write_zone,
)
from tests.support.engines import require_program, running_haproxy, running_postfix
from tests.support.postgres import Cluster, free_port
from tests.support.redis_server import RedisServer
from tests.support.server import accepted
from tests.support.server_launcher import ServerLauncher
from tests.support.smtp_sink import SmtpSink

from multimail import MultiMail
from multimail.webhooks import OversightPending
from multimail_cli.demo.scripted_model import ScriptedModel

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="fork is POSIX"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True, slots=True)
class Topology:
    """The addresses of all of it, and the banner of the server that started first."""

    url: str
    postfix: int
    banner: dict[str, Any]
    sink: SmtpSink

    def http(self, role: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.banner['keys'][role]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0)

    def deliver(self, sender: str, recipient: str, raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.postfix, timeout=60) as smtp:
            smtp.sendmail(sender, [recipient], raw)


@pytest.fixture
def topology(
    tmp_path: Path, postgres: Cluster, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Topology]:
    for program in ("haproxy", "postfix"):
        require_program(program)
    http, smtp, receives, submits = (free_port() for _ in range(4))
    url = f"http://127.0.0.1:{http}"
    with ExitStack() as stack:
        sink = stack.enter_context(SmtpSink())
        options = ("--database", database_url, "--relay", f"smtp://127.0.0.1:{submits}", "--live")
        more = ("--public-url", url, "--trusted-proxies", "127.0.0.1", "--domain", "agents.test")
        web = ("--webhook-networks", "127.0.0.1", "--dns-zone", str(write_zone(tmp_path)))
        servers = []
        for name in ("first", "second"):
            launcher = stack.enter_context(ServerLauncher(tmp_path / f"{name}.log"))
            servers.append(stack.enter_context(launcher.serve(*options, *more, *web)))
        first, second = (server.banner for server in servers)
        addresses = {
            "BALANCER_HTTP": f"127.0.0.1:{http}",
            "BALANCER_SMTP": f"127.0.0.1:{smtp}",
            "FIRST_HTTP": first["url"].removeprefix("http://"),
            "SECOND_HTTP": second["url"].removeprefix("http://"),
            "FIRST_SMTP": first["smtp"],
            "SECOND_SMTP": second["smtp"],
        }
        stack.enter_context(running_haproxy(**addresses))
        settings = {
            "multimail_domains": "agents.test",
            "multimail_smtp": f"[127.0.0.1]:{smtp}",
            "multimail_networks": "127.0.0.0/8",
            "relayhost": f"[127.0.0.1]:{sink.url.rpartition(':')[2]}",
        }
        stack.enter_context(running_postfix(receives, submits, **settings))
        topology = Topology(url, receives, first, sink)
        _start_agent(stack, topology, tmp_path, monkeypatch)
        yield topology
    for name in ("first", "second"):
        assert (tmp_path / f"{name}.log").read_text() == ""


def _start_agent(
    stack: ExitStack, topology: Topology, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = stack.enter_context(ScriptedModel(Answering()))
    redis = stack.enter_context(RedisServer(folder))
    variables = {
        "MULTIMAIL_API_URL": topology.url,
        "MULTIMAIL_API_KEY": topology.banner["keys"]["agent"],
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": model.base_url,
        "LANGSMITH_TRACING": "false",
        "REDIS_URL": redis.url,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    endpoint = stack.enter_context(under_uvicorn(load("webhook_celery").app))
    with topology.http("admin") as admin:
        body = {"url": f"{endpoint}/webhooks/multimail", "events": ["email.received"]}
        webhook = accepted(admin.post("/v1/webhooks", json=body), 201)
    monkeypatch.setenv("MULTIMAIL_WEBHOOK_SECRET", webhook["signing_secret"])
    worker = Worker()
    stack.callback(worker.kill)
    worker.await_ready()


def test_mail_comes_in_by_postfix_and_its_answer_leaves_by_it_once(topology: Topology) -> None:
    _assert_strangers_are_refused(topology)
    box = topology.banner["mailbox"]
    raw = build_message("Delivery", "ann@example.com", box["address"], signed=True)
    topology.deliver("ann@example.com", box["address"], raw)

    key = topology.banner["keys"]["reviewer"]
    with MultiMail(key, base_url=topology.url) as reviewer:
        held = reviewer.listen(types=["oversight.pending"], after="oldest")
        reply = next(event for event in held if isinstance(event, OversightPending))
    person = Person(topology)
    signed_in = person.sign_in(key)
    assert signed_in.status_code == 303
    # Requests go to the servers in turn, and the page has two: its form and the decision.
    while person.get("/").headers["x-served-by"] == signed_in.headers["x-served-by"]:
        pass
    decided = person.decide(reply.message_id, "approve")
    assert decided.status_code == 303
    assert decided.headers["x-served-by"] != signed_in.headers["x-served-by"]

    sent = topology.sink.next()
    assert sent.recipients == ["ann@example.com"]
    assert sent.parsed["In-Reply-To"] == "<delivery@example.com>"
    assert "Postfix" in str(sent.parsed["Received"])
    assert len(topology.sink.messages) == 1


def _assert_strangers_are_refused(topology: Topology) -> None:
    """Postfix asks a server for the mailbox, and relays for the servers alone."""
    for recipient, code in (("nobody@agents.test", 550), ("ann@example.com", 554)):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            topology.deliver("eve@example.com", recipient, b"Subject: x\r\n\r\nHello.\r\n")
        assert refused.value.recipients[recipient][0] == code
