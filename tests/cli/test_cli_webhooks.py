"""`multimail webhooks`: subscriptions from the command line, for people and for programs."""

from __future__ import annotations

import socket
from typing import Any

URL = "https://hooks.example/in"


def test_webhooks_are_made_listed_and_removed(cli: Any) -> None:
    assert cli.inside("webhooks", "list", key="admin").out == "No webhooks.\n"
    made = cli.ok("webhooks", "add", URL, "email.received", "email.bounced", key="admin")
    assert made["signing_secret"].startswith("whsec_")
    [listed] = cli.ok("webhooks", "list", key="admin")["webhooks"]
    assert (listed["id"], listed["url"], listed["status"]) == (made["id"], URL, "enabled")
    assert "signing_secret" not in listed
    shown = cli.inside("webhooks", "list", key="admin").out
    assert "email.received, email.bounced" in shown
    assert cli.ok("webhooks", "remove", made["id"], key="admin")["status"] == "deleted"
    assert cli.ok("webhooks", "list", key="admin")["webhooks"] == []


def test_the_secret_is_shown_to_a_person_once(cli: Any) -> None:
    address = cli.server.mailbox.address
    added = cli.inside("webhooks", "add", URL, "email.received", "--mailbox", address, key="admin")
    assert added.status == 0
    assert "whsec_" in added.out
    assert "not shown again" in added.out
    [hook] = cli.ok("webhooks", "list", key="admin")["webhooks"]
    assert hook["mailbox_id"] == cli.server.mailbox.id
    assert "whsec_" not in cli.inside("webhooks", "list", key="admin").out


def test_deliveries_say_why_they_failed(cli: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    cli.ok("webhooks", "add", f"http://127.0.0.1:{port}/", "email.received", key="admin")
    assert cli.inside("webhooks", "deliveries", key="admin").out == "No deliveries.\n"
    cli.server.deliver()

    def tried() -> Any:
        rows = cli.ok("webhooks", "deliveries", "--status", "pending", key="admin")["deliveries"]
        return rows[0] if rows and rows[0]["attempts"] else None

    row = cli.server.services.context.commits.wait_for(tried, 60)
    assert row["error"] == "it could not be reached (ConnectError)"
    assert "ConnectError" in cli.inside("webhooks", "deliveries", key="admin").out


def test_error_names_the_missing_scope(cli: Any) -> None:
    refused = cli.inside("webhooks", "list", key="agent")
    assert refused.status == 1
    assert "admin" in refused.err
