"""The trail: audit lines for what no transaction of the mailroom tells, reads and refusals."""

from __future__ import annotations

from typing import Any

from ..store.protocol import Reader, Tx
from .context import AppContext, Principal


class AuditLog:
    """What the web adds to the audit log."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def note(
        self,
        principal: Principal,
        action: str,
        resource: tuple[str, str],
        mailbox: str | None,
        **metadata: Any,
    ) -> None:
        """Write one line, durable on return.

        Args:
            principal: Who asked.
            action: What for.
            resource: The type and the id of what it was about.
            mailbox: The mailbox's id or address as it was asked for.
            metadata: More facts; never content or secrets.
        """

        def work(tx: Tx) -> None:
            where = _mailbox_of(tx, principal, mailbox) or principal.mailbox_id
            self._context.audit(tx, principal, action, resource, mailbox_id=where, **metadata)

        self._context.store.write(work)


def _mailbox_of(tx: Reader, principal: Principal, which: str | None) -> str | None:
    if which is None:
        return None
    found = tx.mailbox_by_address(which.lower()) if "@" in which else tx.mailbox(which)
    if found is None or found.account_id != principal.account_id or not principal.sees(found.id):
        return None
    return found.id
