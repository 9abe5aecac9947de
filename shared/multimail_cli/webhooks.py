"""The webhook commands: list, add and remove webhooks, show deliveries. Admin keys only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .context import CommandContext, command
from .output import format_datetime, show_fields, show_table, show_text

if TYPE_CHECKING:
    from multimail.models import NewWebhook

app = typer.Typer(name="webhooks", no_args_is_help=True, help="Webhooks and their deliveries.")

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]


@command(app, "list")
def list_(context: CommandContext) -> None:
    """List the webhooks."""
    with context.client() as client:
        hooks = client.list_webhooks()
    rows = [(hook.id, hook.status or "", ", ".join(hook.events), hook.url) for hook in hooks]
    data = {"webhooks": [hook.model_dump(mode="json") for hook in hooks]}
    heads = ("ID", "STATUS", "EVENTS", "URL")
    context.answer(data, lambda: show_table(heads, rows) if rows else show_text("No webhooks."))


@command(app)
def add(
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
    context.answer(webhook.model_dump(mode="json"), lambda: _show_new(webhook))


def _show_new(webhook: NewWebhook) -> None:
    show_fields((("Webhook", webhook.id), ("Secret", webhook.signing_secret)))
    show_text("Store the secret: it is not shown again.")


@command(app)
def remove(context: CommandContext, webhook: WebhookArgument) -> None:
    """Remove a webhook; its pending deliveries are dropped."""
    with context.client() as client:
        result = client.delete_webhook(webhook)
    context.answer(
        result.model_dump(mode="json"), lambda: show_text(f"Webhook {webhook} is removed.")
    )


@command(app)
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
    context.answer(data, lambda: show_table(heads, rows) if rows else show_text("No deliveries."))
