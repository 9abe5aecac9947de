"""Why there was no response: each error names the host, the port and the reason, once."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.client.sockets import free_port, raw_server, reset
from tests.client.support import AT_ONCE, KEY, Connect

from multimail import ConfigurationError, NetworkError, Retry
from multimail.tools import Toolkit

LIBRARIES = ("httpx", "httpx2")


@pytest.fixture(autouse=True, params=LIBRARIES)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIMAIL_HTTP_LIBRARY", request.param)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


async def get_error(connect: Connect, url: str, **options: Any) -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        await connect(base_url=url, **options).list_mailboxes()
    host = url.partition("://")[2]
    assert str(caught.value).count(host) == 1
    assert KEY not in str(caught.value)
    return caught.value


async def test_nobody_listens(connect: Connect) -> None:
    error = await get_error(connect, f"http://127.0.0.1:{free_port()}")
    assert "refused" in error.message
    assert "(4 tries)" in error.message
    assert not error.is_final


async def test_the_connection_breaks(connect: Connect) -> None:
    with raw_server([lambda connection, raw: reset(connection)]) as url:
        assert "reset" in (await get_error(connect, url)).message
    with raw_server([lambda connection, raw: connection.sendall(b"HTTP/1.1 200 OK\r\ncon")]) as url:
        assert "ended before the response" in (await get_error(connect, url)).message


async def test_the_server_says_nothing(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        error = await get_error(connect, url, timeout=0.05, retry=Retry(max_attempts=1))
    assert "no response within 0.05 s (1 try)" in error.message


async def test_the_name_is_not_known(connect: Connect) -> None:
    error = await get_error(connect, "https://no-such-host.invalid")
    assert "could not be resolved" in error.message


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM
    path = tmp_path / "certificate.pem"
    private = key.private_bytes(
        form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(signed.public_bytes(form) + private)
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[int, list[str]]]:
    """A server that speaks TLS and counts the connections; its certificate is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[str] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append("")
            try:
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65536)
                    body = b'{"mailboxes": []}'
                    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n"
                    tls.sendall(f"{head}connection: close\r\n\r\n".encode() + body)
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1], accepted
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(60)


async def test_a_certificate_that_is_not_trusted_is_tried_once(
    connect: Connect, tls_server: tuple[int, list[str]]
) -> None:
    port, accepted = tls_server
    error = await get_error(connect, f"https://localhost:{port}")
    assert "certificate is not trusted (self" in error.message
    assert "(1 try)" in error.message
    assert "SSL_CERT_FILE" in str(error)
    assert error.is_final
    assert len(accepted) == 1


async def test_a_certificate_that_the_environment_names_is_trusted(
    connect: Connect,
    tls_server: tuple[int, list[str]],
    certificate: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    port, accepted = tls_server
    assert await connect(base_url=f"https://localhost:{port}").list_mailboxes() == []
    error = await get_error(connect, f"https://127.0.0.1:{port}")  # another name than it certifies
    assert "certificate is not trusted" in error.message
    assert len(accepted) == 2


async def test_certificates_that_cannot_be_read_name_the_variable(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
        await connect(base_url="https://localhost:1").list_mailboxes()


class PlainText(socketserver.BaseRequestHandler):
    """Answers what it does not understand, as a server of plain http does when TLS begins."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


async def test_a_server_without_tls_is_tried_once(connect: Connect) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), PlainText) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        error = await get_error(connect, f"https://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert "TLS failed" in error.message
    assert "(1 try)" in error.message


def test_a_tool_tells_the_model(library: None) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    error = Toolkit(KEY, base_url=url, retry=AT_ONCE).call("list_mailboxes", {}).error
    assert error is not None
    assert (error.code, error.retryable) == ("network", True)
    assert f"{url[7:]}: the connection was refused" in error.message
    named = Toolkit(KEY, base_url="https://no-such-host.invalid", retry=AT_ONCE)
    error = named.call("send_email", {"to": ["b@y.test"], "subject": "S", "body": "B"}).error
    assert error is not None
    assert error.code == "network"
