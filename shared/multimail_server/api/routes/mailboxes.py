"""Routes of mailboxes, and of the account's address book."""

from __future__ import annotations

from ...auth import require_account_wide
from ...errors import invalid
from ...services.connecting import ConnectionRequest
from ...services.contacts import ContactText
from ...sources.account import AccountError, AccountOptions
from ...sources.imap import FolderState
from ..routing import ApiRequest, ApiResponse, Router, query_bool, query_str
from ..schemas.account import (
    WEBHOOK_SETTINGS,
    ConnectedOut,
    ConnectIn,
    ContactIn,
    ContactOut,
    ContactsOut,
    DisconnectedOut,
    MailboxChangeIn,
    MailboxesOut,
    MailboxIn,
    MailboxOut,
    render_contact,
    render_contacts,
    render_mailbox,
)
from ..schemas.base import DeletedOut, render_deleted

route = Router("Mailboxes and contacts")

_ERASE = query_bool("erase")
_NAME_OR_ADDRESS = query_str("q", "A part of the name or address.")


@route(
    "GET", "/v1/mailboxes", scopes=("read",), responses={200: MailboxesOut}, audit="mailbox.list",
    client=("list_mailboxes",), source="S",
    note="`per_message_oversight`, `counts_free_sends`, `source` and `connection` are E",
)  # fmt: skip
def list_mailboxes(request: ApiRequest) -> ApiResponse:
    """List the mailboxes that the key sees."""
    mailboxes = request.services.mailboxes.list_mailboxes(request.principal)
    accounts = request.services.connections.get_accounts(request.principal.account_id)
    response: MailboxesOut = {
        "mailboxes": [render_mailbox(box, account=accounts.get(box.id)) for box in mailboxes]
    }
    return ApiResponse(response)


@route(
    "GET", "/v1/mailboxes/{mailbox}", scopes=("read",), responses={200: MailboxOut},
    audit="mailbox.read", client=("get_mailbox",), source="M",
)  # fmt: skip
def get_mailbox(request: ApiRequest) -> ApiResponse:
    """Return a mailbox, by id or address."""
    mailbox = request.services.mailboxes.get(request.principal, request.path_params["mailbox"])
    accounts = request.services.connections.get_accounts(request.principal.account_id)
    return ApiResponse(render_mailbox(mailbox, account=accounts.get(mailbox.id)))


@route(
    "POST", "/v1/mailboxes", scopes=("admin",), body=MailboxIn, responses={201: MailboxOut},
    errors=(409,), approval_code=True, client=("create_mailbox",), source="S",
    note="S takes `address_local`, K and P a whole `address`: both are sent and taken; 202 and an "
    "`approval_code` come first where the server runs with `--approval-codes`",
)  # fmt: skip
def create_mailbox(request: ApiRequest, body: MailboxIn) -> ApiResponse:
    """Create a mailbox."""
    changes = body.build_changes()
    created = request.services.mailboxes.create(request.principal, body.address, changes)
    return ApiResponse(render_mailbox(created, changes), 201)


@route(
    "PATCH", "/v1/mailboxes/{mailbox}", scopes=("admin",), body=MailboxChangeIn,
    responses={200: MailboxOut}, approval_code=WEBHOOK_SETTINGS, client=("update_mailbox",),
    source="S",
    note="the mode can only be tightened; `forward_inbound` takes addresses (S names no form) and "
    "resends what is shown",
)  # fmt: skip
@route(
    "PATCH", "/v1/mailboxes/{mailbox}/configure", scopes=("admin",), body=MailboxChangeIn,
    responses={200: MailboxOut}, approval_code=WEBHOOK_SETTINGS, client=("configure_mailbox",),
    source="M",
)  # fmt: skip
def update_mailbox(request: ApiRequest, body: MailboxChangeIn) -> ApiResponse:
    """Change a mailbox's settings, or tighten its mode."""
    changes = body.build_changes()
    mailbox_id = request.path_params["mailbox"]
    changed = request.services.mailboxes.change(request.principal, mailbox_id, changes)
    return ApiResponse(render_mailbox(changed, changes))


