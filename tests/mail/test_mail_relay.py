"""The relay, against real SMTP servers: accepted, refused and unknown results."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from multimail_server.workers.relay import (
    RecipientResult,
    RelayOutcomeUnknown,
    RelayUnavailable,
    SmtpRelay,
    parse_relay_url,
)

RAW = b"From: a@example.com\r\nSubject: hi\r\n\r\n.dot\r\nbody\r\n"
SECRET = "s3cret pass/word"


class Server:
    """What the relay under test talks to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str], bytes]] = []
        self.data_reply = "250 2.0.0 queued as 1"
        self.mail_reply = ""
        self.drop = False

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.mail_reply or "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        replies = {"no": "550 5.1.1 who?", "later": "450 4.2.1 greylisted"}
        reply = replies.get(address.partition("@")[0])
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        raw = envelope.original_content or b""
        self.taken.append((envelope.mail_from or "", list(envelope.rcpt_tos), raw))
        if self.drop:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.data_reply


def sign_in(_: SMTP, __: Session, ___: Envelope, ____: str, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == SECRET.encode()
    return AuthResult(success=good and data.login == b"user@x", handled=False)


@pytest.fixture
def run() -> Iterator[Callable[..., tuple[Server, int]]]:
    controllers: list[Controller] = []

    def start(**options: Any) -> tuple[Server, int]:
        server = Server()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        controller = Controller(server, "127.0.0.1", port, server_hostname="relay.test", **options)
        controller.start()
        controllers.append(controller)
        return server, port

    yield start
    for controller in controllers:
        controller.stop()


Run = Callable[..., tuple[Server, int]]


def test_each_recipient_has_its_own_result(run: Run) -> None:
    server, port = run()
    relay = parse_relay_url(f"smtp://127.0.0.1:{port}")
    everyone = ["a@x.test", "no@x.test", "later@x.test", "t..y.@x.test", "a\r\nRCPT TO:<e@x.test>"]
    results = relay.send("me@example.com", everyone, RAW)
    assert results["a@x.test"] == RecipientResult(True, 250, "2.0.0 queued as 1", False)
    assert results["no@x.test"] == RecipientResult(False, 550, "5.1.1 who?", True)
    assert results["later@x.test"] == RecipientResult(False, 450, "4.2.1 greylisted", False)
    assert (results[everyone[4]].accepted, results[everyone[4]].permanent) == (False, True)
    assert server.taken == [("me@example.com", ["a@x.test", "t..y.@x.test"], RAW)]


def test_nothing_is_sent_when_no_recipient_is_taken(run: Run) -> None:
    server, port = run()
    results = parse_relay_url(f"smtp://127.0.0.1:{port}").send("", ["no@x.test"], RAW)
    assert results["no@x.test"].code == 550
    assert server.taken == []


INTERNATIONAL = "To: jörg@x.test\r\n\r\nHi\r\n".encode()


@pytest.mark.parametrize(
    ("offered", "raw", "taken"),
    [
        (True, INTERNATIONAL, ["jörg@x.test", "b..c.@x.test"]),
        (True, RAW, ["jörg@x.test", "b..c.@x.test"]),
        (False, RAW, ["b..c.@x.test"]),
        (False, INTERNATIONAL, []),
    ],
)
def test_addresses_outside_ascii_need_smtputf8(
    run: Run, offered: bool, raw: bytes, taken: list[str]
) -> None:
    server, port = run(enable_SMTPUTF8=offered)
    relay = parse_relay_url(f"smtp://127.0.0.1:{port}")
    results = relay.send("me@example.com", ["jörg@x.test", "b..c.@x.test"], raw)
    assert [result.accepted for result in results.values()].count(True) == len(taken)
    assert [row[1:] for row in server.taken] == ([(taken, raw)] if taken else [])
    if not offered:
        refused = results["jörg@x.test"]
        assert (refused.code, refused.permanent) == (553, True)
        assert "does not offer SMTPUTF8" in refused.detail


@pytest.mark.parametrize(
    ("code", "permanent"), [("554 5.7.1 spam", True), ("452 4.3.1 full", False)]
)
def test_the_answer_to_the_message_counts_for_all(run: Run, code: str, permanent: bool) -> None:
    server, port = run()
    server.data_reply = code
    results = parse_relay_url(f"smtp://127.0.0.1:{port}").send("m@e.test", ["a@x.test"], RAW)
    assert results == {"a@x.test": RecipientResult(False, int(code[:3]), code[4:], permanent)}


def test_a_refused_sender_is_a_result(run: Run) -> None:
    server, port = run()
    server.mail_reply = "553 5.1.8 not yours"
    results = parse_relay_url(f"smtp://127.0.0.1:{port}").send("m@e.test", ["a@x.test"], RAW)
    assert results["a@x.test"] == RecipientResult(False, 553, "5.1.8 not yours", True)


def test_a_lost_answer_is_unknown_and_not_failed(run: Run) -> None:
    server, port = run()
    server.drop = True
    with pytest.raises(RelayOutcomeUnknown, match="may have been sent"):
        parse_relay_url(f"smtp://127.0.0.1:{port}").send("m@e.test", ["a@x.test"], RAW)
    assert len(server.taken) == 1


def test_unreachable_relay_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RelayUnavailable, match="ConnectionRefusedError"):
        parse_relay_url(f"smtp://127.0.0.1:{port}").send("m@e.test", ["a@x.test"], RAW)


