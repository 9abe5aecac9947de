"""The API key is sent in one header, and appears in no log, repr, error or pickle."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
import ssl
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx
import pytest
from tests.client.sockets import echo_server, free_port, raw_server, reset
from tests.client.support import (
    AT_ONCE,
    BASE,
    KEY,
    Connect,
    FakeApi,
    Fault,
    json_response,
    limited,
    refused,
    reset_after_work,
    timeout_after_work,
)
from tests.client.support import cut_after_work as cut

from multimail import (
    AsyncMultiMail,
    AuthenticationError,
    ConfigurationError,
    MultiMail,
    MultiMailError,
    OutcomeUnknownError,
)
from multimail._config import Secret, load_config


def test_the_key_does_not_print() -> None:
    client = MultiMail(KEY, base_url=BASE)
    config = client.config
    shown = [client, config, config.api_key, vars(client), dataclasses.asdict(config), client.run]
    assert KEY not in " ".join(f"{value!r} {value!s}" for value in shown)
    assert config.api_key.reveal() == KEY


@pytest.mark.parametrize("kind", [MultiMail, AsyncMultiMail])
def test_the_key_is_not_pickled(kind: Any) -> None:
    client = kind(KEY, base_url=BASE)
    for value in (client, client.config, client.config.api_key):
        with pytest.raises(TypeError) as caught:
            pickle.dumps(value)
        assert KEY not in str(caught.value)
    for copied in (copy.copy(client.config), copy.deepcopy(client.config)):
        assert copied == client.config
        assert KEY not in repr(copied)
    for way in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="Build it again"):
            way(client)


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize("key", [f"{KEY}\nX: y", f"{KEY} ", f"{KEY} x", f"{KEY}é", f"\x00{KEY}"])
def test_malformed_key_is_rejected_without_showing_it(key: str) -> None:
    if key.strip() == KEY:
        assert load_config(key).api_key == Secret(KEY)
        return
    with pytest.raises(ConfigurationError) as caught:
        load_config(key)
    assert KEY not in render_error(caught.value, with_locals=False)


def render_error(error: BaseException, *, with_locals: bool = True) -> str:
    """Return all that a log, a crash reporter or a debugger would show of an error."""
    formatted = traceback.TracebackException.from_exception(error, capture_locals=with_locals)
    return " ".join(["".join(formatted.format()), repr(error), str(error), repr(vars(error))])


def status(code: int) -> Fault:
    return lambda request, serve: json_response({"error": "no"}, code)


FAILURES: dict[str, Fault] = {
    "refused": refused,
    "reset": reset_after_work,
    "timeout": timeout_after_work,
    "cut": cut,
    "limited": limited("1"),
    "not JSON": lambda request, serve: httpx.Response(200, text="<html>"),
    "not this API": lambda request, serve: json_response({"ok": 1}),
    "redirect": lambda request, serve: httpx.Response(302),
    **{str(code): status(code) for code in (400, 401, 403, 404, 409, 410, 413, 418, 500, 503)},
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("method", ["send_email", "check_inbox"])
async def test_no_failure_shows_the_key(
    connect: Connect, caplog: pytest.LogCaptureFixture, failure: str, method: str
) -> None:
    caplog.set_level(logging.DEBUG)
    fake_api = FakeApi()
    fake_api.faults.extend([FAILURES[failure]] * 4)
    api = connect(fake_api)
    args = {"to": "bob@y.test", "subject": "S", "body": "B"} if method == "send_email" else {}
    with pytest.raises(MultiMailError) as caught:
        await getattr(api, method)(**args)
    error = caught.value
    assert fake_api.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    # The test's own frames hold the fake API's record of requests.
    here = [caught.value, pickle.loads(pickle.dumps(error)), copy.deepcopy(error)]
    for value in here:
        assert KEY not in render_error(value)
        assert (type(value), str(value)) == (type(error), str(error))
    assert KEY not in caplog.text
    assert KEY not in " ".join(repr(record.args) for record in caplog.records)


@pytest.mark.parametrize("fault", ["refused", "reset", "reset in the body"])
async def test_no_failure_of_a_real_connection_shows_the_key(
    connect: Connect, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    caplog.set_level(logging.DEBUG)

    def act(connection: Any, raw: bytes) -> None:
        if fault == "reset in the body":
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
        reset(connection)

    with raw_server([act]) as url:
        url = f"http://127.0.0.1:{free_port()}" if fault == "refused" else url
        api = connect(base_url=url, mailbox="mb_1")
        with pytest.raises(MultiMailError) as caught:
            await api.send_email("bob@y.test", "S", "B")
    assert KEY not in render_error(caught.value)
    assert any(record.name.startswith("httpcore") for record in caplog.records)
    assert KEY not in caplog.text


async def test_no_log_of_a_success_shows_the_key(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with echo_server() as server:
        await connect(base_url=server.url).read_email("em_1")
    assert "multimail" in {record.name for record in caplog.records}
    assert KEY not in caplog.text
    assert KEY not in " ".join(repr(vars(record)) for record in caplog.records)


class _Stuck(httpcore.NetworkStream):
    """A connection that accepts no byte, so that writing the headers fails."""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert KEY.encode() in buffer
        raise httpcore.WriteTimeout("timed out")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing to close."""

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: Any = None
    ) -> httpcore.NetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return None


