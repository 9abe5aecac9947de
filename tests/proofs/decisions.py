"""Decisions of the kill proof: what is asked about a message, and what may be answered to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import httpx
from tests.proofs.ledger import Entry, Fate, Wish

Now = Callable[[], datetime]


class Asker(Protocol):
    """Who asks the server."""

    def review(self, entry: Entry, action: str) -> httpx.Response:
        """Approve or reject a message."""
        ...

    def cancel(self, entry: Entry) -> httpx.Response:
        """Cancel a message."""
        ...


def carry_out(entry: Entry, api: Asker, now: Now) -> Fate | None:
    """Do what the entry wishes.

    Args:
        entry: A send that the server has, with its wish.
        api: Who asks.
        now: The server's time.
    Returns:
        What the server says that it has come to; None where it is too early to decide.
    Raises:
        AssertionError: The server answers what cannot be.
    """
    assert entry.wish is not None
    return _WISHES[entry.wish](entry, api, now)


def _approve(entry: Entry, api: Asker, now: Now) -> Fate | None:
    answer = api.review(entry, "approve")
    if answer.status_code != 200:
        return _refused(entry, answer, now)
    status = answer.json()["message_status"]
    assert status in ("scheduled", "sending", "sent"), answer.text
    if entry.is_decided_late and entry.schedule:
        assert entry.schedule.send_at <= now(), f"approved before it was to be seen: {entry}"
        assert status != "scheduled", answer.text
    return "sent"


def _reject(entry: Entry, api: Asker, now: Now) -> Fate | None:
    answer = api.review(entry, "reject")
    return "rejected" if answer.status_code == 200 else _refused(entry, answer, now)


def _cancel(entry: Entry, api: Asker, now: Now) -> Fate | None:
    answer = api.cancel(entry)
    return "cancelled" if answer.status_code == 200 else _refused(entry, answer, now)


def _withdraw(entry: Entry, api: Asker, now: Now) -> Fate | None:
    approved = _approve(entry, api, now)
    return _cancel(entry, api, now) if approved == "sent" else approved


def _miss(entry: Entry, api: Asker, now: Now) -> Fate | None:
    if not entry.has_expired(now()):
        return None
    answer = api.review(entry, "approve")
    assert answer.status_code == 409, f"approved although it expired: {entry}"
    return _refused(entry, answer, now)


_WISHES: dict[Wish, Callable[[Entry, Asker, Now], Fate | None]] = {
    "approve": _approve,
    "reject": _reject,
    "cancel": _cancel,
    "withdraw": _withdraw,
    "miss": _miss,
}


def _refused(entry: Entry, answer: httpx.Response, now: Now) -> Fate | None:
    """Return what a refusal tells of the message, if it can be true."""
    told = answer.json()
    assert answer.status_code == 409, answer.text
    if told["code"] == "not_yet":
        assert entry.is_decided_late, f"{entry}: {answer.text}"
        return None
    if told["code"] == "expired":
        assert entry.can_have_expired(now()), f"{entry}: {answer.text}"
        return "expired"
    assert entry.wish == "withdraw", f"{entry}: {answer.text}"
    if told["status"] == "cancelled":
        return "cancelled"  # The answer to the same wish was lost in an earlier run.
    assert told["status"] in ("sending", "sent"), f"{entry}: {answer.text}"
    return "sent"