def test_a_silent_server_is_unavailable() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        relay = SmtpRelay("127.0.0.1", mute.getsockname()[1], timeout=0.3)
        with pytest.raises(RelayUnavailable, match="nothing was sent"):
            relay.send("m@e.test", ["a@x.test"], RAW)


def test_it_signs_in_and_never_shows_the_password(run: Run) -> None:
    options = {"authenticator": sign_in, "auth_required": True, "auth_require_tls": False}
    server, port = run(**options)
    relay = parse_relay_url(f"smtp://user%40x:s3cret%20pass%2Fword@127.0.0.1:{port}")
    assert "s3cret" not in repr(relay) + str(relay)
    assert relay.send("m@e.test", ["a@x.test"], RAW)["a@x.test"].accepted
    wrong = parse_relay_url(f"smtp://user%40x:wr0ng@127.0.0.1:{port}")
    with pytest.raises(RelayUnavailable) as caught:
        wrong.send("m@e.test", ["a@x.test"], RAW)
    assert "wr0ng" not in f"{caught.value!r} {caught.value}"
    assert len(server.taken) == 1


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    try:
        subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl cannot make a certificate here")
    return folder


def test_tls_is_used_when_offered_and_insisted_on_when_required(
    run: Run, certificate: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    server, port = run(tls_context=context, require_starttls=True)
    trusting = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    relay = SmtpRelay("127.0.0.1", port, starttls="require", tls=trusting)
    assert relay.send("m@e.test", ["a@x.test"], RAW)["a@x.test"].accepted
    tried = parse_relay_url(f"smtp://127.0.0.1:{port}?starttls=try")
    assert tried.send("m@e.test", ["a@x.test"], RAW)["a@x.test"].accepted
    with pytest.raises(RelayUnavailable, match="SSLCertVerificationError"):
        parse_relay_url(f"smtp://127.0.0.1:{port}?starttls=require").send(
            "m@e.test", ["a@x.test"], RAW
        )
    assert len(server.taken) == 2


def test_required_tls_that_is_not_offered_is_unavailable(run: Run) -> None:
    server, port = run()
    with pytest.raises(RelayUnavailable, match="offers no STARTTLS"):
        parse_relay_url(f"smtp://127.0.0.1:{port}?starttls=require").send(
            "m@e.test", ["a@x.test"], RAW
        )
    assert server.taken == []


@pytest.mark.parametrize(
    ("url", "port", "starttls"),
    [
        ("smtp://mail.test", 25, "try"),
        ("smtp://u:p@mail.test", 587, "require"),
        ("smtp://u:p@localhost:1025", 1025, "try"),
        ("smtps://u:p@mail.test", 465, "require"),
        ("smtp://mail.test:26?starttls=never", 26, "never"),
    ],
)
def test_a_url_names_a_relay(url: str, port: int, starttls: str) -> None:
    relay = parse_relay_url(url)
    assert isinstance(relay, SmtpRelay)
    assert (relay.port, relay.starttls) == (port, starttls)


@pytest.mark.parametrize(
    "url",
    [
        "http://x.test",
        "smtp://",
        "mail.test",
        "smtp://u:pa/ss@x.test",
        "smtp://u:pass@x.test:port",
        "smtp://u:pass@x.test?starttls=maybe",
        "smtp://u:pass@x.test?tls=1",
        "smtp://u:pass@[x",
    ],
)
def test_a_url_that_names_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match="relay URL") as caught:
        parse_relay_url(url)
    assert "pa" not in str(caught.value).replace("password", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