class _StuckNetwork(httpcore.NetworkBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        return _Stuck()


class _StuckTransport(httpx.HTTPTransport):
    def __init__(self) -> None:
        super().__init__()
        self._pool = httpcore.ConnectionPool(network_backend=_StuckNetwork())


def test_write_error_does_not_show_the_headers() -> None:
    client = MultiMail(
        KEY, base_url=BASE, mailbox="mb_1", retry=AT_ONCE, transport=_StuckTransport()
    )
    with pytest.raises(OutcomeUnknownError) as caught:
        client.send_email("bob@y.test", "S", "B")
    assert isinstance(caught.value.__cause__, httpx.WriteTimeout)
    assert KEY not in render_error(caught.value)


def _says(error: BaseException, parts: Iterable[str]) -> None:
    for part in parts:
        assert part in str(error)


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda: MultiMail(), ["No API key.", "MULTIMAIL_API_KEY"]),
        (lambda: MultiMail(" "), ["No API key."]),
        (lambda: MultiMail(KEY, base_url="ftp://x.test"), ["not an http(s) URL", "https://host"]),
        (lambda: MultiMail(KEY, base_url="x.test"), ["not an http(s) URL"]),
        (lambda: MultiMail(KEY, base_url="https://[::1"), ["not an http(s) URL"]),
        (lambda: MultiMail(KEY, base_url="https://x.test:99999"), ["not an http(s) URL"]),
        (lambda: MultiMail(KEY, base_url="https://x.test?a=1"), ["not an http(s) URL"]),
        (lambda: MultiMail(KEY, base_url="https://x.test\n.evil"), ["not an http(s) URL"]),
        (lambda: MultiMail(KEY, base_url="http://x.test"), ["plain http", "unencrypted"]),
        (lambda: MultiMail(KEY, base_url="https://u:p@x.test"), ["user name or password"]),
    ],
)
def test_configuration_error_says_what_to_do(make: Callable[[], object], parts: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    _says(caught.value, parts)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000", "http://127.0.0.1:1/", "http://[::1]:9", "https://x.test/p/"]
)
def test_plain_http_is_allowed_on_loopback(url: str) -> None:
    assert load_config(KEY, url).base_url == url.rstrip("/")


def test_plain_http_elsewhere_must_be_enabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MULTIMAIL_ALLOW_HTTP", "1")
    monkeypatch.setenv("MULTIMAIL_API_URL", "http://mail.internal")
    monkeypatch.setenv("MULTIMAIL_API_KEY", f" {KEY}\n")
    config = load_config()
    assert (config.base_url, config.api_key.reveal()) == ("http://mail.internal", KEY)


async def test_revoked_key_error_names_the_setting(connect: Connect) -> None:
    api = connect(
        lambda request: json_response({"error": "Unknown key"}, 401, **{"x-request-id": "r_1"})
    )
    with pytest.raises(AuthenticationError) as caught:
        await api.get_account()
    _says(caught.value, ["get_account: Unknown key.", "MULTIMAIL_API_KEY", "(request r_1)"])


async def test_the_base_url_keeps_its_prefix(connect: Connect) -> None:
    fake_api = FakeApi()
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        return json_response({"status": "ok"})

    await connect(serve, base_url="https://x.test/mail/").get_health()
    assert seen == ["https://x.test/mail/health"]
    assert not fake_api.requests
