"""Connections that break and processes that are killed: nothing is lost, and nothing is twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.imap.conftest import Connect, Serve
from tests.imap.test_connected import mail, wait_for_tasks
from tests.support.cutting_proxy import CuttingProxy, Moment
from tests.support.dovecot import Dovecot
from tests.support.server import ServerFixture, accepted
from tests.support.server_launcher import ServerLauncher
from tests.support.smtp_sink import SinkMessage, SmtpSink

from multimail_server.oversight import State
from multimail_server.store.protocol import Reader
from multimail_server.testing import VirtualClock

SECONDS = timedelta(seconds=31)
_END = b"\r\n.\r\n"
IMAP: tuple[tuple[bytes, Moment], ...] = (
    (b"LOGIN", "within"), (b" IDLE", "before"), (b"HEADER.FIELDS", "within"),
    (b"BODY.PEEK[]", "within"), (b" STORE", "after"), (b"In-Reply-To", "after"),
)  # fmt: skip
"""What is cut in a session of IMAP; the field is one of the message that is put into Sent."""
SMTP: tuple[tuple[bytes, Moment], ...] = (
    (b"AUTH", "after"), (b"rcpt", "after"), (b"DATA", "after"), (_END, "before"), (_END, "after"),
)  # fmt: skip


@pytest.fixture
def imap(dovecot: Dovecot) -> Iterator[CuttingProxy]:
    """What stands before the provider's IMAP; it passes answers on in half lines."""
    with CuttingProxy(dovecot.imap_port, piece=29) as proxy:
        yield proxy


@pytest.fixture
def smtp(dovecot: Dovecot) -> Iterator[CuttingProxy]:
    """What stands before the provider's submission."""
    with CuttingProxy(dovecot.smtp_port) as proxy:
        yield proxy


@pytest.fixture
def clock() -> VirtualClock:
    """The server's clock: a provider has 30 s to put a message into Sent."""
    return VirtualClock(datetime.now(UTC))


@pytest.fixture
def behind(
    connect: Connect, serve: Serve, imap: CuttingProxy, smtp: CuttingProxy, clock: VirtualClock
) -> ServerFixture:
    """A server that reaches the account through both proxies."""
    hosts = ("--imap", f"127.0.0.1:{imap.port}", "--smtp", f"127.0.0.1:{smtp.port}")
    done = connect(*hosts, "--mode", "autonomous")
    assert done.returncode == 0, done.stderr
    return serve(clock=clock)


def require_once(server: ServerFixture, dovecot: Dovecot, sink: SmtpSink, count: int) -> None:
    """Check that each message arrived, was answered and is in Sent, once."""
    once = {f"Mail {number}": 1 for number in range(count)}
    replies = {f"Re: {subject}": 1 for subject in once}
    assert Counter(row["subject"] for row in server.emails(direction="inbound")) == once
    assert Counter(row["subject"] for row in server.emails(direction="outbound")) == replies
    assert Counter(str(message.parsed["Subject"]) for message in sink.messages) == replies
    ids = [raw.partition(b"Message-ID: ")[2].split()[0] for raw, _ in dovecot.messages("Sent")]
    assert len(set(ids)) == len(ids) == count


def test_a_session_that_breaks_at_any_command_loses_and_doubles_nothing(
    behind: ServerFixture, dovecot: Dovecot, imap: CuttingProxy, sink: SmtpSink, clock: VirtualClock
) -> None:
    for number, (command, moment) in enumerate(IMAP):
        imap.arm(moment, command)
        if command == b"LOGIN":
            dovecot.kill()
            dovecot.start()
        dovecot.deliver(mail(f"Mail {number}"))
        received = behind.wait_for_message(f"Mail {number}")["id"]
        accepted(behind.agent.get(f"{behind.box}/emails/{received}"))
        sent = accepted(behind.reply(received, "Gladly."), 202)["id"]
        behind.wait_for_status(sent, "sent")
        clock.advance(SECONDS)
        wait_for_tasks(behind)
        assert imap.cut.is_set(), (command, moment)
    require_once(behind, dovecot, sink, len(IMAP))
    flags = [set(flags) for _, flags in dovecot.messages("INBOX")]
    assert all({b"\\Answered", b"\\Seen"} <= row for row in flags)


def test_a_send_whose_answer_is_lost_is_looked_for_in_sent_before_it_is_sent_again(
    behind: ServerFixture, dovecot: Dovecot, smtp: CuttingProxy, sink: SmtpSink, clock: VirtualClock
) -> None:
    sink.on_message = partial(_file, dovecot)
    for number, (command, moment) in enumerate(SMTP):
        dovecot.deliver(mail(f"Mail {number}"))
        received = behind.wait_for_message(f"Mail {number}")["id"]
        smtp.arm(moment, command)
        sent = accepted(behind.reply(received, "Gladly."), 202)["id"]
        behind.wait_until(partial(_was_tried, behind, sent))
        assert smtp.cut.is_set()
        if (command, moment) == (_END, "after"):
            sink.next()
        clock.advance(SECONDS)
        behind.wait_for_status(sent, "sent")
        wait_for_tasks(behind)
    require_once(behind, dovecot, sink, len(SMTP))


@pytest.mark.parametrize("is_sending", [False, True], ids=["fetch", "data"])
def test_a_server_that_is_killed_before_the_answer_does_its_work_once(
    connect: Connect, serve: Serve, dovecot: Dovecot, imap: CuttingProxy, smtp: CuttingProxy,
    sink: SmtpSink, data: Path, clock: VirtualClock, is_sending: bool,
) -> None:  # fmt: skip
    sink.on_message = partial(_file, dovecot)
    hosts = ("--imap", f"127.0.0.1:{imap.port}", "--smtp", f"127.0.0.1:{smtp.port}")
    assert connect(*hosts, "--mode", "autonomous").returncode == 0
    proxy, command = (smtp, _END) if is_sending else (imap, b"BODY.PEEK[]")
    with (
        ServerLauncher(data.with_name("log")) as launcher,
        launcher.serve("--data", str(data)) as killed,
    ):
        box, key = killed.banner["mailbox"]["id"], killed.banner["keys"]["agent"]
        proxy.on_cut = killed.kill
        proxy.arm("after", command)
        if is_sending:
            body = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello"}
            url = f"{killed.banner['url']}/v1/mailboxes/{box}/send"
            with suppress(httpx.HTTPError):
                httpx.post(url, json=body, headers={"Authorization": f"Bearer {key}"})
        else:
            dovecot.deliver(mail("Offer"))
        assert proxy.cut.wait(60)
    if is_sending:
        sink.next()
    clock.advance(10 * SECONDS)  # The killed server was on real time.
    server = serve(clock=clock)
    server.wait_until(lambda: server.read(lambda tx: _is_settled(tx, box, is_sending)))
    server.stop()
    assert (len(sink.messages), len(dovecot.messages("Sent"))) == (int(is_sending),) * 2


def _is_settled(tx: Reader, box: str, is_sending: bool) -> bool:
    wanted = [State.SENT] if is_sending else [State.UNREAD]
    return len(tx.messages_in_states(box, wanted)) == 1


def _file(dovecot: Dovecot, message: SinkMessage) -> None:
    dovecot.deliver(message.raw, "Sent")


def _was_tried(server: ServerFixture, message_id: str) -> bool:
    row = server.read(lambda tx: tx.outbox_row(message_id))
    return row is not None and row.attempts > 0
