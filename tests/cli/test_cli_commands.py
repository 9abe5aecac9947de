"""Every command does what it says, for people and for programs, and fails in one clear line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

EML = b"From: Ann <ann@example.com>\r\nTo: x@example.org\r\nSubject: %s\r\n\r\nFrom a file.\r\n"
KEY = re.compile(r"mm_(?:test|live)_[A-Za-z0-9]{6,}")


def deliver(cli: Any, subject: str = "An order", text: str = "Twelve wrenches, please.") -> str:
    cli.server.deliver(text, subject=subject, sender="ann@example.com")
    return str(cli.ok("inbox")["emails"][0]["id"])


def test_mailboxes_are_listed_with_their_oversight(cli: Any) -> None:
    assert [mailbox["address"] for mailbox in cli.ok("mailboxes")] == [cli.server.mailbox.address]
    shown = cli("mailboxes").out
    assert cli.server.mailbox.address in shown
    assert "gated_send" in shown


def test_the_inbox_is_listed_and_filtered(cli: Any) -> None:
    deliver(cli, "First")
    deliver(cli, "Second")
    assert [mail["subject"] for mail in cli.ok("inbox")["emails"]] == ["Second", "First"]
    page = cli.ok("inbox", "--limit", "1")
    assert len(page["emails"]) == 1
    older = cli.ok("inbox", "--cursor", page["cursor"])
    assert [mail["subject"] for mail in older["emails"]] == ["First"]
    assert "Second" in cli("inbox", "--subject", "sec").out
    assert cli("inbox", "--from", "nobody@example.com").out == "No mail matches.\n"
    assert all(mail["trust"]["label"] != "authenticated" for mail in cli.ok("inbox")["emails"])


def test_mail_is_searched_and_marked(cli: Any) -> None:
    first, second = deliver(cli, "First"), deliver(cli, "Second", "Other words.")
    assert [mail["id"] for mail in cli.ok("search", "wrenches", "from:ann")["emails"]] == [first]
    assert "First" in cli("search", "twelve wrench*").out
    assert cli("search", "nowhere").out == "No mail matches.\n"
    marked = cli.ok("mark", "archived", first, second)
    assert [row["status"] for row in marked] == ["archived", "archived"]
    assert cli.ok("inbox")["emails"] == []
    assert "unread" in cli("mark", "unread", second).out
    assert [mail["id"] for mail in cli.ok("inbox")["emails"]] == [second]


def test_a_message_is_read_whole_raw_and_as_a_thread(cli: Any) -> None:
    email = deliver(cli)
    assert "Twelve wrenches" in cli.ok("read", email)["markdown"]
    shown = cli("read", email).out
    assert "Subject: An order" in shown
    assert "ann@example.com" in shown
    assert "Twelve wrenches, please." in shown
    assert "Subject: An order" in cli.ok("read", email, "--raw")["raw"]
    thread = cli.ok("read", email)["thread_id"]
    assert [message["id"] for message in cli.ok("thread", thread)["messages"]] == [email]
    assert "Twelve wrenches" in cli("thread", email).out


def test_a_send_waits_for_the_reviewer_and_leaves_once_approved(cli: Any) -> None:
    to = ("--to", "bob@example.com", "--subject", "Offer")
    sent = cli.ok("send", *to, "--body", "Ten francs.")
    assert sent["held"] is True
    assert cli.ok("outbox") == {"messages": []}
    queue = cli("pending", key="reviewer").out
    assert "bob@example.com" in queue
    assert "Ten francs." in queue
    item = cli.ok("pending", key="reviewer")["pending"][0]
    decided = cli.ok("approve", sent["id"], "--content-hash", item["content_hash"], key="reviewer")
    assert decided["delivered"] is True
    assert [message["id"] for message in cli.ok("outbox")["messages"]] == [sent["id"]]
    assert "bob@example.com" in cli("outbox").out


def test_a_reply_takes_its_text_from_stdin_or_a_file_and_can_be_rejected(
    cli: Any, tmp_path: Path
) -> None:
    email = deliver(cli)
    first = cli.ok("reply", email, stdin="From standard input.")
    file = tmp_path / "body.md"
    file.write_text("From a file.", encoding="utf-8")
    second = cli("reply", email, "--body-file", file)
    assert "waits for approval" in second.out
    refused = cli("reject", first["id"], "--reason", "Too short.", key="reviewer")
    assert refused.out == f"{first['id']} is rejected; it will not be sent\n"
    assert "Too short." in cli("read", first["id"]).out
    bodies = [message["markdown"] for message in cli.ok("thread", email)["messages"]]
    assert [body.strip() for body in bodies[1:]] == ["From standard input.", "From a file."]


def test_a_pending_message_is_withdrawn_by_its_author(cli: Any) -> None:
    sent = cli.ok("send", "--to", "bob@example.com", "--subject", "Oops", "--body", "No.")
    assert cli("cancel", sent["id"]).out == f"{sent['id']} is cancelled\n"
    assert cli.ok("cancel", sent["id"])["status"] == "cancelled"
    assert cli("pending", key="reviewer").out == "No message waits for approval.\n"


def test_one_idempotency_key_sends_once(cli: Any) -> None:
    send = ("send", "--to", "bob@example.com", "--subject", "Once", "--body", "One.")
    first = cli.ok(*send, "--idempotency-key", "k1")
    assert first["duplicate"] is False
    again = cli.ok(*send, "--idempotency-key", "k1")
    assert again["id"] == first["id"]
    assert again["duplicate"] is True
    assert "nothing was sent again" in cli(*send, "--idempotency-key", "k1").out


def test_files_mailboxes_and_directories_are_injected(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "one.eml").write_bytes(EML % b"One")
    box = b"".join(
        b"From ann@example.com Sat Nov 21 00:00:00 2026\n"
        + (EML % name).replace(b"\r\n", b"\n").replace(b"From a", b">From a")
        + b"\n"
        for name in (b"Two", b"Three")
    )
    (tmp_path / "more.mbox").write_bytes(box)
    done = cli.ok("inject", tmp_path)
    assert {mail["subject"] for mail in done["injected"]} == {"One", "Two", "Three"}
    assert {mail["subject"] for mail in cli.ok("inbox")["emails"]} == {"One", "Two", "Three"}
    assert cli("inject", tmp_path / "one.eml").out.endswith("Delivered: 1\n")
    assert "stdin is delivered" in cli("inject", "-", stdin=(EML % b"Piped").decode()).out
    (tmp_path / "one.eml").write_bytes(b"Message-ID: <1@example.com>\r\n" + EML % b"One")
    for answer in ("Delivered: 1\n", "Delivered: 0; already there: 1\n"):
        shown = cli("inject", tmp_path / "one.eml").out
        assert shown.startswith("one.eml is" if "0" not in answer else "one.eml was there already")
        assert shown.endswith(answer)


def test_the_audit_trail_names_what_happened(cli: Any) -> None:
    sent = cli.ok("send", "--to", "bob@example.com", "--subject", "Log", "--body", "Text.")
    entries = cli.ok("audit", key="admin")["entries"]
    assert sent["id"] in {entry["resource_id"] for entry in entries}
    assert sent["id"] in cli("audit", key="admin").out


def test_waiting_ends_with_the_message_or_with_a_clear_error(cli: Any) -> None:
    before = deliver(cli, "Before")
    deliver(cli, "After")
    message = cli.ok("wait", "--since", before, "--timeout", "5")
    assert message["subject"] == "After"
    late = cli.inside("wait", "--timeout", "0", "--json")
    assert late.status == 1
    assert late.error["code"] == "timeout"
    assert late.out == ""


def test_agent_key_cannot_decide_and_the_error_names_a_key_that_can(cli: Any) -> None:
    sent = cli.ok("send", "--to", "bob@example.com", "--subject", "Mine", "--body", "Text.")
    refused = cli("approve", sent["id"])
    assert refused.status == 1
    assert refused.out == ""
    assert refused.err.count("\n") == 1
    assert "reviewer's key" in refused.err
    assert "--key-env" in refused.err
    assert "reviewer's key" in cli.inside("reject", sent["id"], "--json").error["remedy"]
    assert cli.ok("outbox") == {"messages": []}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("read", "msg_nothing"), "msg_nothing"),
        (("thread", "thr_nothing"), "thr_nothing"),
        (("send", "--to", "no address", "--subject", "s", "--body", "b"), "not an email address"),
        (("send", "--to", "a@example.com", "--subject", "s"), "message is empty"),
        (("reply", "msg_1", "--body-file", "no/such/file"), "no/such/file"),
        (("inject", "no-such-file.eml"), "no-such-file.eml"),
        (("inbox", "--mailbox", "other@example.com"), "other@example.com"),
    ],
)
def test_an_error_is_one_line_and_one_json_document(
    cli: Any, arguments: tuple[str, ...], words: str
) -> None:
    ran = cli(*arguments)
    assert ran.status == 1
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert words in ran.err
    assert "Traceback" not in ran.err
    error = cli.inside(*arguments, "--json").error
    assert set(error) == {"error", "code", "remedy"}
    assert words in error["error"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("read",),
        ("unheard-of",),
        ("inbox", "--limit", "many"),
        ("inbox", "--api-key", "mm_test_x"),
        ("send", "--to", "a@b.example", "--subject", "s", "--body", "b", "--body-file", "f"),
        ("demo", "--decision", "perhaps"),
        ("serve", "--memory", "--data", "file"),
        ("serve", "--database", "postgresql://host/name", "--data", "file"),
        ("serve", "--database", "postgresql://host/name", "--memory"),
    ],
)
def test_wrong_usage_ends_with_status_2(
    multimail: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    ran = multimail(*arguments, environment={"MULTIMAIL_API_KEY": "mm_test_none"})
    assert ran.status == 2
    assert ran.out == ""
    assert "Usage:" in ran.err


def test_without_a_key_or_a_server_it_says_what_to_set(
    multimail: Callable[..., Any], inside: Callable[..., Any]
) -> None:
    keyless = multimail("inbox")
    assert keyless.status == 1
    assert "MULTIMAIL_API_KEY" in keyless.err
    other = inside("inbox", "--key-env", "OTHER_KEY", "--json")
    assert "OTHER_KEY" in other.error["error"]
    environment = {"MULTIMAIL_API_KEY": "mm_test_secret123", "MULTIMAIL_API_URL": "ftp://host"}
    assert "not an http(s) URL" in inside("inbox", environment=environment).err


def test_no_output_holds_the_key(cli: Any, multimail: Callable[..., Any]) -> None:
    for arguments in (("doctor",), ("inbox",), ("read", "msg_none"), ("doctor", "--json")):
        ran = cli.inside(*arguments)
        assert not KEY.search(ran.out + ran.err)
    environment = {
        "MULTIMAIL_API_KEY": "mm_test_0123456789abcdef",
        "MULTIMAIL_API_URL": cli.server.url,
    }
    refused = multimail("read", "mm_test_0123456789abcdef", environment=environment)
    assert refused.status == 1
    assert "0123456789abcdef" not in refused.out + refused.err


def test_mail_cannot_drive_the_terminal(cli: Any) -> None:
    evil = "\x1b]0;owned\x07\x1b[31m[bold red]loud[/bold red] :smile: \u202egnp.exe\x9b2J end"
    email = deliver(cli, "[blink]subject[/blink] :boom:", evil)
    for arguments in (("inbox",), ("read", email), ("thread", email), ("read", email, "--raw")):
        shown = cli(*arguments).out
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
        assert "[blink]subject[/blink] :boom:" in shown
    text = cli("read", email).out
    assert "[bold red]loud[/bold red] :smile:" in text
    assert "gnp.exe" in text
    assert "owned" not in text
    as_json = cli.inside("read", email, "--json").out
    assert as_json.isascii()
    assert "\x1b" not in as_json


def test_the_commands_start_without_the_heavy_packages(multimail: Callable[..., Any]) -> None:
    import subprocess

    probe = (
        "import sys, multimail_cli.main; "
        "print([m for m in ('httpx', 'pydantic', 'rich', 'uvicorn', 'langchain') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
    assert multimail("--version").out.startswith("multimail ")
