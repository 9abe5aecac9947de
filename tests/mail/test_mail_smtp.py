"""The SMTP listener, in real conversations: what is answered 250 is stored, byte for byte."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from multimail_server.mail.envelope import SmtpEnvelope
from multimail_server.smtp.listener import InboundSmtp

RAW = b"From: a@example.net\r\nTo: box@here.test\r\nSubject: hi\r\n\r\nbody\r\n"
Stored = list[tuple[SmtpEnvelope, bytes]]
Open = Callable[..., tuple[int, Stored]]


@pytest.fixture
def listen() -> Iterator[Open]:
    """Start a listener for the domain here.test; return its port and what it stores."""
    with ExitStack() as stack:

        def start(
            receive: Callable[[SmtpEnvelope, bytes], bool | None] | None = None,
            max_bytes: int = 100_000,
        ) -> tuple[int, Stored]:
            stored: Stored = []

            def keep(envelope: SmtpEnvelope, raw: bytes) -> None:
                stored.append((envelope, raw))

            server = InboundSmtp(
                "127.0.0.1",
                0,
                knows_recipient=lambda address: address.lower().endswith("@here.test"),
                receive=receive or keep,
                max_bytes=max_bytes,
            )
            port = server.start()
            stack.callback(server.stop)
            return port, stored

        yield start


def test_mail_for_a_mailbox_is_stored_byte_for_byte(listen: Open) -> None:
    port, stored = listen()
    long_lines = b"x" * 900 + b"\r\n." + b"y" * (64 * 1024 - 1) + b"\r\n"
    raw = RAW + b".\r\n..two\r\n.three\r\n\xff\xfe 8-bit\r\n" + long_lines + b"\r\n\r\n"
    with smtplib.SMTP("127.0.0.1", port, "client.test") as client:
        assert client.sendmail("a@example.net", ["box@here.test", "BOX+x@here.test"], raw) == {}
    ((envelope, got),) = stored
    assert got == raw
    assert envelope == SmtpEnvelope(
        "a@example.net", ("box@here.test", "BOX+x@here.test"), "127.0.0.1", "client.test"
    )


def test_a_bounce_has_no_sender(listen: Open) -> None:
    port, stored = listen()
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail("", ["box@here.test"], RAW)
    assert stored[0][0].mail_from == ""


def test_other_domains_are_not_relayed(listen: Open) -> None:
    port, stored = listen()
    with smtplib.SMTP("127.0.0.1", port) as client:
        refused = client.sendmail("a@example.net", ["box@here.test", "x@else.test"], RAW)
        assert refused["x@else.test"][0] == 550
        assert refused["x@else.test"][1].startswith(b"5.1.1")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@example.net", ["x@else.test"], RAW)
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] >= 500
    assert [envelope.recipients for envelope, _ in stored] == [("box@here.test",)]


def test_what_is_too_big_is_refused(listen: Open) -> None:
    port, stored = listen(max_bytes=10_000)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert client.mail("a@example.net", ["SIZE=20000"])[0] == 552
        client.mail("a@example.net")
        client.rcpt("box@here.test")
        assert client.data(RAW + b"line\r\n" * 5000)[0] == 552
        assert client.sendmail("a@example.net", ["box@here.test"], RAW) == {}
    assert len(stored) == 1


def test_a_failure_to_store_asks_the_sender_to_try_again(listen: Open) -> None:
    tries: list[bytes] = []

    def flaky(_: SmtpEnvelope, raw: bytes) -> None:
        tries.append(raw)
        if len(tries) == 1:
            raise OSError("disk full")

    port, _ = listen(flaky)
    with smtplib.SMTP("127.0.0.1", port) as client:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            client.sendmail("a@example.net", ["box@here.test"], RAW)
        assert caught.value.smtp_code == 451
        assert "disk" not in str(caught.value)
        assert client.sendmail("a@example.net", ["box@here.test"], RAW) == {}
    assert tries == [RAW, RAW]


def test_250_comes_only_after_storing(listen: Open) -> None:
    release, entered = threading.Event(), threading.Event()

    def slow(_: SmtpEnvelope, __: bytes) -> None:
        entered.set()
        assert release.wait(60)

    port, _ = listen(slow)
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("a@example.net")
        client.rcpt("box@here.test")
        client.docmd("DATA")
        client.send(RAW + b".\r\n")
        assert entered.wait(60)
        assert client.sock is not None
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.sock.recv(10)
        # Another client is served at the same time.
        with smtplib.SMTP("127.0.0.1", port) as other:
            assert other.ehlo()[0] == 250
        release.set()
        client.sock.settimeout(10)
        assert client.sock.recv(100).startswith(b"250")


def test_commands_may_be_pipelined(listen: Open) -> None:
    port, stored = listen()
    with (
        socket.create_connection(("127.0.0.1", port), 10) as client,
        client.makefile("rb") as lines,
    ):
        client.sendall(
            b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<one@here.test>\r\n"
            b"RCPT TO:<two@else.test>\r\nRCPT TO:<three@here.test>\r\nDATA\r\n"
        )
        seen: list[bytes] = []
        while not seen or seen[-1] != b"354":
            line = lines.readline()
            seen += [line[:3]] if line[3:4] == b" " else []
        client.sendall(RAW + b".\r\nQUIT\r\n")
        seen += [lines.readline()[:3], lines.readline()[:3]]
    assert seen == [b"220", b"250", b"250", b"250", b"550", b"250", b"354", b"250", b"221"]
    assert stored[0][0].recipients == ("one@here.test", "three@here.test")


def test_addresses_may_be_utf8(listen: Open) -> None:
    port, stored = listen()
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        assert client.has_extn("smtputf8")
        assert client.has_extn("8bitmime")
        client.sendmail("jörg@example.net", ["bücher@here.test"], RAW, ["SMTPUTF8"])
    assert stored[0][0].mail_from == "jörg@example.net"
    assert stored[0][0].recipients == ("bücher@here.test",)


def test_a_line_feed_alone_does_not_end_a_message(listen: Open) -> None:
    port, stored = listen()
    smuggled = b"x\n.\r\nMAIL FROM:<e@e.test>\r\n"
    with smtplib.SMTP("127.0.0.1", port) as client:
        client.ehlo()
        client.mail("a@example.net")
        client.rcpt("box@here.test")
        client.docmd("DATA")
        client.send(RAW + smuggled + b".\r\n")
        assert client.getreply()[0] == 250
    assert len(stored) == 1
    assert stored[0][1] == RAW + smuggled


def test_stopping_waits_for_what_is_being_stored() -> None:
    entered, stored = threading.Event(), []

    def slow(_: SmtpEnvelope, raw: bytes) -> None:
        entered.set()
        threading.Event().wait(0.5)
        stored.append(raw)

    server = InboundSmtp("127.0.0.1", 0, knows_recipient=lambda _: True, receive=slow)
    port = server.start()
    client = smtplib.SMTP("127.0.0.1", port)
    client.ehlo()
    client.mail("a@example.net")
    client.rcpt("b@here.test")
    client.docmd("DATA")
    client.send(RAW + b".\r\n")
    assert entered.wait(60)
    server.stop()
    assert stored == [RAW]
    client.close()
    server.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), 2)


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = InboundSmtp(
            "127.0.0.1", port, knows_recipient=lambda _: True, receive=lambda *_: None
        )
        with pytest.raises(OSError, match="in use"):
            server.start()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_look_up_that_fails_asks_the_sender_to_try_again(at_once: bool) -> None:
    def knows(address: str) -> bool:
        if address.startswith("broken"):
            raise OSError("the disk is gone")
        return address.endswith("@here.test")

    stored: list[bytes] = []
    server = InboundSmtp(
        "127.0.0.1",
        0,
        knows_recipient=knows,
        receive=lambda _, raw: stored.append(raw),
        recipient_lookup_is_fast=at_once,
    )
    port = server.start()
    try:
        with smtplib.SMTP("127.0.0.1", port) as client:
            everyone = ["box@here.test", "x@else.test", "broken@here.test"]
            refused = client.sendmail("a@example.net", everyone, RAW)
    finally:
        server.stop()
    assert {address: code for address, (code, _) in refused.items()} == {
        "x@else.test": 550,
        "broken@here.test": 451,
    }
    assert stored == [RAW]


def test_a_client_that_was_gone_before_the_answer_repeats_itself(listen: Open) -> None:
    stored: list[bool] = []
    began, gone = threading.Event(), threading.Event()

    def receive(envelope: SmtpEnvelope, _: bytes) -> None:
        if not stored:
            began.set()
            assert gone.wait(60)
        stored.append(envelope.repeats_unanswered)

    port, _ = listen(receive)
    first = smtplib.SMTP("127.0.0.1", port, "x")
    first.ehlo()
    first.mail("a@example.net")
    first.rcpt("box@here.test")
    first.docmd("DATA")
    first.send(RAW + b".\r\n")
    assert began.wait(60)
    first.close()
    with smtplib.SMTP("127.0.0.1", port, "x") as client:
        client.ehlo()  # By now the listener has seen that the first client is gone.
        gone.set()
        while not stored:
            client.noop()
        for _ in range(2):
            client.sendmail("a@example.net", ["box@here.test"], RAW)
    assert stored == [False, True, False]