@route(
    "DELETE", "/v1/mailboxes/{mailbox}", scopes=("admin",), responses={200: DeletedOut},
    errors=(409,), client=("delete_mailbox",), source="S",
)  # fmt: skip
def delete_mailbox(request: ApiRequest) -> ApiResponse:
    """Retire a mailbox."""
    deleted = request.services.mailboxes.delete(request.principal, request.path_params["mailbox"])
    return ApiResponse(render_deleted(deleted.id))


@route(
    "POST", "/v1/connected-mailboxes", scopes=("admin",), body=ConnectIn,
    responses={201: ConnectedOut}, errors=(409,), approval_code=True, source="E",
    note="for `multimail connect` while the server runs: the login is encrypted with the key that "
    "lies beside the data, so the caller needs both an admin key and that file",
)  # fmt: skip
def connect_mailbox(request: ApiRequest, body: ConnectIn) -> ApiResponse:
    """Connect a mailbox that stays at its provider."""
    require_account_wide(request.principal)
    try:
        wanted = ConnectionRequest(
            body.address.lower(),
            body.login,
            AccountOptions.from_data(body.options),
            request.services.context.secrets.open(body.secret.encode()),
            FolderState(body.uid_validity, body.uid_next),
            body.mode,
        )
    except (AccountError, TypeError, KeyError, ValueError) as error:
        reason = str(error) if isinstance(error, AccountError) else "`options` are incomplete."
        raise invalid(reason, "not_connected") from None
    made = request.services.connections.connect(wanted, request.principal.account_id)
    keys = dict(made.keys) if made.keys is not None else None
    response: ConnectedOut = {"mailbox": render_mailbox(made.mailbox), "keys": keys}
    return ApiResponse(response, 201)


@route(
    "DELETE", "/v1/connected-mailboxes/{mailbox}", scopes=("admin",), query=(_ERASE,),
    responses={200: DisconnectedOut}, source="E",
    note="for `multimail disconnect` while the server runs; at the provider nothing changes",
)  # fmt: skip
def disconnect_mailbox(request: ApiRequest) -> ApiResponse:
    """Disconnect a mailbox, by its address."""
    require_account_wide(request.principal)
    address = request.path_params["mailbox"]
    cancelled = request.services.connections.disconnect(
        address, erase=bool(request.query(_ERASE)), account_id=request.principal.account_id
    )
    response: DisconnectedOut = {"address": address, "cancelled": cancelled}
    return ApiResponse(response)


@route(
    "GET", "/v1/contacts", scopes=("read",), query=(_NAME_OR_ADDRESS,),
    responses={200: ContactsOut}, audit="contact.search", client=("search_contacts",), source="S",
    note="P says `query`, S `q`",
)  # fmt: skip
def search_contacts(request: ApiRequest) -> ApiResponse:
    """Search the address book."""
    text = request.query(_NAME_OR_ADDRESS) or ""
    return ApiResponse(render_contacts(request.services.contacts.search(request.principal, text)))


@route(
    "POST", "/v1/contacts", scopes=("send",), body=ContactIn, responses={201: ContactOut},
    client=("add_contact",), source="S", errors=(409,),
    note="`made_by` and `label` (E): who wrote it, and the worst label that the writer had read",
)  # fmt: skip
def add_contact(request: ApiRequest, body: ContactIn) -> ApiResponse:
    """Add an entry to the address book, or change the one with the same address."""
    added = request.services.contacts.add(
        request.principal,
        ContactText(body.email.lower(), body.name, tuple(body.tags), body.made_by, body.label),
    )
    return ApiResponse(render_contact(added), 201)


@route(
    "DELETE", "/v1/contacts/{contact}", scopes=("admin",), responses={200: DeletedOut},
    client=("delete_contact",), source="S",
)  # fmt: skip
def delete_contact(request: ApiRequest) -> ApiResponse:
    """Delete an entry of the address book."""
    contact_id = request.path_params["contact"]
    request.services.contacts.remove(request.principal, contact_id)
    return ApiResponse(render_deleted(contact_id))
