"""Routes: mailboxes, and the account's address book."""

from __future__ import annotations

from .. import render
from ..render_webhooks import shown_once
from ..request import ApiRequest, ApiResponse
from ..routing import Routes
from ..schemas.requests import ContactBody, MailboxBody, MailboxChangeBody

routes = Routes()


@routes("GET", "/v1/mailboxes", "read")
def list_mailboxes(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/mailboxes."""
    found = request.services.mailboxes.list_mailboxes(request.principal)
    return ApiResponse({"mailboxes": [render.mailbox(mailbox) for mailbox in found]})


@routes("POST", "/v1/mailboxes", "admin")
def create_mailbox(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/mailboxes."""
    body = request.parse_body(MailboxBody)
    changes = body.changes()
    made = request.services.mailboxes.create(request.principal, body.address, changes)
    return ApiResponse({**render.mailbox(made), **shown_once(changes)}, 201)


@routes("GET", "/v1/mailboxes/{mailbox}", "read")
def get_mailbox(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/mailboxes/{mailbox}."""
    return ApiResponse(
        render.mailbox(request.services.mailboxes.get(request.principal, request.path["mailbox"]))
    )


@routes("PATCH", "/v1/mailboxes/{mailbox}", "admin")
@routes("PATCH", "/v1/mailboxes/{mailbox}/configure", "admin")
def change_mailbox(request: ApiRequest) -> ApiResponse:
    """API: PATCH /v1/mailboxes/{mailbox} and …/configure."""
    changes = request.parse_body(MailboxChangeBody).changes()
    changed = request.services.mailboxes.change(request.principal, request.path["mailbox"], changes)
    return ApiResponse({**render.mailbox(changed), **shown_once(changes)})


@routes("DELETE", "/v1/mailboxes/{mailbox}", "admin")
def delete_mailbox(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/mailboxes/{mailbox}."""
    gone = request.services.mailboxes.delete(request.principal, request.path["mailbox"])
    return ApiResponse({"id": gone.id, "status": "deleted"})


@routes("GET", "/v1/contacts", "read")
def search_contacts(request: ApiRequest) -> ApiResponse:
    """API: GET /v1/contacts."""
    found = request.services.contacts.search(request.principal, request.query_str("q") or "")
    return ApiResponse({"contacts": [render.contact(entry) for entry in found]})


@routes("POST", "/v1/contacts", "send")
def add_contact(request: ApiRequest) -> ApiResponse:
    """API: POST /v1/contacts."""
    body = request.parse_body(ContactBody)
    added = request.services.contacts.add(
        request.principal, body.email, body.name, tuple(body.tags)
    )
    return ApiResponse(render.contact(added), 201)


@routes("DELETE", "/v1/contacts/{contact}", "admin")
def remove_contact(request: ApiRequest) -> ApiResponse:
    """API: DELETE /v1/contacts/{id}."""
    request.services.contacts.remove(request.principal, request.path["contact"])
    return ApiResponse({"id": request.path["contact"], "status": "deleted"})
