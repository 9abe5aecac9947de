"""The load of the kill proof: sends, some for later, mail by SMTP, and decisions, all at once."""

from __future__ import annotations

import queue
import random
import smtplib
import ssl
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx
from tests.proofs.history import Decision, Entry, GateTiming, History, Schedule, decide
from tests.support.server import accepted

_TLS = ssl.create_default_context()  # made once: it costs more than a request does
_DECISIONS: tuple[Decision, ...] = ("approve",) * 5 + ("reject", "cancel", "withdraw", "miss")
_TIMINGS: tuple[GateTiming | None, ...] = ("gate_first", "schedule_first", None, None, None)
_MAX_WAIT = 1.0
"""Seconds to a `send_at`: some runs of the server are shorter, some longer."""
_UNDELIVERED = ("pending", "failed")
_CONNECTION_ERRORS = (httpx.TransportError, smtplib.SMTPException, OSError)
Keys = dict[str, str]


def get_decision(token: str) -> Decision:
    """Return what is decided about a message; the same in every run."""
    return random.Random(token).choice(_DECISIONS)


def get_schedule(token: str, now: datetime) -> Schedule | None:
    """Return when a message is to leave: two of five have a `send_at`, under either timing."""
    dice = random.Random(f"schedule of {token}")
    timing = dice.choice(_TIMINGS)
    if timing is None:
        return None
    return Schedule(now + timedelta(seconds=dice.uniform(0.0, _MAX_WAIT)), timing)


class Api:
    """The requests of the load, against one start of the server."""

    def __init__(self, banner: dict[str, Any], keys: Keys, history: History) -> None:
        self._client = httpx.Client(base_url=banner["url"], verify=_TLS, timeout=30.0)
        self._keys = keys
        self._history = history
        self._box: dict[str, str] = banner["mailbox"]
        self._smtp = banner["smtp"].rpartition(":")

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def send(self, entry: Entry) -> None:
        """Send a message; again under the same key if it was asked for before."""
        body = {
            "to": ["someone@elsewhere.test"],
            "subject": entry.token,
            "markdown": f"This is {entry.token}.",
            "idempotency_key": entry.token,
        }
        if entry.schedule is not None:
            body["send_at"] = entry.schedule.send_at.isoformat()
            body["gate_timing"] = entry.schedule.gate_timing
        path = f"/v1/mailboxes/{self._box['id']}/send"
        answer = self._call("agent", "POST", path, body)
        self._history.stored(entry, answer["id"])

    def hand_in(self, entry: Entry) -> None:
        """Hand a message in by SMTP."""
        raw = (
            f"From: guest@elsewhere.test\r\nTo: {self._box['address']}\r\n"
            f"Subject: {entry.token}\r\nMessage-ID: <{entry.token}@elsewhere.test>\r\n\r\n"
            f"This is {entry.token}.\r\n"
        )
        host, _, port = self._smtp
        with smtplib.SMTP(host, int(port), "localhost", timeout=30) as connection:
            connection.sendmail("guest@elsewhere.test", [self._box["address"]], raw)
            self._history.stored(entry)

    def decide(self, entry: Entry) -> None:
        """Make the decision that is fixed for this message, and note what the server answers."""
        entry.decision = get_decision(entry.token)
        outcome = decide(entry, self, self._history.now)
        if outcome is None:
            entry.decision = None  # too early
        else:
            self._history.decided(entry, outcome)

    def review(self, entry: Entry, action: str) -> httpx.Response:
        """Approve or reject a message."""
        body = {"email_id": entry.id, "action": action}
        return self._request("reviewer", "POST", "/v1/oversight/decide", body)

    def cancel(self, entry: Entry) -> httpx.Response:
        """Cancel a message."""
        path = f"/v1/mailboxes/{self._box['id']}/emails/{entry.id}/cancel"
        return self._request("agent", "POST", path)

    def subscribe(self, url: str, events: tuple[str, ...], signature_format: str) -> str:
        """Subscribe a URL to events; return the secret that signs them."""
        body = {"url": url, "events": list(events), "signature_format": signature_format}
        webhook = self._call("admin", "POST", "/v1/webhooks", body)
        return str(webhook["signing_secret"])

    def undelivered(self) -> list[dict[str, Any]]:
        """Return events that wait for their delivery, or were given up."""
        path = "/v1/webhook-deliveries"
        pages = [
            self._call("admin", "GET", path, query={"status": status}) for status in _UNDELIVERED
        ]
        return [row for page in pages for row in page["deliveries"]]

    def advance(self, delta: timedelta) -> None:
        """Move the server's virtual clock and run what falls due in between."""
        body = {"seconds": delta.total_seconds()}
        self._call("admin", "POST", "/v1/test/clock/advance", body)

    def rows(
        self, path: str, name: str, is_known: Callable[[dict[str, Any]], bool]
    ) -> list[dict[str, Any]]:
        """Return the rows of a listing up to a whole page of known ones, newest first.

        A single known row proves nothing: what stands below it may be committed after it.
        """
        rows: list[dict[str, Any]] = []
        query: dict[str, str] = {"limit": "100"}
        while True:
            page = self._call("reviewer", "GET", path, query=query)
            rows += page[name]
            if page["cursor"] is None or all(map(is_known, page[name])):
                return rows
            query["cursor"] = page["cursor"]

    def emails(self, is_known: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the mailbox's messages; see `rows`."""
        return self.rows(f"/v1/mailboxes/{self._box['id']}/emails", "emails", is_known)

    def _call(
        self,
        role: str,
        method: str,
        path: str,
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        return accepted(self._request(role, method, path, body, query))

    def _request(
        self,
        role: str,
        method: str,
        path: str,
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        return self._client.request(method, path, json=body, headers=headers, params=query)


class Load:
    """Threads that ask as fast as they are answered, and stop when the connection breaks.

    Args:
        api: The server.
        history: Where everything is noted.
        name: The beginning of this load's tokens; with it, what is decided about each is fixed.
    """

    def __init__(self, api: Api, history: History, name: str) -> None:
        self._api, self._history, self._name = api, history, name
        self._undecided: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._errors: list[BaseException] = []
        jobs = [(self._send, 0), (self._send, 1), (self._hand_in, 2)]
        self._makers = [threading.Thread(target=self._until_disconnected, args=job) for job in jobs]
        self._deciders = [
            threading.Thread(target=self._until_disconnected, args=(self._decide, number))
            for number in (3, 4)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in (*self._makers, *self._deciders):
            thread.start()

    def join(self) -> None:
        """Wait for the end, and raise what should not have happened."""
        for thread in self._makers:
            thread.join()
        for _ in self._deciders:
            self._undecided.put(None)
        for thread in self._deciders:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _until_disconnected(self, job: Any, number: int) -> None:
        count = 0
        try:
            while job(f"{self._name}-{number}-{count}"):
                count += 1
        except _CONNECTION_ERRORS:
            return
        except BaseException as error:
            self._errors.append(error)

    def _send(self, token: str) -> bool:
        schedule = get_schedule(token, self._history.now())
        entry = self._history.ask(token, inbound=False, schedule=schedule)
        self._api.send(entry)
        self._undecided.put(entry)
        return True

    def _hand_in(self, token: str) -> bool:
        self._api.hand_in(self._history.ask(token, inbound=True))
        return True

    def _decide(self, token: str) -> bool:
        del token
        entry = self._undecided.get()
        if entry is None:
            return False
        self._api.decide(entry)
        return True
