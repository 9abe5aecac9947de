"""The commands of an operator: keys, mailboxes, domains and webhooks, with an admin key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from multimail_server.oversight import Mode

from .context import CommandContext, DatabaseOption, DataOption, command, open_data
from .output import CommandError, format_datetime, show_fields, show_table, show_text

if TYPE_CHECKING:
    from multimail.models import Domain, NewWebhook


class _ListsByDefault(TyperGroup):
    """A group whose bare name is its command `list`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_list = not args or (args[0].startswith("-") and args[0] != "--help")
        return super().parse_args(ctx, ["list", *args] if is_list else args)


def _build_group(name: str, help_: str) -> typer.Typer:
    return typer.Typer(name=name, cls=_ListsByDefault, help=help_)


keys = _build_group("keys", "API keys, by an admin key or over the data of a stopped server.")
mailboxes = _build_group("mailboxes", "Mailboxes and their oversight.")
domains = _build_group("domains", "Domains that mail is sent from, and their DNS records.")
webhooks = _build_group("webhooks", "Webhooks and their deliveries.")

GROUPS = (keys, mailboxes, domains, webhooks)

NameArgument = Annotated[str, typer.Argument(metavar="MAILBOX", help="Its address or id.")]
DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", help="Its name or id.")]
WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]
ModeOption = Annotated[Mode | None, typer.Option("--mode", help="The oversight mode.")]


def _show_rows(headings: Sequence[str], rows: Iterable[Sequence[str]], none: str) -> None:
    listed = list(rows)
    show_table(headings, listed) if listed else show_text(none)


