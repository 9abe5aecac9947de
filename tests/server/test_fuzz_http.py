"""Hostile HTTP clients: no request, however it is written, makes the server fail or stop."""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from multimail_server import ServerConfig
from multimail_server.testing.routes import ALL_ROUTES
from multimail_server.testing.server import ServerUnderTest

SETTINGS = settings(
    max_examples=120,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d) ")
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 10**400, 1e308, "", "\0", "\ud800", "\u202e", "x" * 3000, "a@b", "@",
    "a@b\r\nBcc: c@d", [], [[]], {}, {"": {}}, [None], ["a@example.com"] * 60,
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+23:59", "' OR 1=1 --", "../../etc/passwd", "agent@multimail.test",
)  # fmt: skip
FIELDS = (
    "to", "cc", "bcc", "subject", "markdown", "body", "attachments", "idempotency_key", "send_at",
    "metadata", "oversight_mode", "reply_all", "email_id", "message_id", "action", "reason", "tags",
    "tag", "name", "email", "scopes", "mailbox_id", "from", "address", "auto_cc", "webhook_url",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b'{"a":' * 20_000, b"1e999999",
    b'"\\ud800"',
    b'{"to": NaN}', b'{"to": "a", "to": "b"}', b"\xef\xbb\xbf{}", b'{"subject": "\\u0000"}',
)  # fmt: skip


@pytest.fixture(scope="module")
def target() -> Iterator[ServerUnderTest]:
    with ServerUnderTest(ServerConfig(port=0, smtp_port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def by_scope(target: ServerUnderTest) -> Iterator[dict[str, httpx.Client]]:
    """A client for each scope."""
    agent, reviewer, admin = (target.http(role) for role in ("agent", "reviewer", "admin"))
    with agent, reviewer, admin:
        yield {"send": agent, "read": agent, "oversight": reviewer, "admin": admin}


@pytest.fixture(autouse=True)
def no_error_of_our_own(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever the server logs as an error is one."""
    yield
    faults = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert not faults, faults[0].getMessage()


WRITING = sorted(
    {(spec.method, spec.openapi_path, spec.scopes[0]) for spec in ALL_ROUTES if spec.scopes}
    - {("DELETE", "/v1/account", "admin"), ("DELETE", "/v1/mailboxes/{mailbox}", "admin")}
)
bodies = st.one_of(
    st.sampled_from(BODIES),
    st.binary(max_size=60),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(HOSTILE), max_size=8),
)
words = st.one_of(
    st.sampled_from(
        ["", ".", "..", "\0", "%", "\u00fc@x", "agent@multimail.test", "a" * 3000, "/"]
    ),
    st.text(max_size=20),
)


def escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


@settings(SETTINGS, max_examples=400)
@given(route=st.sampled_from(WRITING), body=bodies, word=words, query=st.sampled_from(HOSTILE))
def test_no_body_path_or_query_is_an_error_of_the_servers(
    by_scope: dict[str, httpx.Client],
    route: tuple[str, str, str],
    body: Any,
    word: str,
    query: Any,
) -> None:
    method, path, scope = route
    in_path = escaped(word) or "x"
    url = re.sub(r"\{mailbox\}", "agent%40multimail.test", path)
    url = re.sub(r"\{\w+\}", lambda _: in_path, url)
    text = escaped(str(query))
    url += f"?limit={text}&cursor={text}&status={text}&date_after={text}&email_id={text}&q={text}"
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = by_scope[scope].request(method, url[:8000], content=content)
    assert answer.status_code < 500, answer.text
    assert answer.headers["x-request-id"]
    if answer.is_error:
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


REQUESTS = (
    b"GET /health HTTP/1.1", b"GET /v1/mailboxes HTTP/1.1", b"POST /send_email HTTP/1.1",
    b"GET http://[::1/ HTTP/1.1", b"GET //evil.example/../.. HTTP/1.1", b"GET /\xff\xfe HTTP/1.1",
    b"GET /%00%ff HTTP/1.1", b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"PRI * HTTP/2.0",
    b"GET / HTTP/9.9", b"G\0T / HTTP/1.1", b"", b"HEAD /health HTTP/1.0",
    b"GET /health?" + b"a" * 20_000,
)  # fmt: skip
HEADERS = (
    b"Host: x", b"Host: evil.example", b"Host: \xff", b"Content-Length: 5", b"Content-Length: -1",
    b"Content-Length: 99999999999999999999", b"Content-Length: 1, 2", b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: x", b"Authorization: Bearer",
    b"Authorization: Bearer \xff\xfe", b"Authorization: Basic " + b"A" * 9000, b"X-API-Key: \0",
    b"X-API-Key: mm_test_" + b"\xc3\xbc" * 40, b"Expect: 100-continue", b"Upgrade: websocket",
    b"Connection: upgrade", b"X: " + b"y" * 20_000, b": no name", b" folded", b"Content-Type: \xff",
)  # fmt: skip
TAILS = (
    b"",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n",
    b"hello",
    b"\0" * 300,
)


@SETTINGS
@given(
    first=st.one_of(st.sampled_from(REQUESTS), st.binary(max_size=40)),
    headers=st.lists(st.one_of(st.sampled_from(HEADERS), st.binary(max_size=30)), max_size=5),
    tail=st.one_of(st.sampled_from(TAILS), st.binary(max_size=60)),
)
def test_any_bytes_get_an_answer_or_the_door(
    target: ServerUnderTest, first: bytes, headers: list[bytes], tail: bytes
) -> None:
    place = urlsplit(target.url)
    with socket.create_connection((str(place.hostname), int(place.port or 0)), 20) as client:
        try:
            client.sendall(b"\r\n".join([first, *headers, b"", tail]))
            client.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as lines:
                answered = lines.read()
        except OSError:
            answered = b""  # hung up on while it was still talking
    statuses = [int(status) for status in STATUS.findall(answered)]
    assert all(status < 500 for status in statuses), answered
    assert httpx.get(f"{target.url}/health").json()["status"] == "ok"
