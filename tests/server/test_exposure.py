"""What a server shows to others: its files, its links, its limits for clients that misbehave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.server import ServerFixture, Start

from multimail_server import ServerStartError
from multimail_server.api import app, connections
from multimail_server.api.connections import ConnectionLimits

HALF = b"POST /v1/mailboxes HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@contextmanager
def connect(server: ServerFixture, data: bytes, source: str = "127.0.0.1") -> Iterator[Any]:
    """Connect, send, and yield the socket."""
    where = urlsplit(server.url)
    address = (where.hostname, where.port)
    with socket.create_connection(address, 30, source_address=(source, 0)) as client:
        client.sendall(data)
        yield client


def read_all(client: socket.socket) -> bytes:
    """Return what comes until the server ends the connection."""
    answer = b""
    try:
        while piece := client.recv(65_536):
            answer += piece
    except ConnectionResetError:
        pass
    return answer


@pytest.mark.usefixtures("open_umask")
def test_the_data_files_are_their_owners_alone(start: Start, tmp_path: Path) -> None:
    data = tmp_path / "mail.db"
    for suffix in ("", ".lock"):
        data.with_name(f"{data.name}{suffix}").touch(0o666)
    start(data=data).sent()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("mail.db", "mail.db.lock", "mail.db-wal", "mail.db-shm"), 0o600)


@pytest.mark.parametrize(
    ("settings", "host", "link"),
    [
        ({}, "evil.example", None),
        ({}, "203.0.113.9:1", None),
        ({}, "[", None),
        ({}, "localhost:7", "http://localhost:7"),
        ({"allowed_hosts": "a.test, Mail.test"}, "mail.test", "http://mail.test"),
        ({"host": "0.0.0.0"}, "evil.example", None),
        ({"public_url": "https://mail.test"}, "evil.example", "https://mail.test"),
    ],
)
def test_links_name_only_a_host_of_this_server(
    start: Start, settings: dict[str, Any], host: str, link: str | None
) -> None:
    server = start(**settings)
    own = server.url.replace("0.0.0.0", "127.0.0.1")
    mail = {"to": ["ann@other.test"], "subject": "Offer", "markdown": "Hello"}
    reply = server.agent.post(f"{server.box}/send", json=mail, headers={"Host": host})
    assert reply.json()["approval_url"].startswith(f"{link or own}/")
    servers = server.agent.get("/openapi.json", headers={"Host": host}).json()["servers"]
    assert servers == [{"url": link or own}]


@pytest.mark.parametrize(
    ("settings", "statuses"),
    [
        ({}, {401, 429}),
        ({"trusted_proxies": "10.0.0.0/8"}, {401, 429}),
        ({"trusted_proxies": "127.0.0.1"}, {401}),
    ],
)
def test_only_a_named_proxy_says_where_a_client_is(
    start: Start, settings: dict[str, Any], statuses: set[int]
) -> None:
    server = start(**settings)
    with httpx.Client(base_url=server.url, headers={"Origin": server.url}) as client:
        tries = [
            client.post(
                "/sign-in",
                data={"key": "wrong", "wanted": "/"},
                headers={"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": "for=192.0.2.1"},
            )
            for number in range(12)
        ]
    assert {reply.status_code for reply in tries} == statuses


def test_a_proxy_is_an_address_or_a_network(start: Start) -> None:
    with pytest.raises(ServerStartError, match="--trusted-proxies holds"):
        start(trusted_proxies="proxy.example")


@pytest.mark.parametrize(
    ("address", "admitted"),
    [("127.0.0.1", 4), ("::ffff:127.0.0.1", 4), ("192.0.2.7", 2), ("", 2)],
)
def test_only_a_proxy_may_have_all_connections(address: str, admitted: int) -> None:
    limits = ConnectionLimits(4, [ip_network("127.0.0.0/8")])
    assert [limits.admit(address) for _ in range(5)].count(True) == admitted


def test_one_address_holds_half_of_the_connections(start: Start) -> None:
    server = start(http_connections=4)
    with ExitStack() as held:
        for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3"):
            held.enter_context(connect(server, HALF, source))
        with connect(server, b"", "127.0.0.2") as client:
            assert b"too_many_connections" in read_all(client)
        assert httpx.get(f"{server.url}/health").status_code == 200
    with connect(server, b"GET /health HTTP/1.0\r\n\r\n", "127.0.0.2") as client:
        assert b" 200 " in read_all(client)


def test_a_request_that_never_ends_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT", 0.2)
    monkeypatch.setattr(app, "BODY_TIMEOUT", 0.2)
    server = start()
    whole = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    for data, status in (
        (b"", None),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n", None),
        (whole + b"GET / HTTP/1.1\r\n", b" 200 "),
        (HALF, b" 408 "),
    ):
        with connect(server, data) as client:
            answer = read_all(client)
        assert answer == b"" if status is None else status in answer.partition(b"\r\n")[0]


def test_a_response_that_nobody_reads_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_TIMEOUT", 0.2)
    given_up = threading.Event()
    monkeypatch.setattr(connections.ConnectionLimits, "release", lambda *_: given_up.set())
    server = start()
    with connect(server, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 50):
        assert given_up.wait(30)