@command(keys, "list")
def list_keys(
    context: CommandContext,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """List the keys; their secrets are stored nowhere."""
    if data or database:
        from multimail_server.api.schemas.account import render_key

        with open_data(data, database) as services:
            found: list[Any] = [
                render_key(key) for key in services.accounts.keys(_get_operator(services))
            ]
    else:
        with context.client() as client:
            found = [key.model_dump(mode="json") for key in client.list_api_keys()]
    rows = (
        (
            key["id"],
            str(key["name"] or ""),
            ", ".join(key["scopes"]),
            key["mailbox_id"] or "all mailboxes",
            "revoked" if key["revoked_at"] else "in use",
        )
        for key in found
    )
    heads = ("ID", "NAME", "SCOPES", "MAILBOX", "STATE")
    context.answer({"keys": found}, lambda: _show_rows(heads, rows, "No keys."))


@command(keys)
def make(
    context: CommandContext,
    role: Annotated[
        str,
        typer.Argument(
            help="agent (reads and sends), reviewer (reads and decides) or admin (makes keys)."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What it is for. Default: the role.")] = None,
    live: Annotated[
        bool | None, typer.Option("--live/--test", help="Whether its mail leaves.")
    ] = None,
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Make a key; it is shown only now.

    With --mailbox, it can use only that mailbox. With --data or --database, over the data of a
    server that does not run, it needs no admin key: so lost keys are replaced.
    """
    from multimail_server.auth import ROLES

    scopes = ROLES.get(role)
    if scopes is None:
        raise CommandError(f"There is no role {role!r}.", f"Use one of {', '.join(ROLES)}.")
    label, mailbox = name or role, context.mailbox
    if data or database:
        with open_data(data, database) as services:
            new = services.accounts.create_key(
                _get_operator(services), label, scopes, mailbox_id=mailbox, live=live
            )
            key_id, secret = new.key.id, new.secret
    else:
        with context.client() as client:
            created = client.create_api_key(label, scopes, mailbox=mailbox, live=live)
            key_id, secret = created.id, created.key
    result = {"id": key_id, "name": label, "scopes": list(scopes), "key": secret}

    def show() -> None:
        show_fields((("Id", key_id), ("Key", secret)))
        show_text("Store the key: it is not shown again.")

    context.answer(result, show)


@command(keys)
def revoke(
    context: CommandContext,
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as `keys` lists it.")],
    data: DataOption = None,
    database: DatabaseOption = None,
) -> None:
    """Revoke a key at once; messages that it wrote are not sent any more."""
    if data or database:
        with open_data(data, database) as services:
            services.accounts.revoke_key(_get_operator(services), key)
    else:
        with context.client() as client:
            client.revoke_api_key(key)
    context.answer({"id": key, "revoked": True}, lambda: show_text(f"Key {key} is revoked."))


def _get_operator(services: Any) -> Any:
    operator = services.accounts.get_operator()
    if operator is None:
        raise CommandError(
            "The data has no account yet.", "`multimail serve` makes it, with its first keys."
        )
    return operator


@command(mailboxes, "list")
def list_mailboxes(context: CommandContext) -> None:
    """List the mailboxes that the key can use."""
    with context.client() as client:
        boxes = client.list_mailboxes()
    rows = [(box.address, box.oversight_mode or "unknown", box.id) for box in boxes]
    data = [box.model_dump(mode="json") for box in boxes]
    heads = ("ADDRESS", "OVERSIGHT", "ID")
    context.answer(data, lambda: _show_rows(heads, rows, "No mailboxes."))


@command(mailboxes, "add")
def add_mailbox(
    context: CommandContext,
    address: Annotated[str, typer.Argument(help="The address, or the part before the @.")],
    mode: ModeOption = None,
    name: Annotated[str | None, typer.Option(help="The name shown beside the address.")] = None,
) -> None:
    """Add a mailbox; without --mode, sends from it wait for approval."""
    with context.client() as client:
        box = client.create_mailbox(address, display_name=name, oversight_mode=mode)
    words = f"Mailbox {box.address} ({box.oversight_mode}) is ready."
    context.answer(box.model_dump(mode="json"), lambda: show_text(words))


@command(mailboxes, "change")
def change_mailbox(
    context: CommandContext,
    address: NameArgument,
    mode: ModeOption = None,
    name: Annotated[str | None, typer.Option(help="The name shown beside the address.")] = None,
) -> None:
    """Change a mailbox; its oversight can only be made stricter here."""
    given = {"oversight_mode": mode and mode.value, "display_name": name}
    fields = {key: value for key, value in given.items() if value is not None}
    if not fields:
        raise CommandError("Nothing to change was given.", "Give --mode or --name.")
    with context.client() as client:
        box = client.update_mailbox(address, **fields)
    context.answer(box.model_dump(mode="json"), lambda: show_text(f"{box.address} is changed."))


@command(mailboxes, "remove")
def remove_mailbox(context: CommandContext, address: NameArgument) -> None:
    """Remove a mailbox; it gets no more mail, and its mail is kept for the retention period."""
    with context.client() as client:
        box = client.get_mailbox(address)
        client.delete_mailbox(box.id)
    words = f"{box.address} is removed."
    context.answer({"id": box.id, "deleted": True}, lambda: show_text(words))


@command(domains, "list")
def list_domains(context: CommandContext) -> None:
    """List the domains."""
    with context.client() as client:
        found = client.list_domains()
    data = {"domains": [item.model_dump(mode="json") for item in found]}
    rows = [(item.domain, item.status or "", item.id) for item in found]
    context.answer(data, lambda: _show_rows(("DOMAIN", "STATUS", "ID"), rows, "No domains."))


@command(domains, "add")
def add_domain(context: CommandContext, domain: DomainArgument) -> None:
    """Add a domain and show the DNS records to publish."""
    with context.client() as client:
        _answer_domain(context, client.add_domain(domain))


@command(domains, "verify")
def verify_domain(context: CommandContext, domain: DomainArgument) -> None:
    """Check the DNS records of a domain."""
    with context.client() as client:
        _answer_domain(context, client.verify_domain(_find_domain(client, domain).id))


@command(domains, "remove")
def remove_domain(context: CommandContext, domain: DomainArgument) -> None:
    """Remove a domain; no mailbox may use it."""
    with context.client() as client:
        found = _find_domain(client, domain)
        client.delete_domain(found.id)
    words = f"{found.domain} is removed."
    context.answer({"id": found.id, "deleted": True}, lambda: show_text(words))


def _find_domain(client: Any, name: str) -> Domain:
    for item in client.list_domains():
        if name.lower() in (item.domain, item.id):
            found: Domain = item
            return found
    raise CommandError(f"There is no domain {name!r}.", "`multimail domains` lists them.")


def _answer_domain(context: CommandContext, domain: Domain) -> None:
    extra: Any = domain.model_extra or {}

    def show() -> None:
        show_text(f"{domain.domain} is {domain.status}. Publish these records:")
        for record in extra.get("dns_records", ()):
            need = "required" if record.get("required") else "optional"
            state = f"({need}, {record.get('status') or 'unknown'})"
            show_text(f"{record['type']}  {record['name']}  {record['value']}  {state}")
        if domain.status != "verified":
            show_text(f"Then check them: multimail domains verify {domain.domain}")

    context.answer(domain.model_dump(mode="json"), show)


@command(webhooks, "list")
def list_webhooks(context: CommandContext) -> None:
    """List the webhooks."""
    with context.client() as client:
        hooks = client.list_webhooks()
    rows = [(hook.id, hook.status or "", ", ".join(hook.events), hook.url) for hook in hooks]
    data = {"webhooks": [hook.model_dump(mode="json") for hook in hooks]}
    heads = ("ID", "STATUS", "EVENTS", "URL")
    context.answer(data, lambda: _show_rows(heads, rows, "No webhooks."))


@command(webhooks, "add")
def add_webhook(
    context: CommandContext,
    target: Annotated[
        str, typer.Argument(metavar="URL", help="An https URL, or http on this machine.")
    ],
    events: Annotated[
        list[str], typer.Argument(metavar="EVENT", help="An event, such as email.received.")
    ],
) -> None:
    """Send events to a URL; the signing secret is shown only now.

    With --mailbox, only the events of that mailbox are sent.
    """
    with context.client() as client:
        webhook = client.create_webhook(target, events, mailbox=context.mailbox)
    context.answer(webhook.model_dump(mode="json"), lambda: _show_new_webhook(webhook))


def _show_new_webhook(webhook: NewWebhook) -> None:
    show_fields((("Webhook", webhook.id), ("Secret", webhook.signing_secret)))
    show_text("Store the secret: it is not shown again.")


@command(webhooks, "remove")
def remove_webhook(context: CommandContext, webhook: WebhookArgument) -> None:
    """Remove a webhook; its pending deliveries are dropped."""
    with context.client() as client:
        result = client.delete_webhook(webhook)
    context.answer(
        result.model_dump(mode="json"), lambda: show_text(f"Webhook {webhook} is removed.")
    )


@command(webhooks)
def deliveries(
    context: CommandContext,
    status: Annotated[str | None, typer.Option(help="pending, delivered or failed.")] = None,
) -> None:
    """Show the newest deliveries and their errors."""
    with context.client() as client:
        page = client.list_webhook_deliveries(status=status)
    data = {"deliveries": [row.model_dump(mode="json") for row in page]}
    heads = ("ID", "CREATED", "EVENT", "STATUS", "ATTEMPTS", "ERROR")
    rows = [
        (
            item.id,
            format_datetime(item.created_at),
            item.event or "",
            item.status,
            str(item.attempts),
            item.error or "",
        )
        for item in page
    ]
    context.answer(data, lambda: _show_rows(heads, rows, "No deliveries."))
