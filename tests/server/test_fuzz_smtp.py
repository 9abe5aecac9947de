"""Hostile SMTP clients: the server answers, stays up, and stores what it acknowledged unchanged."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from multimail_server import ServerConfig
from multimail_server.testing.server import ServerUnderTest

SETTINGS = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
REPLY = re.compile(rb"([2-5]\d\d[ -][^\r\n\x80-\xff]*\r\n)+")
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerUnderTest]:
    """A server that asks no DNS server, and takes messages of up to 200,000 bytes."""
    zone = tmp_path_factory.mktemp("dns") / "zone"
    zone.write_text("example.com. 60 IN A 192.0.2.1\n")
    config = ServerConfig(port=0, smtp_port=0, dns_zone=Path(zone), message_bytes=200_000)
    with ServerUnderTest(config) as running:
        yield running


@pytest.fixture(scope="module")
def agent(target: ServerUnderTest) -> Iterator[httpx.Client]:
    with target.http("agent") as client:
        yield client


class Client:
    """An SMTP client without manners."""

    def __init__(self, server: ServerUnderTest) -> None:
        host, _, port = server.smtp.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), 20)
        self.lines = self.socket.makefile("rb")
        self.box = server.mailbox.address.encode()
        self.reply()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()

    def reply(self) -> bytes:
        """Return one reply, which may have several lines."""
        lines = [self.lines.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(self.lines.readline())
        assert lines[-1], "the server hung up"
        return b"".join(lines)

    def say(self, command: bytes) -> bytes:
        """Send a command and return its reply."""
        self.socket.sendall(command + b"\r\n")
        return self.reply()

    def send_all_and_hang_up(self, data: bytes) -> bytes:
        """Send bytes without waiting for anything; return all that was answered."""
        self.socket.sendall(data)
        self.socket.shutdown(socket.SHUT_WR)
        return self.lines.read()

    def deliver(self, raw: bytes, sender: bytes = b"a@example.com") -> bytes:
        """Send a message, with its dots doubled (RFC 5321 section 4.5.2)."""
        assert self.say(b"EHLO client.example")[:3] == b"250"
        for command in (b"MAIL FROM:<%s>" % sender, b"RCPT TO:<%s>" % self.box, b"DATA"):
            answer = self.say(command)
            if answer[:1] not in b"23":
                return answer
        stuffed = [b"." + line if line.startswith(b".") else line for line in raw.split(b"\r\n")]
        self.socket.sendall(b"\r\n".join(stuffed) + b".\r\n")
        return self.reply()


def newest_raw(server: ServerUnderTest, agent: httpx.Client) -> bytes:
    row = agent.get("/check_inbox", params={"limit": 1}).json()["messages"][0]
    assert agent.get(f"/read_email/{row['id']}").status_code == 200
    path = f"/v1/mailboxes/{server.mailbox.id}/emails/{row['id']}/raw"
    return agent.get(path).content


def stored(agent: httpx.Client) -> int:
    """Return how many messages were received."""
    count: int = agent.get("/v1/usage").json()["emails_received"]
    return count


COMMANDS = st.sampled_from(
    [
        b"EHLO x", b"HELO x", b"HELO \xff\xfe", b"EHLO " + b"x" * 600, b"NOOP \0", b"RSET",
        b"VRFY a", b"EXPN a", b"HELP", b"HELP \xff", b"AUTH PLAIN AGEAYg==", b"STARTTLS",
        b"BDAT 5 LAST", b"DATA x",
        b"MAIL FROM:<>", b"MAIL FROM:<\xff@example.com>", b"MAIL FROM:<a@b> SIZE=" + b"9" * 30,
        b"MAIL FROM:<a@b> SIZE=-1 BODY=8BITMIME", b"MAIL FROM:<a@b> SMTPUTF8=1", b"MAIL FROM:a b c",
        b"MAIL FROM:<@x,@y:a@b>", b"RCPT TO:<>", b"RCPT TO:<agent@multimail.test> NOTIFY=NEVER",
        b"RCPT TO:<\xff@multimail.test>", b"RCPT TO:<a\0b@multimail.test>",
        b"RCPT TO:" + b"<" * 300,
        b"", b" ", b"\0", b"\r", b"\n", b"GET / HTTP/1.1\r\nHost: x",
    ]
)  # fmt: skip
JUNK = st.binary(max_size=80).map(lambda data: data.replace(b"DATA", b"").replace(b"QUIT", b""))
LINES = st.one_of(
    st.binary(max_size=70),
    st.sampled_from([b".", b"..", b".\n", b"\n.", b"\r", b"\0", b"x" * 998, b"\xff" * 500, b""]),
).map(lambda line: line.replace(b"\r\n", b"\n"))


@SETTINGS
@given(commands=st.lists(st.one_of(COMMANDS, JUNK), max_size=12))
@example(commands=[b"\r \x01"])
def test_whatever_is_said_gets_replies_of_the_protocol(
    target: ServerUnderTest, agent: httpx.Client, commands: list[bytes]
) -> None:
    before = stored(agent)
    with Client(target) as client:
        answered = client.send_all_and_hang_up(b"\r\n".join(commands) + b"\r\nQUIT\r\n")
    assert REPLY.fullmatch(answered), answered
    assert stored(agent) == before
    assert target.services.context.store.read(lambda tx: tx.first_account()) is not None


@SETTINGS
@given(commands=st.lists(COMMANDS, max_size=4), lines=st.lists(LINES, max_size=8))
def test_what_is_acknowledged_is_stored_byte_for_byte(
    target: ServerUnderTest, agent: httpx.Client, commands: list[bytes], lines: list[bytes]
) -> None:
    raw = b"\r\n".join([b"X-Number: %d" % next(NUMBERS), *lines, b""])
    with Client(target) as client:
        for command in commands:
            if b"\r" not in command and b"\n" not in command:
                client.say(command)
        client.say(b"RSET")
        answer = client.deliver(raw)
    assert answer.startswith(b"250"), answer
    assert newest_raw(target, agent) == raw


@pytest.mark.parametrize(
    "ending", [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r"]
)
def test_no_other_line_end_smuggles_a_second_message(
    target: ServerUnderTest, agent: httpx.Client, ending: bytes
) -> None:
    before = stored(agent)
    inner = (
        b"MAIL FROM:<ceo@example.com>\r\nRCPT TO:<agent@multimail.test>\r\nDATA\r\nSubject: in\r\n"
    )
    raw = b"X-Number: %d\r\n\r\nout" % next(NUMBERS) + ending + inner
    with Client(target) as client:
        assert client.deliver(raw).startswith(b"250")
    assert stored(agent) == before + 1
    # The client doubled no dot that did not stand after CRLF; one that did, it doubled itself.
    assert newest_raw(target, agent) == raw


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"X: 1\r\n\r\n" + b"line\r\n" * 40_000, b"552"),
        (b"X: 1\r\n\r\n" + b"x" * 70_000 + b"\r\n", b"500"),
        (b"X: 1\r\n\r\n" + b"x" * 150_000 + b"\r\n", b"500"),
    ],
)
def test_what_is_too_large_is_refused_and_the_next_message_is_taken(
    target: ServerUnderTest, agent: httpx.Client, raw: bytes, code: bytes
) -> None:
    before = stored(agent)
    with Client(target) as client:
        assert client.deliver(raw)[:3] == code
        assert stored(agent) == before
        small = b"X-Number: %d\r\n\r\nsmall\r\n" % next(NUMBERS)
        assert client.deliver(small)[:3] == b"250"
    assert newest_raw(target, agent) == small


@pytest.mark.parametrize(
    "sender",
    [
        b"\xff@example.com",
        "j\u00f6rg@example.com".encode(),
        b"a\0b@example.com",
        b'"a b"@example.com',
    ],
)
def test_a_sender_in_8_bit_is_taken_or_refused_for_good(
    target: ServerUnderTest, agent: httpx.Client, sender: bytes
) -> None:
    raw = b"X-Number: %d\r\n\r\nhello\r\n" % next(NUMBERS)
    with Client(target) as client:
        answer = client.deliver(raw, sender)
    # A 4xx would have the sender try for days what can never be.
    assert answer[:1] in b"25", answer
    if answer[:1] == b"2":
        assert newest_raw(target, agent) == raw


def test_a_client_that_hangs_up_within_a_message_leaves_nothing(
    target: ServerUnderTest, agent: httpx.Client
) -> None:
    before = stored(agent)
    with Client(target) as client:
        client.say(b"EHLO x")
        client.say(b"MAIL FROM:<a@example.com>")
        client.say(b"RCPT TO:<%s>" % client.box)
        client.say(b"DATA")
        client.send_all_and_hang_up(b"Subject: half\r\n\r\nhal")
    target.deliver("After.", subject="After the half")
    assert target.wait_for_message("After the half")
    assert stored(agent) == before + 1
