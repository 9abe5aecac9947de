"""The live server against a small model of it: whatever is asked, in whatever order.

The answer's HTTP status is what the model says, and after every step so is each message's status,
and what has left.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.proofs.model import LADDER, TTL, Mail, Model
from tests.support.server import ServerFixture

from multimail_server import ServerConfig
from multimail_server.testing import VirtualClock

# Where the model and the server differ, Hypothesis takes some minutes to find the shortest way.
pytestmark = pytest.mark.timeout(900)

HOURS = st.integers(1, 100)
SEND_AT = st.none() | st.integers(-2, 100)
_FIRST_SENDS = ((None, None), (10, "gate_first"), (50, "schedule_first"), (90, "schedule_first"))
TIMING = st.none() | st.sampled_from(("gate_first", "schedule_first"))


class LiveServer(RuleBasedStateMachine):
    """Rules ask the server over HTTP and SMTP, and the model what should come of it."""

    messages: Bundle[str] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="multimail-proof-"))
        self.clock = VirtualClock()
        self.count = 0
        self.statuses: dict[str, str] = {}
        self.gone: list[str] = []

    @initialize(target=messages, mode=st.sampled_from(LADDER[1:]))
    def begin(self, mode: str) -> Any:
        """Start with mail of every kind: few rules do anything without it."""
        self.model = Model(mode, self.clock.now())
        self.server = self.started(mode)
        keys = self.server.keys
        self.keys = {"agent": keys.agent, "reviewer": keys.reviewer, "admin": keys.admin}
        listed = self.ask("admin", "GET", "/v1/api-keys").json()["api_keys"]
        self.agent_id = next(key["id"] for key in listed if key["name"] == "agent")
        self.box = f"/v1/mailboxes/{self.server.mailbox.id}"
        sent = [self.send_new(None, hours, timing) for hours, timing in _FIRST_SENDS]
        return multiple(*sent, self.receive_new())

    def started(self, mode: str = "gated_send") -> ServerFixture:
        config = ServerConfig(
            port=0,
            smtp_port=0,
            data=self.folder / "mail.db",
            clock=self.clock,
            oversight_mode=mode,
            pending_ttl=TTL,
        )
        server = ServerFixture(config)
        server.start()
        self.client = httpx.Client(base_url=server.url, timeout=30.0)
        return server

    def ask(self, role: str, method: str, path: str, body: object = None) -> httpx.Response:
        key = self.keys.get(role, role)
        headers = {"Authorization": f"Bearer {key}"}
        return self.client.request(method, path, json=body, headers=headers)

    def new_subject(self) -> str:
        self.count += 1
        return f"Number {self.count}"

    @rule(
        target=messages,
        mode=st.none() | st.sampled_from(LADDER),
        hours=SEND_AT,
        timing=TIMING,
    )
    def send(self, mode: str | None, hours: int | None, timing: str | None) -> Any:
        return self.send_new(mode, hours, timing)

    def send_new(self, mode: str | None, hours: int | None, timing: str | None) -> Any:
        body = {"to": ["a@example.com"], "subject": self.new_subject(), "markdown": "Hello"}
        return self.sent(f"{self.box}/send", body, mode, hours, timing)

    @rule(
        target=messages,
        original=messages,
        mode=st.none() | st.sampled_from(LADDER),
        hours=SEND_AT,
        timing=TIMING,
    )
    def reply(self, original: str, mode: str | None, hours: int | None, timing: str | None) -> Any:
        hidden = self.model.mails[original].status in ("pending_inbound_approval", "rejected")
        body = {"markdown": self.new_subject()}
        if self.model.mails[original].inbound and hidden:
            answer = self.ask("agent", "POST", f"{self.box}/reply/{original}", body)
            assert (answer.status_code, answer.json()["code"]) == (409, "pending_approval")
            return multiple()
        return self.sent(f"{self.box}/reply/{original}", body, mode, hours, timing)

    def sent(
        self,
        path: str,
        body: dict[str, Any],
        mode: str | None,
        hours: int | None,
        timing: str | None,
    ) -> Any:
        send_at = None if hours is None else self.clock.now() + timedelta(hours=hours)
        if mode is not None:
            body["oversight_mode"] = mode
        if send_at is not None:
            body["send_at"] = send_at.isoformat()
        if timing is not None:
            body["gate_timing"] = timing
        answer = self.ask("agent", "POST", path, body)
        refusal = self.model.refusal(mode)
        self.agree(answer, refusal or 202)
        if refusal:
            return multiple()
        email = answer.json()["id"]
        self.model.mails[email] = self.model.send(mode, send_at, timing, self.agent_id)
        return email

    @rule(target=messages)
    def receive(self) -> str:
        return self.receive_new()

    def receive_new(self) -> str:
        subject = self.new_subject()
        self.server.deliver("Hello", subject=subject)
        expected = self.model.receive()
        email = str(self.server.wait_for_message(subject)["id"])
        self.model.mails[email] = expected
        return email

    @rule(email=messages)
    def approve(self, email: str) -> None:
        self.decide(email, "approve", self.model.approve)

    @rule(email=messages)
    def reject(self, email: str) -> None:
        self.decide(email, "reject", self.model.reject)

    def decide(self, email: str, action: str, expect: Callable[[Mail], int]) -> None:
        body = {"email_id": email, "action": action}
        if not self.model.mails[email].inbound:
            shown = self.ask("reviewer", "GET", f"{self.box}/emails/{email}").json()
            body["content_hash"] = shown["content_hash"]
        assert self.ask("agent", "POST", "/v1/oversight/decide", body).status_code == 403
        assert self.ask("admin", "POST", "/v1/oversight/decide", body).status_code == 403
        answer = self.ask("reviewer", "POST", "/v1/oversight/decide", body)
        self.agree(answer, expect(self.model.mails[email]))

    @rule(email=messages)
    def cancel(self, email: str) -> None:
        answer = self.ask("agent", "POST", f"{self.box}/emails/{email}/cancel")
        self.agree(answer, self.model.cancel(self.model.mails[email]))

    @rule(email=messages, hours=st.integers(-2, 100))
    def reschedule(self, email: str, hours: int) -> None:
        send_at = self.clock.now() + timedelta(hours=hours)
        path = f"{self.box}/emails/{email}/schedule"
        answer = self.ask("agent", "PATCH", path, {"send_at": send_at.isoformat()})
        self.agree(answer, self.model.reschedule(self.model.mails[email], send_at))

    @rule(email=messages)
    def edit(self, email: str) -> None:
        path = f"{self.box}/emails/{email}/schedule"
        answer = self.ask("agent", "PATCH", path, {"markdown": self.new_subject()})
        self.agree(answer, self.model.edit(self.model.mails[email], self.agent_id))

    @rule(mode=st.sampled_from(LADDER))
    def tighten(self, mode: str) -> None:
        answer = self.ask("admin", "PATCH", self.box, {"oversight_mode": mode})
        self.agree(answer, self.model.tighten(mode))

    @rule(timing=TIMING)
    def change_the_timing(self, timing: str | None) -> None:
        answer = self.ask("admin", "PATCH", self.box, {"default_gate_timing": timing})
        self.agree(answer, 200)
        self.model.timing = timing

    @rule(hours=HOURS)
    def jump(self, hours: int) -> None:
        """As when a server restarts after hours: everything that fell due in between is late."""
        self.clock.advance(timedelta(hours=hours))
        self.model.jump(timedelta(hours=hours))

    @rule(hours=HOURS)
    def advance(self, hours: int) -> None:
        path = "/v1/test/clock/advance"
        self.agree(self.ask("admin", "POST", path, {"seconds": hours * 3600}), 200)
        self.model.advance(timedelta(hours=hours))

    @rule()
    def revoke_the_agent_s_key(self) -> None:
        self.agree(self.ask("admin", "DELETE", f"/v1/api-keys/{self.agent_id}"), 200)
        self.model.revoked.add(self.agent_id)
        self.agree(self.ask("agent", "GET", "/v1/account"), 401)
        wish = {"name": "agent", "scopes": ["read", "send"]}
        made = self.ask("admin", "POST", "/v1/api-keys", wish).json()
        self.agent_id, self.keys["agent"] = made["id"], made["key"]

    @rule()
    def restart(self) -> None:
        self.stop()
        self.server = self.started()

    @staticmethod
    def agree(answer: httpx.Response, status: int) -> None:
        assert answer.status_code == status, f"{answer.status_code}: {answer.text}"

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        expected = {email: mail.status for email, mail in self.model.mails.items()}
        left = {email for email, status in expected.items() if status == "sent"}

        def look() -> bool | None:
            rows = self.ask("reviewer", "GET", f"{self.box}/emails?limit=100").json()["emails"]
            gone = self.ask("reviewer", "GET", "/v1/test/outbox").json()["emails"]
            self.statuses = {row["id"]: row["status"] for row in rows}
            self.gone = [row["id"] for row in gone]
            settled = self.statuses == expected and set(self.gone) == left
            return settled or None

        if not self.server.services.context.commits.wait_for(look, 60):
            assert self.statuses == expected
        assert sorted(self.gone) == sorted(left)

    def stop(self) -> None:
        self.client.close()
        self.server.stop()

    def teardown(self) -> None:
        if hasattr(self, "server"):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


LiveServer.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLiveServer = LiveServer.TestCase
