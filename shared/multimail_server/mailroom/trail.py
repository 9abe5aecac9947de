"""The trail: audit lines for what no transaction of the mailroom tells, reads and refusals."""

from __future__ import annotations

from typing import Any

from ..store.protocol import Reader, Tx
from .desk import Desk, Principal


class Trail:
    """What the web adds to the audit log."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def note(
        self,
        who: Principal,
        action: str,
        resource: tuple[str, str],
        mailbox: str | None,
        **metadata: Any,
    ) -> None:
        """Write one line, durable on return.

        Args:
            who: Who asked.
            action: What for.
            resource: The type and the id of what it was about.
            mailbox: The mailbox's id or address as it was asked for.
            metadata: More facts; never content or secrets.
        """

        def work(tx: Tx) -> None:
            where = _mailbox_of(tx, who, mailbox) or who.mailbox_id
            self._desk.audit(tx, who, action, resource, mailbox_id=where, **metadata)

        self._desk.store.write(work)


def _mailbox_of(tx: Reader, who: Principal, which: str | None) -> str | None:
    if which is None:
        return None
    found = tx.mailbox_by_address(which.lower()) if "@" in which else tx.mailbox(which)
    if found is None or found.account_id != who.account_id or not who.sees(found.id):
        return None
    return found.id
