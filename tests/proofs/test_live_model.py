"""The live server against a small model of it: whatever is asked, in whatever order.

The model is written from the documentation and knows nothing of the oversight table. After every
step each message's status, and what has left, is what the model says.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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

from multimail_server import ServerConfig, VirtualClock
from multimail_server.harness import ServerUnderTest

# Where the model and the server differ, Hypothesis takes some minutes to find the shortest way.
pytestmark = pytest.mark.timeout(900)

LADDER = ("read_only", "gated_all", "gated_send", "monitored", "autonomous")
GATED = ("gated_all", "gated_send")
TTL = timedelta(hours=72)
HOURS = st.integers(1, 100)


@dataclass(slots=True)
class Mail:
    """What the model knows of a message."""

    inbound: bool
    mode: str
    status: str
    key: str = ""
    expires: datetime | None = None
    send_at: datetime | None = None


class Model:
    """What should happen, in the words of the documentation."""

    def __init__(self, mode: str, now: datetime) -> None:
        self.mode, self.now = mode, now
        self.mails: dict[str, Mail] = {}
        self.revoked: set[str] = set()

    def send(self, mode: str | None, send_at: datetime | None, key: str) -> Mail | None:
        """A send waits for its decision where the mailbox is gated; None where it is refused."""
        if self.mode == "read_only" or (mode and LADDER.index(mode) > LADDER.index(self.mode)):
            return None
        if mode == "read_only":
            return None
        mail = Mail(False, mode or self.mode, "", key, send_at=send_at)
        if mail.mode in GATED:
            mail.status, mail.expires = "pending_send_approval", self.now + TTL
        else:
            self.let_go(mail)
        return mail

    def receive(self) -> Mail:
        """Mail for a gated_all mailbox waits for a reviewer too."""
        held = self.mode == "gated_all"
        return Mail(True, self.mode, "pending_inbound_approval" if held else "unread")

    def let_go(self, mail: Mail) -> None:
        """It leaves now or at its time, unless the key that composed it is revoked by then."""
        if mail.send_at is not None and mail.send_at > self.now:
            mail.status = "scheduled"
        else:
            mail.status = "send_failed" if mail.key in self.revoked else "sent"

    def approve(self, mail: Mail) -> bool:
        """Return whether an approval is answered with yes."""
        if mail.status == "pending_send_approval":
            self.let_go(mail)
            return True
        if mail.status == "pending_inbound_approval":
            mail.status = "unread"
            return True
        if mail.inbound:
            return mail.mode == "gated_all" and mail.status == "unread"
        return mail.mode in GATED and mail.status in ("scheduled", "sent", "send_failed")

    def reject(self, mail: Mail) -> bool:
        """Return whether a rejection is answered with yes."""
        if mail.status in ("pending_send_approval", "pending_inbound_approval"):
            mail.status = "rejected"
        return mail.status == "rejected"

    def cancel(self, mail: Mail) -> bool:
        """Return whether a cancellation is answered with yes."""
        if mail.status in ("pending_send_approval", "scheduled"):
            mail.status = "cancelled"
        return mail.status == "cancelled"

    def reschedule(self, mail: Mail, send_at: datetime) -> bool:
        """Another moment for gated mail needs another decision."""
        if mail.send_at is None or mail.status not in ("pending_send_approval", "scheduled"):
            return False
        mail.send_at = send_at
        if mail.mode in GATED:
            mail.status, mail.expires = "pending_send_approval", self.now + TTL
        return True

    def advance(self, delta: timedelta) -> None:
        """Time lets expire what was not decided, and sends what was scheduled."""
        self.now += delta
        for mail in self.mails.values():
            if mail.status == "pending_send_approval" and mail.expires <= self.now:  # type: ignore[operator]
                mail.status = "expired"
            elif mail.status == "scheduled":
                self.let_go(mail)


class LiveServer(RuleBasedStateMachine):
    """Rules ask the server over HTTP and SMTP, and the model what should come of it."""

    messages: Bundle[str] = Bundle("messages")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="multimail-proof-"))
        self.clock = VirtualClock()
        self.count = 0
        self.told: dict[str, str] = {}
        self.gone: list[str] = []

    @initialize(mode=st.sampled_from(LADDER[1:]))
    def begin(self, mode: str) -> None:
        self.model = Model(mode, self.clock.now())
        self.server = self.started(mode)
        keys = self.server.keys
        self.keys = {"agent": keys.agent, "reviewer": keys.reviewer, "admin": keys.admin}
        listed = self.ask("admin", "GET", "/v1/api-keys").json()["api_keys"]
        self.agent_id = next(key["id"] for key in listed if key["name"] == "agent")
        self.box = f"/v1/mailboxes/{self.server.mailbox.id}"

    def started(self, mode: str = "gated_send") -> ServerUnderTest:
        config = ServerConfig(
            port=0,
            smtp_port=0,
            data=self.folder / "mail.db",
            clock=self.clock,
            oversight_mode=mode,
            pending_ttl=TTL,
        )
        server = ServerUnderTest(config)
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
        hours=st.none() | HOURS,
    )
    def send(self, mode: str | None, hours: int | None) -> Any:
        body = {"to": ["a@example.com"], "subject": self.new_subject(), "markdown": "Hello"}
        return self.sent(f"{self.box}/send", body, mode, hours)

    @rule(target=messages, original=messages, hours=st.none() | HOURS)
    def reply(self, original: str, hours: int | None) -> Any:
        hidden = self.model.mails[original].status in ("pending_inbound_approval", "rejected")
        body = {"markdown": self.new_subject()}
        if self.model.mails[original].inbound and hidden:
            answer = self.ask("agent", "POST", f"{self.box}/reply/{original}", body)
            assert (answer.status_code, answer.json()["code"]) == (409, "pending_approval")
            return multiple()
        return self.sent(f"{self.box}/reply/{original}", body, None, hours)

    def sent(self, path: str, body: dict[str, Any], mode: str | None, hours: int | None) -> Any:
        send_at = None if hours is None else self.clock.now() + timedelta(hours=hours)
        if mode is not None:
            body["oversight_mode"] = mode
        if send_at is not None:
            body["send_at"] = send_at.isoformat()
        answer = self.ask("agent", "POST", path, body)
        expected = self.model.send(mode, send_at, self.agent_id)
        if expected is None:
            assert answer.status_code in (400, 403), answer.text
            return multiple()
        assert answer.status_code == 202, answer.text
        self.model.mails[answer.json()["id"]] = expected
        return answer.json()["id"]

    @rule(target=messages)
    def receive(self) -> str:
        subject = self.new_subject()
        self.server.deliver("Hello", subject=subject)
        expected = self.model.receive()
        self.model.mails[found := self.server.wait_for_message(subject)["id"]] = expected
        return str(found)

    @rule(email=messages)
    def approve(self, email: str) -> None:
        self.decide(email, "approve", self.model.approve)

    @rule(email=messages)
    def reject(self, email: str) -> None:
        self.decide(email, "reject", self.model.reject)

    def decide(self, email: str, action: str, expect: Callable[[Mail], bool]) -> None:
        body = {"email_id": email, "action": action}
        assert self.ask("agent", "POST", "/v1/oversight/decide", body).status_code == 403
        assert self.ask("admin", "POST", "/v1/oversight/decide", body).status_code == 403
        answer = self.ask("reviewer", "POST", "/v1/oversight/decide", body)
        self.agree(answer, 200 if expect(self.model.mails[email]) else 409)

    @rule(email=messages)
    def cancel(self, email: str) -> None:
        answer = self.ask("agent", "POST", f"{self.box}/emails/{email}/cancel")
        self.agree(answer, 200 if self.model.cancel(self.model.mails[email]) else 409)

    @rule(email=messages, hours=HOURS)
    def reschedule(self, email: str, hours: int) -> None:
        send_at = self.clock.now() + timedelta(hours=hours)
        path = f"{self.box}/emails/{email}/schedule"
        answer = self.ask("agent", "PATCH", path, {"send_at": send_at.isoformat()})
        mail = self.model.mails[email]
        allowed = not mail.inbound and self.model.reschedule(mail, send_at)
        self.agree(answer, 200 if allowed else 409)

    @rule(mode=st.sampled_from(LADDER[1:]))
    def change_mode(self, mode: str) -> None:
        answer = self.ask("admin", "PATCH", self.box, {"oversight_mode": mode})
        if LADDER.index(mode) > LADDER.index(self.model.mode):
            self.agree(answer, 403)
        else:
            self.agree(answer, 200)
            self.model.mode = mode

    @rule(hours=HOURS)
    def advance(self, hours: int) -> None:
        self.clock.advance(timedelta(hours=hours))
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
            self.told = {row["id"]: row["status"] for row in rows}
            self.gone = [row["id"] for row in gone]
            settled = self.told == expected and set(self.gone) == left
            return settled or None

        if not self.server.room.desk.signals.wait_for(look, 10):
            assert self.told == expected
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
