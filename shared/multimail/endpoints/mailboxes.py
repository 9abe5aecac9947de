"""Mailbox and contact endpoints."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from ..call import Call, Pause
from ..errors import ValidationError
from ..mailbox_book import MailboxBook
from ..models import Ack, Contact, Mailbox, UpgradeRequest, list_of
from .checks import address, given, named, segment

OVERSIGHT_MODES = ("read_only", "gated_all", "gated_send", "monitored", "autonomous")

_MAILBOX = "/v1/mailboxes/{mailbox}"


def list_mailboxes() -> Call[list[Mailbox]]:
    """List the mailboxes that the key can use. API: GET /v1/mailboxes."""
    return Call("list_mailboxes", "GET", "/v1/mailboxes", list_of(Mailbox, "mailboxes"))


def resolve_mailbox(mailbox: str | None) -> Generator[Call[Any] | Pause, Any, Mailbox]:
    """Find a mailbox by address or id; with None, the account's only one.

    Raises:
        NotFoundError: The key has no such mailbox.
        ConfigurationError: There are several, or none, and nobody said which.
    """
    book = MailboxBook()
    book.learn((yield from list_mailboxes()))
    found = book.find(mailbox)
    if found is None:
        raise book.missing(mailbox)
    return found


def get_mailbox(mailbox: str | None = None) -> Call[Mailbox]:
    """Return one mailbox. API: GET /v1/mailboxes/{mailbox}."""
    return Call("get_mailbox", "GET", _MAILBOX, Mailbox.model_validate, mailbox=mailbox)


def create_mailbox(
    address: str,
    *,
    display_name: str | None = None,
    oversight_mode: str | None = None,
    approver_emails: Iterable[str] | None = None,
    webhook_url: str | None = None,
    approval_code: str | None = None,
) -> Call[Mailbox]:
    """Create a mailbox.

    Args:
        address: A full address, or only the part before the `@`.
        display_name: The name shown with it.
        oversight_mode: `read_only`, `gated_all`, `gated_send`, `monitored` or `autonomous`;
            default `gated_send`.
        approver_emails: Who decides on what is held.
        webhook_url: Where its events go.
        approval_code: What the operator handed on, where the service asks for it.

    Raises:
        ApprovalRequiredError: The operator has to approve it first.
        ValidationError: The address or the mode is not one.
        ConflictError: The address is taken.

    API: POST /v1/mailboxes.
    """
    local, at, _ = address.partition("@")
    where = {"address": _full(address), "address_local": local} if at else {"address_local": local}
    return Call(
        "create_mailbox",
        "POST",
        "/v1/mailboxes",
        Mailbox.model_validate,
        json={
            **where,
            **given(
                display_name=display_name,
                oversight_mode=_mode(oversight_mode),
                approver_emails=list(approver_emails) if approver_emails else None,
                webhook_url=webhook_url,
                approval_code=approval_code,
            ),
        },
        code_first=True,
    )


def _full(value: str) -> str:
    return address(value, "address")


def _mode(mode: str | None) -> str | None:
    if mode is not None and mode not in OVERSIGHT_MODES:
        raise ValidationError(
            f"oversight_mode: {mode!r:.40} is none of {', '.join(OVERSIGHT_MODES)}.",
            code="invalid_oversight_mode",
        )
    return mode


def update_mailbox(mailbox: str | None = None, **fields: Any) -> Call[Mailbox]:
    """Change a mailbox; the oversight mode can only be tightened here.

    Args:
        mailbox: Address or id; default the client's mailbox.
        fields: Any of display_name, oversight_mode, auto_cc, auto_bcc, forward_inbound,
            webhook_url, oversight_webhook_url, signature_block.

    Raises:
        PermissionDeniedError: The key is no admin, or the mode would be looser.

    API: PATCH /v1/mailboxes/{mailbox}.
    """
    return _change("update_mailbox", _MAILBOX, mailbox, fields)


def configure_mailbox(mailbox: str | None = None, **fields: Any) -> Call[Mailbox]:
    """Change a mailbox's settings.

    Args:
        mailbox: Address or id; default the client's mailbox.
        fields: Those of `update_mailbox`, and default_gate_timing, scheduling_enabled,
            ai_disclosure, mcp_configured.

    API: PATCH /v1/mailboxes/{mailbox}/configure.
    """
    return _change("configure_mailbox", _MAILBOX + "/configure", mailbox, fields)


def _change(
    operation: str, path: str, mailbox: str | None, fields: Mapping[str, Any]
) -> Call[Mailbox]:
    _mode(fields.get("oversight_mode"))
    return Call(
        operation,
        "PATCH",
        path,
        _read_change,
        json=dict(fields),
        mailbox=mailbox,
        repeatable=True,
        code_first=True,
    )


def _read_change(reply: Any) -> Mailbox:
    return Mailbox.model_validate({"id": "", **(reply.get("mailbox") or reply)})


def delete_mailbox(mailbox: str) -> Call[Ack]:
    """Delete a mailbox; its mail is kept for its retention. API: DELETE /v1/mailboxes/{mailbox}."""
    return Call(
        "delete_mailbox",
        "DELETE",
        _MAILBOX,
        Ack.model_validate,
        mailbox=named(mailbox, "mailbox"),
        repeatable=True,
    )


def request_upgrade(target_mode: str, *, mailbox: str | None = None) -> Call[UpgradeRequest]:
    """Ask the human for a looser oversight mode: a one-time code goes to them, not to the caller.

    API: POST /v1/mailboxes/{mailbox}/request-upgrade.
    """
    return Call(
        "request_upgrade",
        "POST",
        _MAILBOX + "/request-upgrade",
        UpgradeRequest.model_validate,
        json={"target_mode": _mode(target_mode)},
        mailbox=mailbox,
    )


def redeem_upgrade(code: str, *, mailbox: str | None = None) -> Call[Ack]:
    """Redeem the human's code for a looser oversight mode; it works once, for 24 hours.

    API: POST /v1/mailboxes/{mailbox}/upgrade.
    """
    return Call(
        "redeem_upgrade",
        "POST",
        _MAILBOX + "/upgrade",
        Ack.model_validate,
        json={"code": code},
        mailbox=mailbox,
    )


def search_contacts(query: str | None = None, *, limit: int | None = None) -> Call[list[Contact]]:
    """Search the address book.

    Args:
        query: Text in a name or an address; default everything.
        limit: At most this many.

    API: GET /v1/contacts.
    """
    read = list_of(Contact, "contacts")
    return Call(
        "search_contacts",
        "GET",
        "/v1/contacts",
        lambda reply: read(reply)[:limit],
        params={"q": query, "limit": limit},
    )


def add_contact(
    email: str, name: str | None = None, *, tags: Iterable[str] | None = None
) -> Call[Contact]:
    """Add an address to the address book.

    Raises:
        ValidationError: `email` is not an address.

    API: POST /v1/contacts.
    """
    return Call(
        "add_contact",
        "POST",
        "/v1/contacts",
        lambda reply: Contact.model_validate({"email": email, "name": name, **reply}),
        json=given(email=address(email, "email"), name=name, tags=list(tags) if tags else None),
    )


def delete_contact(contact_id: str) -> Call[Ack]:
    """Remove an address from the address book. API: DELETE /v1/contacts/{contact}."""
    return Call(
        "delete_contact",
        "DELETE",
        f"/v1/contacts/{segment(contact_id, 'contact_id')}",
        Ack.model_validate,
        repeatable=True,
    )
