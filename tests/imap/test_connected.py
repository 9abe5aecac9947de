"""A connected mailbox: new mail arrives, replies are held, approved, sent and once in Sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from tests.imap.conftest import Connect, Serve
from tests.server.pages import Person
from tests.support.dovecot import PASSWORD, USER, Dovecot
from tests.support.server import ServerFixture, accepted
from tests.support.smtp_sink import SmtpSink

from multimail.trust.evidence import parse_event
from multimail.trust.labels import Label, assess
from multimail_server.mail.auth.imap_evidence import find_provider_dmarc
from multimail_server.mail.headers import read_headers
from multimail_server.sources.providers import get_provider
from multimail_server.testing import VirtualClock


def mail(subject: str, **headers: str) -> bytes:
    """Return a message to the account."""
    message = EmailMessage()
    fields = {"From": "ann@other.test", "To": USER, "Subject": subject,
              "Message-ID": f"<{subject.replace(' ', '-')}@other.test>",
              "Date": "Tue, 01 Dec 2026 09:00:00 +0000"}  # fmt: skip
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    for name, value in {**fields, **more}.items():
        message[name] = value
    message.set_content(f"About {subject}.")
    return message.as_bytes().replace(b"\n", b"\r\n")


def wait_for_tasks(server: ServerFixture) -> None:
    """Return when nothing is left to do at the provider."""
    box = server.mailbox.id
    server.wait_until(lambda: server.read(lambda tx: not tx.connected_tasks(box, 10)))


@pytest.mark.parametrize("place", ["file", "postgres"], indirect=True)
def test_a_held_reply_leaves_by_the_account_and_is_once_in_sent(
    connect: Connect, serve: Serve, dovecot: Dovecot, sink: SmtpSink
) -> None:
    assert connect().returncode == 0
    clock = VirtualClock(datetime.now(UTC))
    server = serve(clock=clock)
    dovecot.deliver(mail("Offer"))
    received = server.wait_for_message("Offer")
    accepted(server.agent.get(f"{server.box}/emails/{received['id']}"))
    held = accepted(server.reply(received["id"], "Gladly."), 202)
    assert server.pending()[0]["id"] == held["id"]
    accepted(server.decide(held["id"]))
    sent = sink.next()
    assert (sent.mail_from, sent.recipients) == (USER, ["ann@other.test"])
    server.wait_for_status(held["id"], "sent")
    assert dovecot.messages("Sent") == []
    clock.advance(timedelta(seconds=31))
    wait_for_tasks(server)
    ((copy, flags),) = dovecot.messages("Sent")
    assert (b"In-Reply-To: <Offer@other.test>" in copy, b"\\Seen" in flags) == (True, True)
    ((_, flags),) = dovecot.messages("INBOX")
    assert {b"\\Answered", b"\\Seen"} <= set(flags)


def test_mail_that_came_before_the_server_started_is_new(
    connect: Connect, serve: Serve, dovecot: Dovecot
) -> None:
    dovecot.deliver(mail("Older"))
    assert connect().returncode == 0
    dovecot.deliver(mail("Meanwhile"))
    server = serve()
    assert server.wait_for_message("Meanwhile")["status"] == "unread"
    assert server.wait_for_message("Older")["status"] == "read"


def test_a_wrong_password_is_one_sentence_and_the_right_one_lies_nowhere_in_clear(
    connect: Connect, data: Path
) -> None:
    refused = connect(password="battery staple")
    assert refused.returncode == 1
    assert "refused the login of me@home.test" in json.loads(refused.stderr)["error"]
    assert "battery" not in refused.stderr
    assert connect().returncode == 0
    files = [path for path in data.parent.iterdir() if path.is_file()]
    assert {f"{data.name}.key", data.name} <= {path.name for path in files}
    for path in files:
        assert PASSWORD.encode() not in path.read_bytes()
        assert path.stat().st_mode & 0o077 == 0


def test_older_mail_comes_as_read_and_threads_with_what_its_person_sent(
    connect: Connect, serve: Serve, dovecot: Dovecot
) -> None:
    question = {"Message_ID": "<q@other.test>"}
    answer = {"In_Reply_To": "<q@other.test>", "References": "<q@other.test>", "From": "x@any.test"}
    dovecot.deliver(mail("Question", **question))
    dovecot.deliver(mail("Re: Question", **answer), "Sent")
    assert connect().returncode == 0
    server = serve()
    asked = server.wait_for_message("Question")
    own = server.wait_for_message("Re: Question", direction="outbound")
    assert (asked["status"], own["status"]) == ("read", "sent")
    assert asked["thread_id"] == own["thread_id"]
    assert server.agent.get("/v1/events").json()["events"] == []
    ((_, flags),) = dovecot.messages("INBOX")
    assert b"\\Seen" not in flags


def test_a_password_that_changed_is_refused_in_the_list_of_mailboxes_and_in_doctor(
    server: ServerFixture, dovecot: Dovecot
) -> None:
    dovecot.kill()
    (dovecot.root / "users").write_text(f"{USER}:{{PLAIN}}another:::::\n")
    dovecot.start()
    server.wait_until(lambda: _get_state(server) == "refused")
    shown = subprocess.run(
        [sys.executable, "-c", "from multimail_cli.main import run; run()", "doctor"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "MULTIMAIL_API_KEY": server.keys.agent, "MULTIMAIL_API_URL": server.url},
    )  # fmt: skip
    assert shown.returncode == 1
    assert f"{USER} at its provider is refused" in shown.stdout
    ready = server.agent.get("/ready").json()
    assert (ready["status"], ready["disconnected"]) == ("degraded", 1)
    person = Person(server)
    person.sign_in(server.keys.reviewer)
    assert f"{USER} is connected, but its mail does not come or go now" in person.get("/").text


def _get_state(server: ServerFixture) -> str:
    (box,) = server.agent.get("/v1/mailboxes").json()["mailboxes"]
    assert box["source"] == "imap"
    return str(box["connection"]["state"])


def test_nothing_is_lost_or_doubled_by_kill_and_renumbering(
    server: ServerFixture, dovecot: Dovecot
) -> None:
    dovecot.deliver(mail("First"))
    server.wait_for_message("First")
    dovecot.kill()
    lists = dovecot.root.glob("mail/*/dovecot-uidlist")
    for path in [*lists, *dovecot.root.glob("mail/*/dovecot.index*")]:
        path.unlink()
    dovecot.start()
    dovecot.deliver(mail("Second"))
    server.wait_for_message("Second", timeout=60)
    assert sorted(row["subject"] for row in server.emails()) == ["First", "Second"]


def test_a_running_server_connects_and_disconnects_a_mailbox_for_its_admin_key(
    connect: Connect, serve: Serve, dovecot: Dovecot, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    refused = connect()
    assert (refused.returncode, "its admin key" in refused.stderr) == (1, True)
    key = server.keys.agent
    for name, value in (("URL", server.url), ("KEY", key)):
        monkeypatch.setenv(f"KEPT_MULTIMAIL_API_{name}", value)
    assert connect().returncode == 1  # An agent's key is not enough.
    monkeypatch.setenv("KEPT_MULTIMAIL_API_KEY", server.keys.admin)
    done = json.loads(connect().stdout)
    assert set(done["keys"]) == {"agent", "reviewer", "admin"}
    assert all(key.startswith("mm_live_") for key in done["keys"].values())
    dovecot.deliver(mail("Offer"))
    server.wait_until(
        lambda: server.read(
            lambda tx: tx.messages_by_rfc_id(done["mailbox"]["id"], "<Offer@other.test>", 1)
        )
    )
    assert json.loads(connect(command="disconnect").stdout)["cancelled"] == 0
    assert [box["source"] for box in server.agent.get("/v1/mailboxes").json()["mailboxes"]] == [
        "smtp"
    ]


@pytest.mark.parametrize("place", ["file", "postgres"], indirect=True)
@pytest.mark.parametrize("erase", [False, True])
def test_disconnecting_cancels_what_is_held_and_keeps_or_erases_the_copies(
    connect: Connect, serve: Serve, dovecot: Dovecot, erase: bool
) -> None:
    assert connect().returncode == 0
    server = serve()
    dovecot.deliver(mail("Offer"))
    received = server.wait_for_message("Offer")["id"]
    accepted(server.reply(received, "Gladly."), 202)
    server.stop()  # A file has one user.
    done = connect(*["--erase"] * erase, command="disconnect")
    assert json.loads(done.stdout)["cancelled"] == 1
    assert connect(command="disconnect").returncode == 1
    assert connect().returncode == 0
    again = serve()
    content = again.read(lambda tx: tx.content(received))
    assert (content is None or not content.raw) == erase
    box, name = again.mailbox.id, "<Offer@other.test>"
    (copy,) = again.wait_until(lambda: again.read(lambda tx: tx.messages_by_rfc_id(box, name, 2)))
    assert (copy.id != received, copy.status.value) == (True, "read")


def test_a_read_only_mailbox_is_opened_with_examine(
    connect: Connect, serve: Serve, dovecot: Dovecot
) -> None:
    assert connect("--mode", "read_only").returncode == 0
    server = serve()
    dovecot.deliver(mail("Offer"))
    accepted(server.agent.get(f"{server.box}/emails/{server.wait_for_message('Offer')['id']}"))
    wait_for_tasks(server)
    with dovecot.client() as client:
        client.select_folder("INBOX")
        # SELECT, unlike EXAMINE, takes \\Recent from a message (RFC 3501 section 6.3.2).
        ((_, row),) = client.fetch(client.search(), ["FLAGS"]).items()
        assert row[b"FLAGS"] == (b"\\Recent",)


FORMS = get_provider("gmail")
TRUE = b"Received: from a.test by mx.google.com with SMTP\r\n"
OTHER = b"Received: from a.test by a.test\r\n"


@pytest.mark.parametrize(
    ("header", "result"),
    [
        (TRUE + b"Authentication-Results: mx.google.com; dkim=fail; dmarc=fail (p=R)\r\n", "fail"),
        (b"Authentication-Results: mx.google.com; dmarc=fail\r\n" + TRUE, "fail"),
        (OTHER + b"Authentication-Results: mx.google.com; dmarc=fail\r\n", ""),
        (b"Authentication-Results: mx.google.com.evil.test; dmarc=pass\r\n" + TRUE, ""),
        (b"Authentication-Results: other.test; x=(mx.google.com); dmarc=fail\r\n", ""),
    ],
)  # fmt: skip
def test_only_the_provider_s_own_result_in_its_form_and_place_counts(
    header: bytes, result: str
) -> None:
    headers = read_headers(header + b"From: a@a.test\r\n\r\n")
    assert FORMS is not None
    assert find_provider_dmarc(headers, FORMS) == result


def test_mail_without_a_whole_signature_is_unknown_and_not_failed(
    server: ServerFixture, dovecot: Dovecot
) -> None:
    forged = {"Authentication_Results": "mx.google.com; dmarc=pass"}
    dovecot.deliver(mail("Rewritten", **forged))
    received = server.wait_for_message("Rewritten")
    evidence = parse_event(server.email(received["id"])).evidence
    assert assess(evidence).label is Label.UNKNOWN
