"""Mailbox, oversight mode and contact endpoints."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any

from .._call import Call, Pause
from ..errors import ConfigurationError, MultiMailError, NotFoundError
from ..models import Ack, Contact, Mailbox, UpgradeRequest, list_parser
from ._arguments import check_id, drop_none, invalid, parse_address, path_segment

OVERSIGHT_MODES = ("read_only", "gated_all", "gated_send", "monitored", "autonomous")

_MAILBOX_PATH = "/v1/mailboxes/{mailbox}"


def list_mailboxes() -> Call[list[Mailbox]]:
    """List the mailboxes that the key can use. API: GET /v1/mailboxes."""
    return Call("list_mailboxes", "GET", "/v1/mailboxes", list_parser(Mailbox, "mailboxes"))


def resolve_mailbox(mailbox: str | None) -> Generator[Call[Any] | Pause, Any, Mailbox]:
    """Find a mailbox by address or id; with None, the account's only mailbox.

    Raises:
        NotFoundError: The key has no such mailbox.
        ConfigurationError: None is given, and the key has no mailbox or several.
    """
    mailboxes = yield from list_mailboxes()
    match = find_mailbox(mailboxes, mailbox)
    if match is None:
        raise mailbox_not_found(mailboxes, mailbox)
    return match


def find_mailbox(mailboxes: Sequence[Mailbox], name: str | None) -> Mailbox | None:
    """Return the mailbox with this address or id; with None, the only one."""
    if name is None:
        return mailboxes[0] if len(mailboxes) == 1 else None
    folded = name.casefold()
    return next((m for m in mailboxes if folded in (m.id.casefold(), m.address.casefold())), None)


def mailbox_not_found(mailboxes: Sequence[Mailbox], name: str | None) -> MultiMailError:
    """Return the error for a mailbox that `find_mailbox` didn't find."""
    names = ", ".join(m.address or m.id for m in mailboxes) or "none"
    if name is not None:
        return NotFoundError(
            f"This key has no mailbox {name!r}. It can use: {names}.", code="no_such_mailbox"
        )
    return ConfigurationError(
        f"Which mailbox? This key can use: {names}.",
        remedy="Pass mailbox= or set MULTIMAIL_MAILBOX.",
        code="which_mailbox",
    )


