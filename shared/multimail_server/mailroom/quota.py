"""Quota: how many sends an account may have accepted in a day, counted where they are accepted."""

from __future__ import annotations

import math
from datetime import UTC, datetime, time, timedelta

from ..refusals import Refusal
from ..store.protocol import Tx
from .desk import Desk


def count_send(tx: Tx, desk: Desk, account_id: str) -> None:
    """Count one send of an account's day (UTC), in the transaction that accepts it.

    Raises:
        Refusal: The day's sends are used up (429).
    """
    most, now = desk.sends_per_day, desk.now().astimezone(UTC)
    if most is None:
        return
    name, today = f"sends_of_day:{account_id}", now.date().isoformat()
    day, _, count = (tx.setting(name) or "").partition(" ")
    used = int(count) if day == today else 0
    if used >= most:
        raise _used_up(most, now)
    tx.set_setting(name, f"{today} {used + 1}")


def _used_up(most: int, now: datetime) -> Refusal:
    midnight = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
    seconds = math.ceil((midnight - now).total_seconds())
    return Refusal(
        429,
        "quota_exceeded",
        f"Nothing was sent: this account has made the {most} sends that it may make in a day. "
        f"The next day begins at 00:00 UTC, in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )
