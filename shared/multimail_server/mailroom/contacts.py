"""Contacts: the account's address book."""

from __future__ import annotations

from ..refusals import not_found
from ..store.protocol import Tx
from ..store.records import Contact
from .desk import Desk, Principal

_MOST = 500


class Contacts:
    """API: /v1/contacts."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def search(self, who: Principal, query: str) -> list[Contact]:
        """Return up to 500 contacts whose name or address contains `query`."""
        return self._desk.store.read(lambda tx: tx.contacts(who.account_id, query, _MOST))

    def add(self, who: Principal, email: str, name: str | None, tags: tuple[str, ...]) -> Contact:
        """Add a contact; one with the same address is changed instead."""
        desk = self._desk

        def work(tx: Tx) -> Contact:
            known = tx.contact_by_email(who.account_id, email.lower())
            contact = Contact(
                id=known.id if known else desk.ids.new("con"),
                account_id=who.account_id,
                email=email.lower(),
                name=name if name is not None or known is None else known.name,
                tags=tags or (known.tags if known else ()),
                created_at=known.created_at if known else desk.now(),
            )
            tx.put_contact(contact)
            desk.audit(
                tx, who, "contact.update" if known else "contact.create", ("contact", contact.id)
            )
            return contact

        return desk.write(work)

    def remove(self, who: Principal, contact_id: str) -> None:
        """Remove a contact."""
        desk = self._desk

        def work(tx: Tx) -> None:
            found = tx.contact(contact_id)
            if found is None or found.account_id != who.account_id:
                raise not_found("contact", contact_id)
            tx.remove_contact(contact_id)
            desk.audit(tx, who, "contact.delete", ("contact", contact_id))

        desk.write(work)
