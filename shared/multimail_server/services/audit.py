"""Audit entries for reads and rejected requests; changes are audited in their transaction."""

from __future__ import annotations

from typing import Any

from ..store.protocol import Reader, Tx
from .context import AppContext, Principal


class AuditLog:
    """Records what the API and the pages add to the audit log."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def record(
        self,
        principal: Principal,
        action: str,
        resource: tuple[str, str],
        mailbox: str | None,
        **metadata: Any,
    ) -> None:
        """Record one audit entry, durable on return.

        Args:
            principal: The principal of the request.
            action: Such as `email.list`.
            resource: The type and the id of the accessed resource.
            mailbox: The id or address of the mailbox as requested.
            metadata: More facts; never content or secrets.
        """

        def work(tx: Tx) -> None:
            mailbox_id = _find_mailbox_id(tx, principal, mailbox) or principal.mailbox_id
            self._context.audit(tx, principal, action, resource, mailbox_id=mailbox_id, **metadata)

        self._context.store.write(work)


def _find_mailbox_id(tx: Reader, principal: Principal, requested: str | None) -> str | None:
    if requested is None:
        return None
    by_address = "@" in requested
    mailbox = tx.mailbox_by_address(requested.lower()) if by_address else tx.mailbox(requested)
    if mailbox is None or mailbox.account_id != principal.account_id:
        return None
    return mailbox.id if principal.sees(mailbox.id) else None
