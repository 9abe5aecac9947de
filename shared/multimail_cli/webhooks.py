"""Webhook commands: who is told what, and what became of it. They need an admin's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .output import show_fields, show_table, show_text, when
from .session import Session, command

if TYPE_CHECKING:
    from multimail.models import NewWebhook

app = typer.Typer(name="webhooks", no_args_is_help=True, help="Webhooks: subscriptions, history.")

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The webhook's id.")]


@command(app, "list")
def list_(session: Session) -> None:
    """List the webhooks."""
    with session.client() as client:
        found = client.list_webhooks()
    rows = [(one.id, one.status or "", ", ".join(one.events), one.url) for one in found]
    data = {"webhooks": [one.model_dump(mode="json") for one in found]}
    heads = ("ID", "STATUS", "EVENTS", "URL")
    session.answer(data, lambda: show_table(heads, rows) if rows else show_text("No webhooks."))


@command(app)
def add(
    session: Session,
    target: Annotated[str, typer.Argument(metavar="URL", help="https, or http on this machine.")],
    events: Annotated[list[str], typer.Argument(metavar="EVENT", help="Such as email.received.")],
) -> None:
    """Post events to a URL; the signing secret is shown this once.

    With --mailbox only that mailbox's events are posted.
    """
    with session.client() as client:
        made = client.create_webhook(target, events, mailbox=session.mailbox)
    session.answer(made.model_dump(mode="json"), lambda: _show_new(made))


def _show_new(made: NewWebhook) -> None:
    show_fields((("Webhook", made.id), ("Secret", made.signing_secret)))
    show_text("Keep the secret: it is not shown again.")


@command(app)
def remove(session: Session, webhook: WebhookArgument) -> None:
    """End a webhook; what was still to be delivered to it is not."""
    with session.client() as client:
        done = client.delete_webhook(webhook)
    session.answer(done.model_dump(mode="json"), lambda: show_text(f"Webhook {webhook} is ended."))


@command(app)
def deliveries(
    session: Session,
    status: Annotated[str | None, typer.Option(help="pending, delivered or failed.")] = None,
) -> None:
    """Show the newest deliveries, and why some failed."""
    with session.client() as client:
        page = client.list_webhook_deliveries(status=status)
    data = {"deliveries": [one.model_dump(mode="json") for one in page]}
    heads = ("ID", "MADE", "EVENT", "STATUS", "TRIES", "ERROR")
    rows = [
        (one.id, when(one.created_at), one.event or "", one.status, str(one.attempts),
         one.error or "")
        for one in page
    ]  # fmt: skip
    session.answer(data, lambda: show_table(heads, rows) if rows else show_text("No deliveries."))
