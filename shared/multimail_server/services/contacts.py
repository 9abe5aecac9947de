"""Contacts: the account's address book."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multimail.trust.labels import Assessment, Label
from multimail.trust.taint import severity_key

from ..auth import Principal
from ..errors import conflict, forbidden, not_found
from ..store.protocol import Scope, Tx
from ..store.records import Contact
from .context import AppContext

MAX_RESULTS = 500
TOOL = "tool"


@dataclass(frozen=True, slots=True)
class ContactText:
    """What a request writes into the address book.

    Attributes:
        email: The address, in lower case.
        name: None keeps the name that is there.
        tags: None of them keeps the tags that are there.
        made_by: `tool` or `app`.
        label: The worst trust label that its writer had read; None for none.
    """

    email: str
    name: str | None
    tags: tuple[str, ...]
    made_by: str = "app"
    label: str | None = None


class ContactService:
    """API: /v1/contacts."""

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def search(self, principal: Principal, query: str) -> list[Contact]:
        """Return up to 500 contacts whose name or address contains `query`."""
        return self._context.store.read(
            lambda tx: tx.contacts(principal.account_id, query, MAX_RESULTS)
        )

    def add(self, principal: Principal, text: ContactText) -> Contact:
        """Add a contact, or change the one with the same address.

        A key that belongs to one mailbox is taken for a tool's, and only adds: all mailboxes share
        the contacts.

        Raises:
            ApiError: The key belongs to one mailbox and would change a contact (403), or a tool
                would change what app code or a person made (409).
        """
        context = self._context
        is_bound = principal.mailbox_id is not None
        text = replace(text, made_by=TOOL) if is_bound else text

        def work(tx: Tx) -> Contact:
            known = tx.contact_by_email(principal.account_id, text.email)
            if known and _is_change(known, text):
                _require_shared(principal)
            contact = _merge(known, text) if known else self._create(principal, text)
            tx.put(contact)
            action = "contact.update" if known else "contact.create"
            about = ("contact", contact.id)
            context.audit(tx, principal, action, about, made_by=text.made_by, label=text.label)
            return contact

        return context.write(work, Scope.of_account(principal.account_id))

    def _create(self, principal: Principal, text: ContactText) -> Contact:
        return Contact(
            self._context.ids.new("con"),
            principal.account_id,
            text.email,
            text.name,
            text.tags,
            self._context.now(),
            text.made_by,
            text.label,
        )

    def remove(self, principal: Principal, contact_id: str) -> None:
        """Remove a contact."""
        _require_shared(principal)
        context = self._context

        def work(tx: Tx) -> None:
            contact = tx.contact(contact_id)
            if contact is None or contact.account_id != principal.account_id:
                raise not_found("contact", contact_id)
            tx.remove_contact(contact_id)
            context.audit(tx, principal, "contact.delete", ("contact", contact_id))

        context.write(work, Scope.of_account(principal.account_id))


def _require_shared(principal: Principal) -> None:
    """Require a key that sees the whole account, whose contacts all mailboxes share."""
    if principal.mailbox_id is not None:
        raise forbidden(
            "bound_key",
            "Contacts are shared by all mailboxes, and this key belongs to one. Nothing was "
            "changed; use a key that isn't bound to a mailbox.",
        )


def _is_change(known: Contact, text: ContactText) -> bool:
    return (text.name or known.name, text.tags or known.tags) != (known.name, known.tags)


def _merge(known: Contact, text: ContactText) -> Contact:
    """Return a contact as a request changes it.

    What a tool made stays marked so, and a text keeps its label until all of it is replaced.
    """
    changed = replace(
        known,
        name=known.name if text.name is None else text.name,
        tags=text.tags or known.tags,
    )
    if text.made_by == TOOL and known.made_by != TOOL:
        if changed != known:
            raise conflict(
                "not_made_by_tool",
                f"Contact {known.email} was not made by a tool, so no tool changes it. Nothing was "
                "changed; a person or the application can change it.",
            )
        return known
    is_replaced = (text.name is not None or not known.name) and (text.tags or not known.tags)
    labels = [text.label] if is_replaced else [text.label, known.label]
    return replace(
        changed,
        made_by=known.made_by or text.made_by,
        label=max(labels, key=_get_severity),
    )


def _get_severity(label: str | None) -> tuple[int, int]:
    """Return the sort key of a label, best first; None is text of a writer that read no mail."""
    return severity_key(Assessment(Label(label))) if label else (-1, 0)
