"""Proxies: which requests go through one, and what is said about a setting that is wrong."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.client.sockets import echo_server, free_port
from tests.client.support import KEY, Connect

from multimail import ConfigurationError, InvalidResponseError, MultiMail, NetworkError, Retry
from multimail._proxies import find_proxy, is_bypassed, is_loopback
from multimail.tools import Toolkit

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "request_method")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("api.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost.example.com", False),
        ("notlocalhost", False),
        ("128.0.0.1", False),
        ("::2", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
    ],
)
def test_hosts_of_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("no_proxy", "named", "others"),
    [
        ("*", ["api.example.com", "10.1.2.3", "fd00::1"], []),
        ("example.com", ["example.com", "api.example.com", "EXAMPLE.com."], ["anexample.com"]),
        (".example.com", ["api.example.com", "example.com"], ["anexample.com"]),
        ("*.example.com", ["a.b.example.com"], ["example.com", "anexample.com"]),
        ("a.test,b.test", ["a.test", "b.test"], ["c.test"]),
        (
            " a.test ,\tb.test  c.test;d.test,,",
            ["a.test", "b.test", "c.test", "d.test"],
            ["e.test"],
        ),
        ("example.com:443", ["example.com"], []),
        ("example.com:8443", [], ["example.com"]),
        ("Example.COM.", ["example.com"], []),
        ("https://example.com", ["example.com"], ["x.test"]),
        ("10.0.0.0/8", ["10.1.2.3"], ["11.1.2.3", "ten.test"]),
        ("10.1.2.3", ["10.1.2.3"], ["10.1.2.4"]),
        ("10.1.2.3:443", ["10.1.2.3"], ["10.1.2.4"]),
        ("10.1.*", ["10.1.2.3"], ["10.2.2.3"]),
        ("1.2.3", [], ["0.1.2.3"]),
        ("fd00::1", ["fd00::1", "fd00:0::1"], ["fd00::2"]),
        ("[fd00::1]", ["fd00::1", "[fd00::1]"], ["fd00::2"]),
        ("[fd00::1]:443", ["fd00::1"], []),
        ("[fd00::1]:80", [], ["fd00::1"]),
        ("fd00::/8", ["fd00::1"], ["fe00::1", "10.1.2.3"]),
        ("[fd00::]/8", ["fd00::1"], ["fe00::1"]),
        ("<local>", ["mail"], ["mail.test"]),
        ("10.0.0.0/99,::/x,[,:,.,/,://,a:b:c", [], ["example.com", "10.1.2.3", "::2"]),
        ("", [], ["example.com"]),
    ],
)
def test_forms_of_no_proxy(no_proxy: str, named: list[str], others: list[str]) -> None:
    assert [host for host in named if not is_bypassed(host, 443, no_proxy)] == []
    assert [host for host in others if is_bypassed(host, 443, no_proxy)] == []


@pytest.mark.parametrize(
    ("environment", "url", "proxy"),
    [
        ({"HTTPS_PROXY": "http://p:3128"}, "https://x.test", "http://p:3128"),
        (
            {"https_proxy": "http://low", "HTTPS_PROXY": "http://up"},
            "https://x.test",
            "http://low:80",
        ),
        ({"https_proxy": "", "HTTPS_PROXY": "http://up"}, "https://x.test", None),
        ({"HTTP_PROXY": "http://p"}, "https://x.test", None),
        ({"HTTP_PROXY": "p:3128"}, "http://x.test", "http://p:3128"),
        ({"HTTP_PROXY": "p", "REQUEST_METHOD": "GET"}, "http://x.test", None),
        ({"all_proxy": "socks5://u:p%40w@[fd00::1]"}, "https://x.test", "socks5://[fd00::1]:1080"),
        ({"ALL_PROXY": "p", "HTTPS_PROXY": "https://q"}, "https://x.test", "https://q:443"),
        ({"ALL_PROXY": "p", "NO_PROXY": "x.test"}, "https://api.x.test", None),
        ({"ALL_PROXY": "p", "no_proxy": "", "NO_PROXY": "*"}, "https://x.test", "http://p:80"),
        ({"ALL_PROXY": "not a url"}, "https://127.0.0.1", None),
        ({"ALL_PROXY": "not a url", "NO_PROXY": "*"}, "https://x.test", None),
        ({}, "https://x.test", None),
    ],
)
def test_the_proxy_of_a_url(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], url: str, proxy: str | None
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(url)
    assert (found and found.url) == proxy


@pytest.mark.parametrize(
    "value",
    [
        "http://",
        "://x",
        "ftp://p:1",
        "http://p:port",
        "http://p:99999",
        "a b",
        "socks://p",
        "http://[::",
    ],
)
async def test_a_proxy_that_is_no_url_is_one_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, connect: Connect, value: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        await connect(base_url="https://x.test").list_mailboxes()
    result = Toolkit(KEY, base_url="https://x.test").call("list_mailboxes", {})
    assert result.error is not None
    assert result.error.code == "configuration"
    assert "HTTPS_PROXY" in result.text


class Proxy(ThreadingHTTPServer):
    """Answers each request with a page, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _ProxyHandler)
        self.requests: list[tuple[str, str, bool]] = []
        self.status = 403


