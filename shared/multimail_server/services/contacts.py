"""Contacts: the account's address book."""

from __future__ import annotations

from ..auth import Principal
from ..errors import not_found
from ..store.protocol import Tx
from ..store.records import Contact
from .context import AppContext

MAX_RESULTS = 500


class ContactService:
    """API: /v1/contacts."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def search(self, principal: Principal, query: str) -> list[Contact]:
        """Return up to 500 contacts whose name or address contains `query`."""
        return self._context.store.read(
            lambda tx: tx.contacts(principal.account_id, query, MAX_RESULTS)
        )

    def add(
        self, principal: Principal, email: str, name: str | None, tags: tuple[str, ...]
    ) -> Contact:
        """Add a contact, or update the one with the same address."""
        context = self._context

        def work(tx: Tx) -> Contact:
            known = tx.contact_by_email(principal.account_id, email.lower())
            contact = Contact(
                id=known.id if known else context.ids.new("con"),
                account_id=principal.account_id,
                email=email.lower(),
                name=name if name is not None or known is None else known.name,
                tags=tags or (known.tags if known else ()),
                created_at=known.created_at if known else context.now(),
            )
            tx.put(contact)
            context.audit(
                tx,
                principal,
                "contact.update" if known else "contact.create",
                ("contact", contact.id),
            )
            return contact

        return context.write(work)

    def remove(self, principal: Principal, contact_id: str) -> None:
        """Remove a contact."""
        context = self._context

        def work(tx: Tx) -> None:
            contact = tx.contact(contact_id)
            if contact is None or contact.account_id != principal.account_id:
                raise not_found("contact", contact_id)
            tx.remove_contact(contact_id)
            context.audit(tx, principal, "contact.delete", ("contact", contact_id))

        context.write(work)
