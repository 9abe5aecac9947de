"""The load of the kill proof: sends, intake by SMTP and decisions, all at once, until it breaks."""

from __future__ import annotations

import queue
import random
import smtplib
import ssl
import threading
from typing import Any

import httpx
from tests.proofs.ledger import Entry, Ledger, Wish

_TLS = ssl.create_default_context()  # made once: it costs more than a request does
_WISHES: tuple[Wish, ...] = ("approve", "approve", "approve", "reject", "cancel")
_BROKEN = (httpx.TransportError, smtplib.SMTPException, OSError)
Keys = dict[str, str]


def wish_of(token: str) -> Wish:
    """Return what is decided about a message; the same in every run."""
    return random.Random(token).choice(_WISHES)


class Api:
    """The requests of the load, against one start of the server."""

    def __init__(self, banner: dict[str, Any], keys: Keys, ledger: Ledger) -> None:
        self._client = httpx.Client(base_url=banner["url"], verify=_TLS, timeout=30.0)
        self._keys = keys
        self._ledger = ledger
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
        path = f"/v1/mailboxes/{self._box['id']}/send"
        told = self._asked("agent", "POST", path, body)
        self._ledger.stored(entry, told["id"])

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
            self._ledger.stored(entry)

    def decide(self, entry: Entry) -> dict[str, Any]:
        """Approve, reject or cancel a message, as the entry wishes."""
        if entry.wish == "cancel":
            path = f"/v1/mailboxes/{self._box['id']}/emails/{entry.id}/cancel"
            told = self._asked("agent", "POST", path)
        else:
            body = {"email_id": entry.id, "action": entry.wish}
            told = self._asked("reviewer", "POST", "/v1/oversight/decide", body)
        self._ledger.decided(entry)
        return told

    def rows(self, path: str, name: str, last_seen: str) -> list[dict[str, Any]]:
        """Return the rows of a listing that are newer than `last_seen`, newest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, str] = {"limit": "100"}
        while True:
            page = self._asked("reviewer", "GET", path, query=query)
            newer = [row for row in page[name] if row["id"] > last_seen]
            found += newer
            if page["cursor"] is None or len(newer) < len(page[name]):
                return found
            query["cursor"] = page["cursor"]

    def emails(self, last_seen: str) -> list[dict[str, Any]]:
        """Return the mailbox's messages."""
        return self.rows(f"/v1/mailboxes/{self._box['id']}/emails", "emails", last_seen)

    def _asked(
        self,
        role: str,
        method: str,
        path: str,
        body: object = None,
        query: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._keys[role]}"}
        answer = self._client.request(method, path, json=body, headers=headers, params=query)
        assert answer.status_code < 300, f"{method} {path}: {answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told


class Load:
    """Threads that ask as fast as they are answered, and stop when nobody answers any more.

    Args:
        api: The server.
        ledger: Where everything is noted.
        name: The beginning of this load's tokens; with it, what is decided about each is fixed.
    """

    def __init__(self, api: Api, ledger: Ledger, name: str) -> None:
        self._api, self._ledger, self._name = api, ledger, name
        self._undecided: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._errors: list[BaseException] = []
        jobs = [(self._send, 0), (self._send, 1), (self._hand_in, 2)]
        self._makers = [threading.Thread(target=self._until_broken, args=job) for job in jobs]
        self._deciders = [
            threading.Thread(target=self._until_broken, args=(self._decide, number))
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

    def _until_broken(self, job: Any, number: int) -> None:
        count = 0
        try:
            while job(f"{self._name}-{number}-{count}"):
                count += 1
        except _BROKEN:
            return
        except BaseException as error:
            self._errors.append(error)

    def _send(self, token: str) -> bool:
        entry = self._ledger.ask(token, inbound=False)
        self._api.send(entry)
        self._undecided.put(entry)
        return True

    def _hand_in(self, token: str) -> bool:
        self._api.hand_in(self._ledger.ask(token, inbound=True))
        return True

    def _decide(self, token: str) -> bool:
        del token
        entry = self._undecided.get()
        if entry is None:
            return False
        entry.wish = wish_of(entry.token)
        self._api.decide(entry)
        return True