class _ProxyHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Proxy)
        self.server.requests.append((self.command, self.path, "authorization" in self.headers))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "15")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html>no</html>")

    def do_CONNECT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    server = Proxy()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    location = f"127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HTTP_PROXY", f"http://user:secret@{location}")
    monkeypatch.setenv("https_proxy", location)
    yield server
    server.shutdown()
    server.server_close()
    thread.join(60)


async def test_a_server_on_this_machine_is_asked_directly(connect: Connect, proxy: Proxy) -> None:
    with echo_server() as server:
        assert (await connect(base_url=server.url).list_mailboxes())[0].id == "mb_1"
    assert proxy.requests == []


async def test_plain_http_through_a_proxy_is_warned_of(
    connect: Connect,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("MULTIMAIL_ALLOW_HTTP", "1")
    client = connect(base_url="http://mail.internal:8000")
    for _ in range(2):
        with pytest.raises(InvalidResponseError, match=r"\(403, text/html\) is a page"):
            await client.list_mailboxes()
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "unencrypted" in warning.getMessage()
    assert "HTTP_PROXY" in warning.getMessage()
    assert "secret" not in caplog.text
    assert [request[2] for request in proxy.requests] == [True, True]
    toolkit = Toolkit(KEY, base_url="http://mail.internal:8000", mailbox="mb_1")
    error = toolkit.call("tag_email", {"email_id": "em_1", "tags": ["x"]}).error
    assert error is not None
    assert error.code == "unreadable_reply"
    assert "NO_PROXY" in error.next_step


async def test_a_proxy_that_refuses_is_named(connect: Connect, proxy: Proxy) -> None:
    with pytest.raises(NetworkError) as caught:
        await connect(base_url="https://mail.example").list_mailboxes()
    location = f"127.0.0.1:{proxy.server_address[1]}"
    assert f"mail.example:443 through the proxy {location}" in str(caught.value)
    assert "403" in str(caught.value)
    assert "(1 try)" in str(caught.value)
    assert proxy.requests == [("CONNECT", "mail.example:443", False)]


async def test_a_proxy_that_cannot_be_reached_is_the_thing_to_check(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NetworkError) as caught:
        await connect(base_url="https://mail.example", retry=Retry(max_attempts=1)).list_mailboxes()
    assert "NO_PROXY" in caught.value.remedy


def test_a_lent_client_has_the_proxies_of_its_owner(proxy: Proxy) -> None:
    httpx = pytest.importorskip("httpx")
    with echo_server() as server, httpx.Client(trust_env=False) as lent:
        assert MultiMail(KEY, base_url=server.url, http_client=lent).list_mailboxes()
    assert proxy.requests == []