def get_mailbox(mailbox: str | None = None) -> Call[Mailbox]:
    """Return one mailbox. API: GET /v1/mailboxes/{mailbox}."""
    return Call("get_mailbox", "GET", _MAILBOX_PATH, Mailbox.model_validate, mailbox=mailbox)


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
        display_name: The name shown with the address.
        oversight_mode: `read_only`, `gated_all`, `gated_send`, `monitored` or `autonomous`;
            default `gated_send`.
        approver_emails: Who approves held messages.
        webhook_url: The URL to post its events to.
        approval_code: The operator's approval code, if the API asks for one.

    Raises:
        ApprovalRequiredError: The operator has to approve it first.
        ValidationError: The address or the mode is invalid.
        ConflictError: The address is taken.

    API: POST /v1/mailboxes.
    """
    local, at, _ = address.partition("@")
    names = {"address_local": local}
    if at:
        names["address"] = parse_address(address, "address")
    return Call(
        "create_mailbox",
        "POST",
        "/v1/mailboxes",
        Mailbox.model_validate,
        json={
            **names,
            **drop_none(
                display_name=display_name,
                oversight_mode=_check_mode(oversight_mode),
                approver_emails=list(approver_emails) if approver_emails else None,
                webhook_url=webhook_url,
                approval_code=approval_code,
            ),
        },
        may_require_approval_code=True,
    )


def _check_mode(mode: str | None) -> str | None:
    if mode is not None and mode not in OVERSIGHT_MODES:
        raise invalid("oversight_mode", f"{mode!r:.40} is none of {', '.join(OVERSIGHT_MODES)}")
    return mode


def update_mailbox(mailbox: str | None = None, **fields: Any) -> Call[Mailbox]:
    """Change a mailbox. The oversight mode can only be made stricter; see `request_upgrade`.

    Args:
        mailbox: Address or id; default the client's mailbox.
        fields: Any of display_name, oversight_mode, auto_cc, auto_bcc, forward_inbound,
            webhook_url, oversight_webhook_url, signature_block.

    Raises:
        PermissionDeniedError: The key lacks the `admin` scope, or the mode would be looser.

    API: PATCH /v1/mailboxes/{mailbox}.
    """
    return _change("update_mailbox", _MAILBOX_PATH, mailbox, fields)


def configure_mailbox(mailbox: str | None = None, **fields: Any) -> Call[Mailbox]:
    """Change a mailbox's settings.

    Args:
        mailbox: Address or id; default the client's mailbox.
        fields: The fields of `update_mailbox`, and default_gate_timing, scheduling_enabled,
            ai_disclosure, quote_replies, mcp_configured.

    API: PATCH /v1/mailboxes/{mailbox}/configure.
    """
    return _change("configure_mailbox", _MAILBOX_PATH + "/configure", mailbox, fields)


def _change(
    operation: str, path: str, mailbox: str | None, fields: Mapping[str, Any]
) -> Call[Mailbox]:
    _check_mode(fields.get("oversight_mode"))
    return Call(
        operation,
        "PATCH",
        path,
        _parse_change,
        json=dict(fields),
        mailbox=mailbox,
        idempotent=True,
        may_require_approval_code=True,
    )


def _parse_change(response: Any) -> Mailbox:
    return Mailbox.model_validate({"id": "", **(response.get("mailbox") or response)})


def delete_mailbox(mailbox: str) -> Call[Ack]:
    """Delete a mailbox; its mail is kept for its retention period.

    API: DELETE /v1/mailboxes/{mailbox}.
    """
    return Call(
        "delete_mailbox",
        "DELETE",
        _MAILBOX_PATH,
        Ack.model_validate,
        mailbox=check_id(mailbox, "mailbox"),
        idempotent=True,
    )


def request_upgrade(target_mode: str, *, mailbox: str | None = None) -> Call[UpgradeRequest]:
    """Request a looser oversight mode: a human gets a one-time code, the caller doesn't.

    API: POST /v1/mailboxes/{mailbox}/request-upgrade.
    """
    return Call(
        "request_upgrade",
        "POST",
        _MAILBOX_PATH + "/request-upgrade",
        UpgradeRequest.model_validate,
        json={"target_mode": _check_mode(target_mode)},
        mailbox=mailbox,
    )


def redeem_upgrade(code: str, *, mailbox: str | None = None) -> Call[Ack]:
    """Redeem the human's one-time code for a looser oversight mode; it is valid for 24 hours.

    API: POST /v1/mailboxes/{mailbox}/upgrade.
    """
    return Call(
        "redeem_upgrade",
        "POST",
        _MAILBOX_PATH + "/upgrade",
        Ack.model_validate,
        json={"code": code},
        mailbox=mailbox,
    )


def search_contacts(query: str | None = None, *, limit: int | None = None) -> Call[list[Contact]]:
    """Search the address book.

    Args:
        query: Text in a name or an address; default all contacts.
        limit: The most contacts to return.

    API: GET /v1/contacts.
    """
    parse_contacts = list_parser(Contact, "contacts")
    return Call(
        "search_contacts",
        "GET",
        "/v1/contacts",
        lambda response: parse_contacts(response)[:limit],
        params={"q": query, "limit": limit},
    )


def add_contact(
    email: str,
    name: str | None = None,
    *,
    tags: Iterable[str] | None = None,
    made_by: str | None = None,
    label: str | None = None,
) -> Call[Contact]:
    """Add an address to the address book, or change its name and tags there.

    Args:
        email: The address.
        name: Default the name that is there.
        tags: Default the tags that are there.
        made_by: `tool` if a model chose the words, `app` (the API's default) if not. What a tool
            made stays marked so, and a tool changes nothing else (409).
        label: The worst trust label that the writer had read; default none.

    Raises:
        ValidationError: `email` is not an address.

    API: POST /v1/contacts.
    """
    return Call(
        "add_contact",
        "POST",
        "/v1/contacts",
        lambda response: Contact.model_validate({"email": email, "name": name, **response}),
        json=drop_none(
            email=parse_address(email, "email"),
            name=name,
            tags=list(tags) if tags else None,
            made_by=made_by,
            label=label,
        ),
    )


def delete_contact(contact_id: str) -> Call[Ack]:
    """Remove an address from the address book. API: DELETE /v1/contacts/{contact}."""
    return Call(
        "delete_contact",
        "DELETE",
        f"/v1/contacts/{path_segment(contact_id, 'contact_id')}",
        Ack.model_validate,
        idempotent=True,
    )
