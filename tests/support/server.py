"""A server under test with the requests that most tests make, each in one line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import httpx

from multimail_server import SystemClock
from multimail_server.store.protocol import Reader
from multimail_server.testing.server import ServerUnderTest

Json = dict[str, Any]
T = TypeVar("T")
TIMEOUT = 60.0
"""Seconds until something that has not happened is given up: enough for a busy machine."""


class BrokenClock(SystemClock):
    """A clock that raises an unexpected error while `broken` is true."""

    broken = False

    def now(self) -> datetime:
        if self.broken:
            raise RuntimeError("the clock fell down")
        return super().now()


class ServerFixture(ServerUnderTest):
    """A server under test, its clients, and requests about its first mailbox.

    Attributes:
        agent, reviewer, admin: Clients with the first keys, closed when the server stops.
    """

    @cached_property
    def agent(self) -> httpx.Client:
        return self.http("agent")

    @cached_property
    def reviewer(self) -> httpx.Client:
        return self.http("reviewer")

    @cached_property
    def admin(self) -> httpx.Client:
        return self.http("admin")

    @property
    def box(self) -> str:
        """The path of the first mailbox."""
        return f"/v1/mailboxes/{self.mailbox.id}"

    def stop(self) -> None:
        """Close the clients and stop the server."""
        for role in ("agent", "reviewer", "admin"):
            client: httpx.Client | None = self.__dict__.pop(role, None)
            if client is not None:
                client.close()
        super().stop()

    def send(self, *to: str, by: httpx.Client | None = None, **fields: Any) -> httpx.Response:
        """Ask for a send with the agent's key, or another's."""
        mail = {"to": list(to) or ["ann@other.test"], "subject": "Offer", "markdown": "Hello"}
        return (by or self.agent).post(f"{self.box}/send", json={**mail, **fields})

    def sent(self, *to: str, by: httpx.Client | None = None, **fields: Any) -> Json:
        """Send, and return the answer of the accepted send."""
        return accepted(self.send(*to, by=by, **fields), 202)

    def reply(self, email_id: str, markdown: str = "Hello", **fields: Any) -> httpx.Response:
        """Ask for a reply with the agent's key."""
        return self.agent.post(
            f"{self.box}/reply/{email_id}", json={"markdown": markdown, **fields}
        )

    def decide(
        self, email_id: str, action: str = "approve", by: httpx.Client | None = None, **fields: Any
    ) -> httpx.Response:
        """Approve or reject with the reviewer's key, or another's."""
        body = {"email_id": email_id, "action": action, **fields}
        return (by or self.reviewer).post("/v1/oversight/decide", json=body)

    def cancel(self, email_id: str) -> httpx.Response:
        """Ask for a cancellation with the agent's key."""
        return self.agent.post(f"{self.box}/emails/{email_id}/cancel")

    def reschedule(
        self, email_id: str, by: httpx.Client | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask for another time or content of a scheduled send."""
        return (by or self.agent).patch(f"{self.box}/emails/{email_id}/schedule", json=fields)

    def configure(self, by: httpx.Client | None = None, **changes: Any) -> httpx.Response:
        """Ask for other settings of the first mailbox with the admin's key, or another's."""
        return (by or self.admin).patch(self.box, json=changes)

    def receive(self, mail: str | bytes = "Hello.", *, subject: str = "Hello", **more: Any) -> Json:
        """Deliver mail by SMTP and return it as a reviewer sees it."""
        self.deliver(mail, subject=subject, **more)
        return self.wait_for_message(subject)

    def email(self, email_id: str) -> Json:
        """Return a message as a reviewer sees it."""
        return accepted(self.reviewer.get(f"{self.box}/emails/{email_id}"))

    def emails(self, by: httpx.Client | None = None, **query: Any) -> list[Json]:
        """Return the first mailbox's messages with the agent's key, or another's."""
        rows: list[Json] = accepted((by or self.agent).get(f"{self.box}/emails", params=query))[
            "emails"
        ]
        return rows

    def status(self, email_id: str) -> str:
        """Return a message's status."""
        return str(self.email(email_id)["status"])

    def raw(self, email_id: str) -> bytes:
        """Return a message's bytes, as the agent gets them."""
        return self.agent.get(f"{self.box}/emails/{email_id}/raw").content

    def wait_for_status(self, email_id: str, *statuses: str) -> Json:
        """Return an outbound message as soon as it has one of these statuses."""
        return self.wait_for_message(
            lambda row: row["id"] == email_id and row["status"] in statuses,
            direction="outbound",
        )

    def pending(self) -> list[Json]:
        """Return what waits for a decision."""
        rows: list[Json] = self.reviewer.get("/v1/oversight/pending").json()["pending"]
        return rows

    def audit(self, *actions: str, email_id: str | None = None) -> list[Json]:
        """Return lines of the audit log, newest first: all, or those of actions and a message."""
        entries = self.admin.get("/v1/audit-log", params={"limit": 100}).json()["entries"]
        return [
            entry
            for entry in entries
            if (not actions or entry["action"] in actions)
            and email_id in (None, entry["resource_id"])
        ]

    def create_key(self, *scopes: str, by: httpx.Client | None = None, **fields: Any) -> Json:
        """Create an API key and return it, with the raw key at `key`."""
        body = {"name": "more", "scopes": list(scopes), **fields}
        return accepted((by or self.admin).post("/v1/api-keys", json=body), 201)

    def key_id(self, name: str) -> str:
        """Return the id of a key by its name, such as `agent`."""
        rows = self.admin.get("/v1/api-keys").json()["api_keys"]
        return next(str(row["id"]) for row in rows if row["name"] == name)

    def create_mailbox(self, address: str, **fields: Any) -> Json:
        """Create a mailbox and return it."""
        return accepted(self.admin.post("/v1/mailboxes", json={"address": address, **fields}), 201)

    def read(self, work: Callable[[Reader], T]) -> T:
        """Read from the server's store."""
        return self.services.context.store.read(work)

    def wait_until(self, look: Callable[[], T | None]) -> T:
        """Return what `look` finds as soon as a commit makes it find something.

        Raises:
            AssertionError: It found nothing within a minute.
        """
        result = self.services.context.commits.wait_for(lambda: look() or None, TIMEOUT)
        assert result is not None, "what the test waits for has not happened"
        return result


Start = Callable[..., ServerFixture]
"""The fixture `start`: starts a server with these settings."""


def accepted(response: httpx.Response, *statuses: int) -> Json:
    """Return the JSON of a successful response; of one of these statuses, if any are given."""
    assert response.is_success, f"{response.status_code}: {response.text}"
    assert not statuses or response.status_code in statuses, response.status_code
    answer: Json = response.json()
    return answer


def refusal(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of an error."""
    return response.status_code, response.json()["code"]
