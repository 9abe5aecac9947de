"""What an operator does with an admin key, or at the terminal of a stopped server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from multimail_server.config import ServerConfig
from multimail_server.server import EmbeddedServer
from multimail_server.testing.server import ServerUnderTest


def test_keys_are_made_listed_and_revoked(cli: Any) -> None:
    assert len(cli.ok("keys", key="admin")["keys"]) == 3
    made = cli.inside("keys", "make", "agent", "--name", "orders", key="admin")
    assert "not shown again" in made.out
    new = cli.ok("keys", "make", "reviewer", "--mailbox", cli.server.mailbox.address, key="admin")
    assert (new["scopes"], new["key"][:8]) == (["read", "oversight"], "mm_test_")
    listed = cli.inside("keys", key="admin").out
    assert "orders" in listed
    assert cli.server.mailbox.id in listed
    assert new["key"] not in listed
    assert cli.ok("keys", "revoke", new["id"], key="admin")["revoked"] is True
    assert cli.ok("keys", key="admin")["keys"][-1]["revoked_at"]


def test_an_agent_makes_no_key_and_is_sent_to_the_admin(cli: Any) -> None:
    refused = cli.inside("keys", "make", "reviewer")
    assert refused.status == 1
    assert "admin" in refused.err
    assert "--key-env" in refused.err


def test_lost_keys_are_replaced_over_the_data(tmp_path: Path, inside: Any) -> None:
    file = tmp_path / "mail.sqlite3"
    empty = inside("keys", "make", "admin", "--data", file)
    assert "no account" in empty.err
    config = ServerConfig(data=file, port=0, smtp_port=0)
    with EmbeddedServer(config):
        busy = inside("keys", "make", "admin", "--data", file)
        assert (busy.status, "is in use" in busy.err) == (1, True), busy.err
    made = inside("keys", "make", "admin", "--data", file, "--json").data
    with EmbeddedServer(config) as server:
        environment = {"MULTIMAIL_API_URL": server.url, "MULTIMAIL_API_KEY": made["key"]}
        keys = inside("keys", "--json", environment=environment).data["keys"]
    assert [key["name"] for key in keys] == ["agent", "reviewer", "admin", "admin"]
    unknown = inside("keys", "revoke", "key_none", "--data", file)
    assert (unknown.status, unknown.err.count("\n")) == (1, 1)
    assert "key_none" in unknown.err


def test_mailboxes_are_added_tightened_and_removed(cli: Any) -> None:
    added = cli.ok("mailboxes", "add", "sales", "--mode", "gated_send", key="admin")
    assert added["oversight_mode"] == "gated_send"
    changed = cli.ok("mailboxes", "change", added["address"], "--mode", "gated_all", key="admin")
    assert changed["oversight_mode"] == "gated_all"
    looser = cli.inside("mailboxes", "change", added["id"], "--mode", "autonomous", key="admin")
    assert looser.status == 1
    assert cli.inside("mailboxes", "change", added["id"], key="admin").status == 1
    cli.ok("mailboxes", "remove", added["address"], key="admin")
    assert [box["address"] for box in cli.ok("mailboxes")] == [cli.server.mailbox.address]


def test_domains_show_their_records_until_they_are_verified(cli: Any) -> None:
    shown = cli.inside("domains", "add", "example.com", key="admin").out
    assert "_domainkey.example.com" in shown
    assert "multimail domains verify example.com" in shown
    assert cli.ok("domains", "verify", "example.com", key="admin")["status"] == "pending"
    cli.ok("domains", "remove", "EXAMPLE.com", key="admin")
    assert cli.inside("domains", key="admin").out == "No domains.\n"
    assert cli.inside("domains", "verify", "example.com", key="admin").status == 1


def test_a_backup_is_restored_with_deliveries_paused(tmp_path: Path, inside: Any) -> None:
    file, copy, again = (tmp_path / name for name in ("mail.sqlite3", "copy", "again.sqlite3"))
    settings = ServerConfig(data=file, port=0, smtp_port=0, oversight_mode="autonomous")
    with ServerUnderTest(settings) as server:
        server.deliver("Hello?", subject="Kept", sender="ann@example.org")
        assert inside("backup", copy, "--data", file).status == 0
        assert copy.stat().st_mode & 0o777 == 0o600
        (tmp_path / "mail.sqlite3.key").touch()
        assert f"{file}.key" in inside("backup", tmp_path / "copy2", "--data", file).out
    assert "exists" in inside("backup", copy, "--data", file).err
    restored = inside("restore", copy, "--data", again)
    assert f"multimail resume --data {again}" in restored.out
    key = inside("keys", "make", "agent", "--data", again, "--json").data["key"]
    with ServerUnderTest(replace(settings, data=again)) as server:
        server.wait_for_message("Kept")
        environment = {"MULTIMAIL_API_URL": server.url, "MULTIMAIL_API_KEY": key}
        words = ("send", "--to", "bob@example.org", "--subject", "Once", "--body", "Hi.", "--json")
        sent = inside(*words, environment=environment).data["id"]
        assert httpx.get(f"{server.url}/ready").json()["paused"] is True
    assert "wait: 1" in inside("resume", "--data", again).out
    with ServerUnderTest(replace(settings, data=again)) as server:
        assert server.wait_for_message("Once", direction="outbound", status="sent")["id"] == sent
    assert "pg_dump" in inside("backup", copy, "--database", "postgresql://x").err


@pytest.mark.multimail_server(mode="autonomous")
def test_what_failed_is_sent_again_once(cli: Any, tmp_path: Path) -> None:
    file = tmp_path / "offer.txt"
    file.write_text("Ten francs.")
    with cli.server.http("admin") as admin:
        body = {"signature_block": "Ann"}
        admin.patch(f"/v1/mailboxes/{cli.server.mailbox.id}", json=body).raise_for_status()
        fault = {"operation": "relay", "status": 550, "times": 1}
        admin.post("/v1/test/faults", json=fault).raise_for_status()
    words = ("--to", "bob@example.org", "--subject", "Offer", "--body", "Hello.")
    failed = cli.ok("send", *words, "--attach", file)["id"]
    cli.server.wait_for_message("Offer", direction="outbound", status="send_failed")
    assert "suppression list" in cli.inside("resend", failed).err
    with cli.server.http("admin") as admin:
        admin.delete("/v1/suppression/bob@example.org").raise_for_status()
    again = cli.ok("resend", failed)
    sent = cli.server.wait_for_message("Offer", direction="outbound", status="sent")
    assert (sent["id"], cli.ok("resend", failed)["duplicate"]) == (again["id"], True)
    read = cli.ok("read", again["id"])
    assert read["markdown"] == cli.ok("read", failed)["markdown"] == "Hello.\n\n-- \nAnn"
    assert [row["name"] for row in read["attachments"]] == ["offer.txt"]
    assert "is sent" in cli.inside("resend", again["id"]).err
