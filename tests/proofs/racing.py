"""A race: a server, its clients, and two calls that meet at the door of its store."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Literal

import httpx
from tests.proofs.meeting import MeetingServer, Who
from tests.server.pages import Person

from multimail_server.testing import VirtualClock

Order = Literal["first", "second", "together", "together, second first"]
ORDERS: tuple[Order, ...] = ("first", "second", "together", "together, second first")
Call = Callable[[], Any]


class Race:
    """A server, its clients, and two calls that meet at the door of its store."""

    def __init__(self, server: MeetingServer, clock: VirtualClock, order: Order) -> None:
        self.server, self.clock, self._order = server, clock, order
        self.agent, self.reviewer, self.admin = map(server.http, ("agent", "reviewer", "admin"))
        self.box = f"/v1/mailboxes/{server.mailbox.id}"
        self.person = Person(server)
        self._pool = ThreadPoolExecutor(4)

    def send(self, **more: Any) -> httpx.Response:
        """Send a message."""
        body = {"to": ["a@example.com"], "subject": "Race", "markdown": "Hello", **more}
        return self.agent.post(f"{self.box}/send", json=body)

    def decide(self, email_id: str, action: str, by: httpx.Client | None = None) -> httpx.Response:
        """Approve or reject."""
        body = {"email_id": email_id, "action": action}
        return (by or self.reviewer).post("/v1/oversight/decide", json=body)

    def cancel(self, email_id: str) -> httpx.Response:
        """Withdraw a message."""
        return self.agent.post(f"{self.box}/emails/{email_id}/cancel")

    def reschedule(self, email_id: str, hours: int) -> httpx.Response:
        """Give a message another moment."""
        body = {"send_at": self.hours_ahead(hours)}
        return self.agent.patch(f"{self.box}/emails/{email_id}/schedule", json=body)

    def hours_ahead(self, hours: int) -> str:
        """Return a moment as the wire writes it."""
        return (self.clock.now() + timedelta(hours=hours)).isoformat()

    def edit_of(self, email_id: str) -> Call:
        """Return what saves another subject: a reviewer has opened the form on the page."""
        path = f"/review/{email_id}/edit"
        self.person.sign_in(self.server.keys.reviewer)
        form = {**self.person.form(path, path), "subject": "Better"}
        return lambda: self.person.post(path, form)

    def key(self, *scopes: str) -> tuple[str, httpx.Client]:
        """Make a key; return its id and a client that uses it."""
        made = self.admin.post("/v1/api-keys", json={"name": "more", "scopes": list(scopes)}).json()
        return made["id"], self.server.http(made["key"])

    def id_of(self, name: str) -> str:
        """Return the id of one of the first keys."""
        keys = self.admin.get("/v1/api-keys").json()["api_keys"]
        return next(str(key["id"]) for key in keys if key["name"] == name)

    def run(self, first: tuple[Who, Call], second: tuple[Who, Call]) -> list[Any]:
        """Let both meet at the door, then in, in this test's order; return what they returned.

        A call that is not a request of its own (the clock's tick) may return at once.
        """
        results: list[Future[Any]] = []
        for who, call in (first, second):
            self.server.door.hold(who)
            results.append(self._pool.submit(call))
            self.server.door.await_guests(len(results))
        self._release()
        return [result.result(30) for result in results]

    def against_the_outbox(self, start: Call, second: Call) -> list[Any]:
        """Let `second` meet what `start` gives the outbox to do; `start` itself is not held."""
        self.server.door.hold(Who.OUTBOX)
        started = start()
        self.server.door.await_guests(1)
        self.server.door.hold(Who.REQUESTS)
        result = self._pool.submit(second)
        self.server.door.await_guests(2)
        self._release()
        return [started, result.result(30)]

    def _release(self) -> None:
        numbers = (1, 0) if "second" in self._order else (0, 1)
        if self._order.startswith("together"):
            self.server.door.release_together(*numbers)
        else:
            self.server.door.release_in_order(*numbers)

    def actions(self, *wanted: str) -> list[dict[str, Any]]:
        """Return the audit log's lines of these actions, oldest first."""
        entries = self.admin.get("/v1/audit-log").json()["entries"]
        return [entry for entry in reversed(entries) if entry["action"] in wanted]

    def words(self, *wanted: str) -> list[str]:
        """Return these actions in the order in which they were committed."""
        return [entry["action"] for entry in self.actions(*wanted)]

    def at_rest(self, email_id: str) -> str:
        """Return a message's status once it is not on its way any more."""
        found = self.server.wait_for_message(
            lambda mail: mail["id"] == email_id and mail["status"] != "sending",
            direction="outbound",
        )
        return str(found["status"])

    def close(self) -> None:
        """Let go of the clients."""
        self._pool.shutdown()
        for client in (self.agent, self.reviewer, self.admin, self.person.client):
            client.close()


DECISIONS = ("oversight.approve", "oversight.reject", "email.cancel", "email.expire")


def codes(answers: list[Any]) -> list[int]:
    """Return the statuses of answers, sorted."""
    return sorted(answer.status_code for answer in answers)
