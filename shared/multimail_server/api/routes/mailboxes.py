"""Routes: mailboxes, and the account's address book."""

from __future__ import annotations

from .. import render
from ..render_webhooks import shown_once
from ..request import Answer, Ask
from ..routing import Routes
from ..schemas.requests import ContactBody, MailboxBody, MailboxChangeBody

routes = Routes()


@routes("GET", "/v1/mailboxes", "read")
def list_mailboxes(ask: Ask) -> Answer:
    """API: GET /v1/mailboxes."""
    found = ask.room.mailboxes.all(ask.who)
    return Answer({"mailboxes": [render.mailbox(mailbox) for mailbox in found]})


@routes("POST", "/v1/mailboxes", "admin")
def create_mailbox(ask: Ask) -> Answer:
    """API: POST /v1/mailboxes."""
    body = ask.read(MailboxBody)
    changes = body.changes()
    made = ask.room.mailboxes.create(ask.who, body.address, changes)
    return Answer({**render.mailbox(made), **shown_once(changes)}, 201)


@routes("GET", "/v1/mailboxes/{mailbox}", "read")
def get_mailbox(ask: Ask) -> Answer:
    """API: GET /v1/mailboxes/{mailbox}."""
    return Answer(render.mailbox(ask.room.mailboxes.get(ask.who, ask.path["mailbox"])))


@routes("PATCH", "/v1/mailboxes/{mailbox}", "admin")
@routes("PATCH", "/v1/mailboxes/{mailbox}/configure", "admin")
def change_mailbox(ask: Ask) -> Answer:
    """API: PATCH /v1/mailboxes/{mailbox} and …/configure."""
    changes = ask.read(MailboxChangeBody).changes()
    changed = ask.room.mailboxes.change(ask.who, ask.path["mailbox"], changes)
    return Answer({**render.mailbox(changed), **shown_once(changes)})


@routes("DELETE", "/v1/mailboxes/{mailbox}", "admin")
def delete_mailbox(ask: Ask) -> Answer:
    """API: DELETE /v1/mailboxes/{mailbox}."""
    gone = ask.room.mailboxes.delete(ask.who, ask.path["mailbox"])
    return Answer({"id": gone.id, "status": "deleted"})


@routes("GET", "/v1/contacts", "read")
def search_contacts(ask: Ask) -> Answer:
    """API: GET /v1/contacts."""
    found = ask.room.contacts.search(ask.who, ask.text("q") or "")
    return Answer({"contacts": [render.contact(entry) for entry in found]})


@routes("POST", "/v1/contacts", "send")
def add_contact(ask: Ask) -> Answer:
    """API: POST /v1/contacts."""
    body = ask.read(ContactBody)
    added = ask.room.contacts.add(ask.who, body.email, body.name, tuple(body.tags))
    return Answer(render.contact(added), 201)


@routes("DELETE", "/v1/contacts/{contact}", "admin")
def remove_contact(ask: Ask) -> Answer:
    """API: DELETE /v1/contacts/{id}."""
    ask.room.contacts.remove(ask.who, ask.path["contact"])
    return Answer({"id": ask.path["contact"], "status": "deleted"})
