"""The bridge of docs/proofs.md: a live server does what the model says, and no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import httpx
import pytest

from multimail_server import ServerConfig
from multimail_server.oversight import Direction, Event, Mode, State, Transition, transition
from multimail_server.testing import VirtualClock
from multimail_server.testing.server import ServerUnderTest
from proofs import tables

_TTL = timedelta(hours=1)
_TABLES = {table.name: table.value for table in tables.list_tables()}
_SENT = [Event.DUE, Event.DELIVERED]


@dataclass
class Twin:
    """A message of the model: its state, and whether it left and with an approval."""

    state: State = State.PENDING_SCAN
    content: int = 0
    has_left: bool = False

    def fire(self, event: Event) -> bool:
        """Apply an event as `Change` does; return whether the table lets it happen."""
        if not _TABLES["fires"](Mode.GATED_SEND, self.state, event):
            return False
        self.state = _TABLES["next"](Mode.GATED_SEND, self.state, event)
        return True

    def work(self) -> None:
        """Do what the server does by itself at once: the test outbox accepts every message."""
        if _TABLES["isSending"](self.state):
            self.has_left = True
            for event in _SENT:
                self.fire(event)


class Live:
    """A message of a live server and its twin, which the same operations reach."""

    def __init__(self, server: ServerUnderTest, keys: dict[str, httpx.Client], box: str) -> None:
        self.server, self.keys, self.box = server, keys, box
        self.twin = Twin()
        body = {"to": ["ann@example.com"], "subject": "s", "markdown": "Text 0"}
        sent = keys["agent"].post(f"/v1/mailboxes/{box}/send", json=body).json()
        self.email = sent["id"]
        self.first_hash = self._get_hash()
        self.twin.fire(Event.SCANNED)

    def edit(self) -> None:
        self.twin.content += self.twin.fire(Event.EDITED)
        body = {"markdown": f"Text {self.twin.content}"}
        self.keys["agent"].post(f"/v1/mailboxes/{self.box}/emails/{self.email}/revise", json=body)

    def approve(self) -> None:
        self._decide("reviewer", "approve", self._get_hash())
        self.twin.fire(Event.APPROVED)

    def reject(self) -> None:
        self._decide("reviewer", "reject", self._get_hash())
        self.twin.fire(Event.REJECTED)

    def approve_what_was(self) -> None:
        """With the hash of the first content: a decision on what is no longer there is none."""
        self._decide("reviewer", "approve", self.first_hash)
        if self.twin.content == 0:
            self.twin.fire(Event.APPROVED)

    def approve_as_sender(self) -> None:
        assert not _TABLES["approver"]((True, True, False, False))
        assert self._decide("agent", "approve", self._get_hash()) == 403

    def approve_as_admin(self) -> None:
        assert not _TABLES["approver"]((False, False, False, True))
        assert self._decide("admin", "approve", self._get_hash()) == 403

    def cancel(self) -> None:
        self.keys["agent"].post(f"/v1/mailboxes/{self.box}/emails/{self.email}/cancel")
        self.twin.fire(Event.CANCELLED)

    def cancel_as_another_mailbox(self) -> None:
        path = f"/v1/mailboxes/{self.box}/emails/{self.email}"
        assert self.keys["bound"].post(f"{path}/cancel").status_code == 404
        assert self.keys["bound"].get(path).status_code == 404

    def expire(self) -> None:
        self.server.advance(_TTL.total_seconds())
        self.twin.fire(Event.EXPIRED)

    def check(self) -> None:
        self.twin.work()
        row = self._get()
        assert row["status"] == self.twin.state.wire
        left = [mail for mail in self.server.outbox() if mail["id"] == self.email]
        assert len(left) == self.twin.has_left
        assert all(f"Text {self.twin.content}" in mail["raw"] for mail in left)

    def _decide(self, key: str, action: str, content_hash: str) -> int:
        body = {"email_id": self.email, "action": action, "content_hash": content_hash}
        return self.keys[key].post("/v1/oversight/decide", json=body).status_code

    def _get(self) -> dict[str, str]:
        path = f"/v1/mailboxes/{self.box}/emails/{self.email}"
        return dict(self.keys["reviewer"].get(path).json())

    def _get_hash(self) -> str:
        return self._get()["content_hash"]


_OPERATIONS: tuple[Callable[[Live], None], ...] = (
    Live.edit, Live.approve, Live.reject, Live.approve_what_was, Live.approve_as_sender,
    Live.approve_as_admin, Live.cancel, Live.cancel_as_another_mailbox, Live.expire,
)  # fmt: skip


@pytest.fixture(scope="module")
def new_live() -> Iterator[Callable[[], Live]]:
    """Return messages of one server, each new."""
    config = ServerConfig(port=0, smtp_port=0, clock=VirtualClock(), pending_ttl=_TTL)
    with ServerUnderTest(config) as server:
        keys = {name: server.http(name) for name in ("agent", "reviewer", "admin")}
        other = keys["admin"].post("/v1/mailboxes", json={"address_local": "other"}).json()
        body = {"name": "bound", "scopes": ["read", "send"], "mailbox_id": other["id"]}
        keys["bound"] = server.http(keys["admin"].post("/v1/api-keys", json=body).json()["key"])
        yield lambda: Live(server, keys, server.mailbox.id)
        for client in keys.values():
            client.close()


def test_every_short_sequence_does_what_the_model_says(new_live: Callable[[], Live]) -> None:
    for operations in product(_OPERATIONS, repeat=2):
        live = new_live()
        for operation in operations:
            operation(live)
            live.check()


def test_long_sequences_do_what_the_model_says(new_live: Callable[[], Live]) -> None:
    choose = random.Random(20261201)
    for _ in range(25):
        live = new_live()
        for operation in choose.choices(_OPERATIONS, k=8):
            operation(live)
            live.check()


def test_the_tables_are_what_the_server_executes() -> None:
    for mode, state, event in product(Mode, State, Event):
        result = transition(Direction.OUTBOUND, mode, state, event)
        assert _TABLES["fires"](mode, state, event) == isinstance(result, Transition)
        if isinstance(result, Transition):
            assert _TABLES["next"](mode, state, event) is result.state


def test_a_route_that_is_new_has_to_be_in_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    route = tables.API_ROUTES[0]
    changed = type(route)("POST", "/v1/release-everything", route.handler, route.responses)
    monkeypatch.setattr(tables, "API_ROUTES", (*tables.API_ROUTES, changed))
    with pytest.raises(tables.StaleModelError, match="release-everything"):
        tables.check_routes()
